"""Two machines on the air, each with its own avahi: somebody browses here, Ana offers there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from meshwatch.model import Claim, Neighbor, Presence, Readings, Reason, Service
from tests.bus.harness import MessageDaemon
from tests.process.machines import UNPACKED
from tools.lab.air import Air, Station

INSTANCE, TYPE = "ana@laptop", "_presence._tcp"

_AVAHI = """
mkdir -p /run/avahi-daemon
mount -t tmpfs none /run/avahi-daemon
mount --bind "$0/services" /etc/avahi/services
exec avahi-daemon -f "$0/avahi.conf" --no-drop-root --no-chroot --no-rlimits
"""
_CONFIGURATION = """\
[server]
host-name={host}
use-ipv4=no
use-ipv6=yes
allow-interfaces=mesh0
[publish]
publish-hinfo=no
publish-workstation=no
"""
_SERVICE = f"""\
<?xml version="1.0" standalone='no'?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>{INSTANCE}</name>
<service><type>{TYPE}</type><port>5298</port></service></service-group>
"""
# It wants a terminal.
_FINCH = """
mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr
export TERM=xterm HOME="$1"
exec script --quiet --command 'exec finch --config="$HOME"' /dev/null >/dev/null
"""
_ACCOUNT = """\
<?xml version='1.0' encoding='UTF-8' ?>
<account version='1.0'><account>
<protocol>prpl-bonjour</protocol><name>who@here</name>
<settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>
</account></account>
"""


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
        words = ("avahi-browse", "--parsable", "--no-db-lookup", TYPE)
        async with self.running(*words) as process:
            yield Browser(process)

    @asynccontextmanager
    async def chatting(self, place: Path) -> AsyncIterator[Browser]:
        """Somebody looks at the list of buddies in finch, of libpurple as Pidgin is."""
        home = place / "purple"
        home.mkdir()
        (home / "accounts.xml").write_text(_ACCOUNT)
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        finch = ("sh", "-ec", _FINCH, str(UNPACKED / "finch"), str(home))
        monitor = ("stdbuf", "--output=L", "dbus-monitor", "--system", "type=signal")
        async with self.running(*monitor) as process:
            await line_with(process.stdout, "NameLost")  # it listens
            async with self.running(*apart, *finch):
                yield Buddies(process)

    @asynccontextmanager
    async def avahi(self, place: Path, host: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Its avahi, which offers what is in the folder."""
        (place / "avahi.conf").write_text(_CONFIGURATION.format(host=host))
        command = ("unshare", "--mount", "sh", "-ec", _AVAHI, str(place))
        async with self.running(*command) as process:
            await line_with(process.stderr, "Server startup complete")
            yield process


class Browser:
    """avahi-browse, which shows what the avahi of its machine believes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def shows(self) -> str:
        """The next thing it shows of Ana: + when she came, - when she went."""
        return (await line_with(self._process.stdout, ";ana"))[0]


class Buddies(Browser):
    """A messenger for serverless messaging, which tells on D-Bus who is on its list."""

    async def shows(self) -> str:
        while True:
            said = await line_with(self._process.stdout, "interface=im.pidgin.purple")
            if "member=BuddySignedOn" in said:
                return "+"
            if "member=BuddyRemoved" in said:  # strangers are not shown as offline
                return "-"


class Rosters(NamedTuple):
    """The machine of who looks, and that of Ana."""

    here: Machine
    there: Machine

    def ana(self) -> Neighbor:
        """What meshwatchd tells here of Ana."""
        services = (Service(TYPE, INSTANCE, "ana.local", 5298),)
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
            (place / host / "services").mkdir(parents=True)
            bus = MessageDaemon(place / host)
            bus.start()
            stack.callback(bus.kill)
            machines.append(Machine(air.join(number), bus))
        (place / "ana" / "services" / "ana.service").write_text(_SERVICE)
        here, there = machines
        if not met:
            there.station.leave()
        async with here.avahi(place / "here", "here"), there.avahi(place / "ana", "ana"):
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
