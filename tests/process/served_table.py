"""A table served on real sockets, fed with observations by a test: a daemon without a kernel."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from meshwatch import protocol
from meshwatch.feed import Feed
from meshwatch.model import InterfaceType, Plink
from meshwatch.observations import (
    InterfaceSeen,
    LinkSeen,
    Observation,
    Settled,
    Station,
    StationDeleted,
    StationField,
    StationSeen,
)
from meshwatch.server import Server
from meshwatch.table import Table

DEADLINE_S = 10


class ServedTable:
    """A thread with an event loop, and in it table, feed and server."""

    def __init__(self, directory: Path, *, replay: str | None = None) -> None:
        self.directory = directory
        self.table = Table()
        self.feed = Feed(self.table.snapshot)
        self._replay = replay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._wall_offset_ns = time.time_ns() - time.monotonic_ns()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(DEADLINE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(DEADLINE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    async def _start(self) -> None:
        hello = protocol.version(
            release="0.1.0",
            boot="0" * 32,
            started_unix_ms=time.time_ns() // 1_000_000,
            replay=self._replay,
        )
        offset = self._wall_offset_ns
        self._server = Server(self.feed, self.directory, lambda: offset, hello)
        await self._server.start()

    def observe(self, *observations: Observation) -> None:
        """Let the table know, now, and its subscribers with it."""

        def publish() -> None:
            now = time.monotonic_ns()
            for observation in observations:
                self.feed.publish(self.table.observe(observation, now))
            self.feed.publish(self.table.tick(now))
            if self.table.ready:
                self.feed.open()

        async def publish_there() -> None:
            publish()

        asyncio.run_coroutine_threadsafe(publish_there(), self._loop).result(DEADLINE_S)

    # ---- what tests say often -------------------------------------------------------------------

    def settle(self, *interfaces: str) -> None:
        """These mesh interfaces are up and joined; the first look is over."""
        self.observe(*[o for name in interfaces for o in joined(name)], Settled("nl80211"))

    def present(self, address: str, interface: str = "mesh0") -> None:
        """The peer link of this neighbor is established."""
        self.observe(StationSeen(ifindex_of(interface), address, station(Plink.ESTAB)))

    def deleted(self, address: str, interface: str = "mesh0") -> None:
        """The kernel deleted the station."""
        self.observe(StationDeleted(ifindex_of(interface), address))


def ifindex_of(interface: str) -> int:
    """mesh0 is 10, mesh1 is 11."""
    return 10 + int(interface.removeprefix("mesh"))


def joined(interface: str) -> tuple[Observation, ...]:
    """A mesh interface that is up and has joined."""
    ifindex = ifindex_of(interface)
    address = f"02:00:00:00:{ifindex - 10:02x}:ff"
    seen = InterfaceSeen(ifindex, interface, InterfaceType.MESH, ifindex - 10, address, 2412)
    return (seen, LinkSeen(ifindex, interface, up=True, running=True))


def station(plink: Plink, *, inactive_ms: int = 100, signal_dbm: int = -61) -> Station:
    """What the kernel says of an ordinary station in this state."""
    known = {
        "inactive_ms": inactive_ms,
        "connected_s": 3723,
        "rx_bytes": 1_234_567,
        "tx_bytes": 7_654,
        "rx_packets": 12345,
        "tx_packets": 99,
        "tx_retries": 3,
        "tx_failed": 0,
        "beacon_loss": 0,
        "airtime_metric": 128,
        "expected_throughput_kbps": 27_000,
        "signal_dbm": signal_dbm,
        "signal_avg_dbm": signal_dbm + 1,
        "plink": int(plink),
        "llid": 4711 if plink is Plink.ESTAB else 0,
        "plid": 815 if plink is Plink.ESTAB else 0,
        "tx_rate_kbps": 54_000,
        "rx_rate_kbps": 866_700,
        "local_pm": 1,
        "peer_pm": 1,
        "nonpeer_pm": 1,
        "connected_to_gate": 0,
    }
    values = dict.fromkeys(Station._fields, 0) | known
    present = 0
    for name in known:
        present |= StationField[name.upper()]
    return Station(**(values | {"present": int(present)}))
