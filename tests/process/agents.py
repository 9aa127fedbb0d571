"""What the tests of the agent share: a daemon as it sees one, and a running agent on a wire."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from meshwatch import protocol
from meshwatch.claims import Claims
from meshwatch.feed import Feed
from meshwatch.letterbox import Letterbox
from meshwatch.model import (
    Address,
    Change,
    Evidence,
    Interface,
    InterfaceType,
    Key,
    Neighbor,
    Presence,
    Proof,
    Readings,
    Reason,
)
from meshwatch.observations import Observation
from meshwatch.server import Server
from tests.process.air import IFINDEX, NEIGHBOR, Air, on_air

DEADLINE_S = 30.0
AGENT = (sys.executable, "-m", "meshwatch.cli")
SILENCE = Evidence(proof=Proof.LOOK, silence_ms=3600)


class Daemon:
    """What an agent sees of one: rows that the test makes, and a letterbox."""

    def __init__(self, directory: Path, replay: str | None = None) -> None:
        self.heard: asyncio.Queue[Observation] = asyncio.Queue()
        self._rows: dict[Key, Neighbor | Interface] = {}
        self._feed = Feed(lambda: tuple(self._rows.values()))
        hello = protocol.version(
            release="0.1.0", boot="a boot", started_unix_ms=time.time_ns() // 10**6, replay=replay
        )
        self._server = Server(self._feed, directory, lambda: 0, hello)
        self.taken = Claims({"mesh0": IFINDEX}.get)
        self.letterbox = Letterbox(self.taken, self._hand_on)
        self._directory = directory

    def _hand_on(self, observations: list[Observation]) -> None:
        for observation in observations:
            self.heard.put_nowait(observation)

    async def start(self) -> None:
        await self._server.start()
        self.letterbox.start(self._directory)
        self._feed.open()

    async def close(self) -> None:
        self.letterbox.close()
        await self._server.close()

    def tell(
        self,
        presence: Presence,
        address: str = NEIGHBOR,
        *,
        interface: str = "mesh0",
        ifindex: int = IFINDEX,
        beacon_interval_tu: int = 100,
        addresses: tuple[Address, ...] = (),
    ) -> None:
        """This neighbor came into, or is now in this state."""
        row = Neighbor(
            ifindex=ifindex,
            interface=interface,
            address=address,
            presence=presence,
            reason=Reason.SILENT if presence is Presence.QUIET else Reason.ESTABLISHED,
            since_ns=0,
            first_heard_ns=0,
            evidence=SILENCE if presence is Presence.QUIET else None,
            addresses=addresses,
            readings=Readings(last_heard_ns=0, beacon_interval_tu=beacon_interval_tu),
        )
        old = self._rows.get(row.key)
        self._rows[row.key] = row
        self._feed.publish([Change(row.key, old, row)])

    def tell_interface(self, *, there: bool = True) -> None:
        """Our interface is there, or is no more."""
        key = Key("interface", IFINDEX, "")
        old, new = self._rows.pop(key, None), None
        if there:
            new = self._rows[key] = Interface(
                ifindex=IFINDEX,
                interface="mesh0",
                type=InterfaceType.MESH,
                wiphy=0,
                address="02:00:00:00:00:00",
                up=True,
                running=True,
            )
        reason = None if there else Reason.INTERFACE_REMOVED
        self._feed.publish([Change(key, old, new, reason=reason)])

    async def claims(self, count: int) -> list[Observation]:
        """The next claims."""
        return [await self.heard.get() for _ in range(count)]


class Agent:
    """A running agent, ended with SIGTERM."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""

    async def says(self, *parts: str) -> str:
        """The next line of its log that has all these parts."""
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():  # b"" at the end
            self.log += line
            if all(part in line for part in parts):
                return line
        raise AssertionError(f"ended without a line with {parts}:\n{self.log}")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; the log is complete then."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        _, rest = await self.process.communicate()
        self.log += rest.decode()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def daemon(directory: Path, replay: str | None = None) -> AsyncIterator[Daemon]:
    serving = Daemon(directory, replay)
    await serving.start()
    try:
        yield serving
    finally:
        await serving.close()


@asynccontextmanager
async def agent(
    directory: Path, air: Air, *options: str, command: Sequence[str] = AGENT
) -> AsyncIterator[Agent]:
    words = [*command, "--runtime-directory", str(directory), "agent", *options]
    running = Agent(await air.spawn(words))
    try:
        yield running
    finally:
        await running.end()


def play(scene: Callable[[Air], Awaitable[None]]) -> None:
    """A scene on a wire, with a deadline."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S), on_air() as air:
            await scene(air)

    asyncio.run(main())
