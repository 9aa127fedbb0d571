"""Two machines on the air, each with its own avahi: somebody browses here, Ana offers there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from meshwatch.model import Claim, Neighbor, Presence, Readings, Reason, Service
from tests.bus.harness import MessageDaemon
from tools.lab import avahi, roster
from tools.lab.air import Air, Station

INSTANCE = "ana@laptop"


class Machine:
    """A station with a bus of its own."""

    def __init__(self, station: Station, bus: MessageDaemon) -> None:
        self.station = station
        # One bus for all, that of a session too.
        names = ("DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS")
        self._environment = os.environ | dict.fromkeys(names, bus.address) | {"LC_ALL": "C"}

    @property
    def ifindex(self) -> int:
        """Of its mesh0."""
        words = self.station.inside("ip", "-json", "link", "show", "dev", "mesh0")
        (link,) = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        index: int = link["ifindex"]
        return index

    @asynccontextmanager
    async def running(self, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A program on this machine, for the length of a block."""
        words = self.station.inside(*command)
        async with _running(*words, environment=self._environment) as process:
            yield process

    @asynccontextmanager
    async def browsing(self) -> AsyncIterator[Browser]:
        """Somebody looks at its roster."""
        async with self.running(*roster.BROWSE) as process:
            yield Browser(process, lambda line: roster.browsed(line, "ana"))

    @asynccontextmanager
    async def chatting(self, place: Path) -> AsyncIterator[Browser]:
        """Somebody looks at the list of buddies in finch."""
        home = place / "purple"
        home.mkdir()
        async with self.running(*roster.MONITOR) as process:
            await line_with(process.stdout, roster.MONITORS)
            async with self.running(*roster.finch(home)):
                yield Browser(process, roster.listed)

    @asynccontextmanager
    async def avahi(
        self, place: Path, host: str, *services: avahi.Service
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Its avahi, which offers this."""
        async with self.running(*avahi.command(place, host, services)) as process:
            await line_with(process.stderr, "Server startup complete")
            yield process


class Browser:
    """A program that shows what the avahi of its machine believes."""

    def __init__(
        self, process: asyncio.subprocess.Process, understand: Callable[[str], str | None]
    ) -> None:
        self._process = process
        self._understand = understand

    async def shows(self) -> str:
        """The next thing it shows of Ana: + when she came, - when she went."""
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode():
            if sign := self._understand(line):
                return sign
        raise AssertionError("ended")


class Rosters(NamedTuple):
    """The machine of who looks, and that of Ana."""

    here: Machine
    there: Machine

    def ana(self) -> Neighbor:
        """What meshwatchd tells here of Ana."""
        services = (Service(roster.TYPE, INSTANCE, "ana.local", 5298),)
        return Neighbor(
            ifindex=self.here.ifindex,
            interface="mesh0",
            address=self.there.station.address,
            presence=Presence.PRESENT,
            reason=Reason.ESTABLISHED,
            since_ns=0,
            first_heard_ns=0,
            claims=(Claim(claimant="names", uid=0, claimed_ns=0, services=services),),
            readings=Readings(last_heard_ns=0),
        )


@asynccontextmanager
async def two_rosters(place: Path, *, met: bool = True) -> AsyncIterator[Rosters]:
    """Two machines with avahi, one of which offers; in range of each other, or never yet."""
    with ExitStack() as stack:
        air = stack.enter_context(Air())
        machines = []
        for number, host in enumerate(("here", "ana"), 1):
            (place / host).mkdir()
            bus = MessageDaemon(place / host)
            bus.start()
            stack.callback(bus.kill)
            machines.append(Machine(air.join(number), bus))
        here, there = machines
        if not met:
            there.station.leave()
        offered = avahi.Service(INSTANCE, roster.TYPE, 5298)
        async with here.avahi(place / "here", "here"), there.avahi(place / "ana", "ana", offered):
            yield Rosters(here, there)


async def line_with(stream: asyncio.StreamReader | None, part: str) -> str:
    """The next line that has this part."""
    assert stream is not None
    log = ""
    while line := (await stream.readline()).decode():
        log += line
        if part in line:
            return line
    raise AssertionError(f"ended without {part!r}:\n{log}")


@asynccontextmanager
async def _running(
    *command: str, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
