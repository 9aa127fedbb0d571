"""meshwatchd(8): wires kernel or recording, table, and both doors; owns the tasks."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from meshwatch import __version__, protocol, systemd
from meshwatch.bus import Bus
from meshwatch.claims import Claims
from meshwatch.config import Config, ConfigError, load
from meshwatch.feed import Feed
from meshwatch.letterbox import Letterbox
from meshwatch.model import Change
from meshwatch.observations import Deaf, Observation, SourceState
from meshwatch.pcap import MalformedCapture
from meshwatch.playback import Playback
from meshwatch.pump import STARVED_NS
from meshwatch.recording import RecordingFailed
from meshwatch.server import Server, ServerError
from meshwatch.sources import Sources
from meshwatch.table import Table
from meshwatch.tee import Tee
from meshwatch.wall import WallClock

log = logging.getLogger("meshwatchd")

END_S = 5.0  # within which everything ends once it is told to


class Daemon:
    """One table between its sources and its publishers."""

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._wall = WallClock()
        self._table = Table()
        self._feed = Feed(self._table.snapshot)
        self._sources: Sources | None = None
        self._opened = False
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns: int | None = None
        self._now = time.monotonic_ns

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises ServerError, RecordingFailed, MalformedCapture and OSError when it cannot.
        """
        settings = self._settings
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        playback = None
        if settings.replay is not None:
            path = Path(settings.replay)
            playback = Playback(path, settings.speed, self._table, self._wall, settings.family)
        directory = Path(settings.runtime_directory)
        server = Server(self._feed, directory, self._wall.offset_ns, self._hello())
        await server.start()
        serving = [self._live() if playback is None else self._replay(playback)]
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
        ended, late = await asyncio.wait(tasks, timeout=END_S)
        for task in late:
            log.warning("%s does not end", task.get_name())
        for task in ended:
            if not task.cancelled():
                task.result()

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
        settings = self._settings
        only = frozenset(settings.interfaces) or None
        tee = None
        if settings.record is not None:
            offset_ns = self._wall.offset_ns()
            path = Path(settings.record)
            tee = Tee(path, offset_ns, only, lambda why: self._note("recording", why))
        letterbox = Letterbox(Claims(self._table.ifindex, self._table.takes), self._claimed)
        try:
            letterbox.start(Path(settings.runtime_directory))
            self._sources = Sources(settings, self._hand_on, tee)
            await self._sources.run()
        finally:
            self._sources = None
            letterbox.close()
            if tee is not None:
                tee.close()

    async def _replay(self, playback: Playback) -> None:
        self._now = playback.now
        await playback.run(self._publish)
        await asyncio.Event().wait()

    def _hand_on(self, observations: Iterable[Observation], now: int) -> None:
        changes: list[Change] = []
        for observation in observations:
            changes += self._table.observe(observation, now)
        self._settle(changes)

    def _note(self, source: str, failure: str | None) -> None:
        """A publisher or the recording failed, or works again: the table says so too."""
        now = self._now()
        self._settle(self._table.observe(SourceState(source, failure), now))

    def _claimed(self, observations: list[Observation]) -> None:
        self._hand_on(observations, self._now())

    def _ticked(self) -> None:
        now = time.monotonic_ns()
        if self._due_ns is not None and now - self._due_ns > STARVED_NS:
            # We stood still, and what came meanwhile waits in the sockets: nobody was silent.
            self._hand_on([Deaf("daemon", self._due_ns)], now)
        self._settle(self._table.tick(now))

    def _settle(self, changes: list[Change]) -> None:
        """Publish, ask what the table wants to know, and look at the clock again in time."""
        self._publish(changes)
        questions = self._table.questions()
        if questions and self._sources is not None:
            self._sources.ask(questions, self._now())
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_ns = deadline = self._table.deadline()
        if deadline is not None and self._settings.replay is None:
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
