"""meshwatchd(8): wires kernel or recording, table, and both doors; owns the tasks."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from meshwatch import __version__, protocol, systemd
from meshwatch.bus import Bus
from meshwatch.config import Config, ConfigError, load
from meshwatch.feed import Feed
from meshwatch.model import Change, Observation, SourceState
from meshwatch.pcap import MalformedCapture
from meshwatch.recording import RecordingFailed, Writer, open_recording
from meshwatch.replay import Player, conversations
from meshwatch.server import Server, ServerError
from meshwatch.sources import Sources
from meshwatch.table import Table
from meshwatch.tee import Tee
from meshwatch.wall import WallClock

log = logging.getLogger("meshwatchd")


class Daemon:
    """One table between its sources and its publishers."""

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._wall = WallClock()
        self._table = Table()
        self._feed = Feed(self._table.snapshot)
        self._opened = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises ServerError, RecordingFailed, MalformedCapture and OSError when it cannot.
        """
        settings = self._settings
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        observing = self._live() if settings.replay is None else self._replay()
        directory = Path(settings.runtime_directory)
        server = Server(self._feed, directory, self._wall.offset_ns, self._hello())
        await server.start()
        serving: list[Coroutine[Any, Any, None]] = [observing]
        bus = None
        if settings.bus != "none":
            bus = Bus(
                self._feed,
                self._table.row,
                self._wall.offset_ns,
                settings.bus,
                lambda failure: self._note("dbus", failure),
            )
            serving.append(bus.run())
        tasks = [asyncio.create_task(work) for work in serving]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        # A second Ctrl-C must not turn a clean end into a death by signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        systemd.notify("STOPPING=1")
        for task in (stopped, tasks[0]):
            task.cancel()
        if bus is not None:
            await bus.close()
        await server.close()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _hello(self) -> protocol.Line:
        replay = self._settings.replay
        return protocol.version(
            release=__version__,
            boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            started_unix_ms=time.time_ns() // 1_000_000,
            replay=None if replay is None else Path(replay).name,
        )

    # ---- sources ----------------------------------------------------------------------------

    async def _live(self) -> None:
        settings, only = self._settings, frozenset(self._settings.interfaces) or None
        tee = None
        if settings.record is not None:
            writer = Writer(
                Path(settings.record),
                release=__version__,
                kernel=os.uname().release,
                wall_offset_ns=self._wall.offset_ns(),
                interfaces=only,
            )
            tee = Tee(writer, lambda failure: self._note("recording", failure))
        try:
            await Sources(only, settings.receive_buffer_bytes, self._hand_on, tee).run()
        finally:
            if tee is not None:
                tee.close()

    async def _replay(self) -> None:
        recording = open_recording(Path(self._settings.replay or ""))
        player = Player(recording, conversations(recording), self._table)
        began_ns = time.monotonic_ns()
        first_ns = player.deadline()
        if self._settings.speed == 1 and first_ns is not None:
            # Ages read right only if the recording's times are moved to now.
            self._wall.fix(time.time_ns() - first_ns)
        else:
            self._wall.fix(recording.wall_offset_ns)
        while (now := player.deadline()) is not None:
            if self._settings.speed and first_ns is not None:
                due_ns = began_ns + (now - first_ns) / self._settings.speed
                await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            else:
                await asyncio.sleep(0)
            self._publish(player.step())
        log.info("%s is at its end; its last table is served on", self._settings.replay)
        self._open()
        await asyncio.Event().wait()

    def _hand_on(self, observations: Iterable[Observation], now: int) -> None:
        changes: list[Change] = []
        for observation in observations:
            changes += self._table.observe(observation, now)
        self._publish(changes)
        self._set_timer()

    def _note(self, source: str, failure: str | None) -> None:
        self._hand_on([SourceState(source, failure)], time.monotonic_ns())

    def _ticked(self) -> None:
        self._publish(self._table.tick(time.monotonic_ns()))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._table.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline / 1e9, self._ticked)

    # ---- publishers -------------------------------------------------------------------------

    def _publish(self, changes: list[Change]) -> None:
        for change in changes:
            if change.news:
                log.debug("%s: %s", change.key, change.new or change.reason)
        self._feed.publish(changes)
        if self._table.ready and not self._opened:
            self._open()

    def _open(self) -> None:
        self._opened = True
        self._feed.open()
        systemd.notify("READY=1")


def main(argv: list[str] | None = None) -> int:
    """The program; its exit status."""
    try:
        settings = load(argv)
    except ConfigError as error:
        print(f"meshwatchd: {error}", file=sys.stderr)
        return 2
    systemd.log_to_stderr(logging.DEBUG if settings.verbose else logging.INFO)
    try:
        asyncio.run(Daemon(settings).run())
    except (ServerError, RecordingFailed, MalformedCapture, OSError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
