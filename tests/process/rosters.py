"""Two machines at a wire, each with its own avahi: somebody browses here, Ana offers there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.bus.harness import MessageDaemon

IFINDEX = 10  # of mesh0, here
INSTANCE, TYPE = "ana@laptop", "_presence._tcp"

_APART = "echo ready; exec cat"
# Duplicate address detection would keep the addresses tentative for more than a second; and the
# kernel notices the carrier up to a second later (net/core/link_watch.c).
_WIRED = """
ip link add name mesh0 index 10 type veth peer name mesh0 netns "$0"
each() {
    sh -ec "$1"
    nsenter --target="$there" --net sh -ec "$1"
}
there=$0
each 'echo 0 > /proc/sys/net/ipv6/conf/mesh0/accept_dad; ip link set lo up; ip link set mesh0 up'
each 'until ip -6 -o address show dev mesh0 scope link -tentative | grep -q inet6; do
    sleep 0.05
done'
echo ready
exec cat
"""
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


class Machine:
    """A network namespace with a bus of its own."""

    def __init__(self, holder: asyncio.subprocess.Process, address: str) -> None:
        self.pid = holder.pid
        self._environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address, LC_ALL="C")

    @asynccontextmanager
    async def running(self, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A program on this machine, for the length of a block."""
        words = ("nsenter", f"--target={self.pid}", "--net", *command)
        async with _running(*words, environment=self._environment) as process:
            yield process

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
        """The next thing it shows: + when an instance came, - when it went."""
        return (await line_with(self._process.stdout, "mesh0"))[0]


@asynccontextmanager
async def two_machines(
    place: Path,
) -> AsyncIterator[tuple[Machine, Browser, asyncio.subprocess.Process]]:
    """The machine here, its browser, and the avahi there."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(_machine(place / "there", _APART))
        here = await stack.enter_async_context(_machine(place / "here", _WIRED, str(there.pid)))
        (place / "there" / "services" / "ana.service").write_text(_SERVICE)
        await stack.enter_async_context(here.avahi(place / "here", "here"))
        offering = await stack.enter_async_context(there.avahi(place / "there", "ana"))
        words = ("avahi-browse", "--parsable", "--no-db-lookup", TYPE)
        yield here, Browser(await stack.enter_async_context(here.running(*words))), offering


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
async def _machine(place: Path, script: str, *words: str) -> AsyncIterator[Machine]:
    (place / "services").mkdir(parents=True)
    bus = MessageDaemon(place)
    bus.start()
    try:
        async with _running("unshare", "--net", "sh", "-ec", script, *words) as holder:
            await line_with(holder.stdout, "ready")
            yield Machine(holder, bus.address)
    finally:
        bus.kill()


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
