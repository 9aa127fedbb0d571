"""A real table, feed and server in a directory; what is observed and when, the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from meshwatch import protocol
from meshwatch.client import Following, NeighborKey, Resynchronised
from meshwatch.feed import Feed
from meshwatch.model import InterfaceType, Neighbor, Plink
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

OFFSET_NS = 1_790_000_000_000_000_000
HELLO = protocol.version(release="0.1.0", boot="a boot", started_unix_ms=1_790_000_000_000)
DEADLINE_S = 30.0  # far more than anything takes: the machine may be busy
_NOTHING = Station._make([0] * len(Station._fields))


def station(signal_dbm: int = -60, llid: int = 1) -> Station:
    """An established peer, heard just now."""
    present = (
        StationField.INACTIVE_MS
        | StationField.SIGNAL_DBM
        | StationField.PLINK
        | StationField.LLID
        | StationField.PLID
    )
    return _NOTHING._replace(
        present=int(present), signal_dbm=signal_dbm, plink=Plink.ESTAB, llid=llid, plid=7
    )


def address(number: int) -> str:
    return f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


class World:
    """What a daemon is without a kernel and a clock."""

    def __init__(self, directory: Path, *, depth: int = 4096, settled: bool = True) -> None:
        self.now = 10**9
        self._strangers = count(1 << 20)
        self.table = Table()
        self.feed = Feed(self.table.snapshot, depth)
        self.server = Server(self.feed, directory, lambda: OFFSET_NS, HELLO)
        self.observe(
            InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, "02:00:00:ff:00:00", 2412),
            LinkSeen(3, "mesh0", up=True, running=True),
        )
        if settled:
            self.observe(Settled("nl80211"))

    def observe(self, *observations: Observation) -> None:
        """All in one turn of the loop, as from one datagram."""
        self.feed.publish(
            [change for seen in observations for change in self.table.observe(seen, self.now)]
        )
        if self.table.ready:
            self.feed.open()

    def come(self, numbers: Iterable[int], **how: int) -> None:
        """These stations are there, and were heard just now."""
        self.observe(*(StationSeen(3, address(number), station(**how)) for number in numbers))

    def go(self, numbers: Iterable[int]) -> None:
        """The kernel deleted these stations."""
        self.observe(*(StationDeleted(3, address(number)) for number in numbers))

    def somebody(self) -> NeighborKey:
        """Somebody nobody knew came."""
        number = next(self._strangers)
        self.come([number])
        return NeighborKey(3, address(number))

    def later(self, seconds: float = 1.1) -> None:
        """Time goes by, long enough for readings to be told again."""
        self.now += int(seconds * 10**9)

    def neighbors(self) -> dict[NeighborKey, protocol.Neighbor]:
        """What a mirror should hold."""
        rows = [row for row in self.table.snapshot() if isinstance(row, Neighbor)]
        return {NeighborKey(r.ifindex, r.address): protocol.neighbor(r, OFFSET_NS) for r in rows}


@asynccontextmanager
async def serving(
    directory: Path, *, depth: int = 4096, settled: bool = True
) -> AsyncIterator[World]:
    """A world whose server is up, with a deadline for all that happens in it."""
    world = World(directory, depth=depth, settled=settled)
    async with asyncio.timeout(DEADLINE_S):
        await world.server.start()
        try:
            yield world
        finally:
            await world.server.close()


async def synchronised(daemon: Following) -> Following:
    """After the first snapshot."""
    while not isinstance(await daemon.receive(), Resynchronised):
        pass
    return daemon


async def equal(world: World, *daemons: Following) -> None:
    """Let somebody come whom nobody knows yet; when a daemon knows, its mirror is right."""
    newest = world.somebody()
    for daemon in daemons:
        while newest not in daemon.neighbors:
            await daemon.receive()
        assert daemon.neighbors == world.neighbors()


async def until(wanted: Callable[[], bool]) -> None:
    """Let the loop turn until this is so; the deadline is the world's."""
    while not wanted():  # noqa: ASYNC110 (what is awaited is a fact of a socket, not an event)
        await asyncio.sleep(0)
