"""A network namespace with two ends of a wire, for programs that send: mesh0, and a neighbor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

NEIGHBOR = "02:00:00:00:00:01"
IFINDEX = 10  # of mesh0

# Duplicate address detection would keep the addresses tentative for more than a second.
_HOLD = """
set -e
ip link add name mesh0 index 10 address 02:00:00:00:00:ff type veth \\
    peer name far address 02:00:00:00:00:01
for end in mesh0 far; do
    echo 0 > /proc/sys/net/ipv6/conf/$end/accept_dad
    ip link set $end up
done
echo ready
exec cat
"""

_LISTEN = """
import socket, struct
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wire:
    wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    wire.bind(("::", 9))
    print("listening", flush=True)
    while True:
        data, [(_, _, where), *_], _, _ = wire.recvmsg(64, 64)
        (ifindex,) = struct.unpack("I", where[16:])
        to = socket.inet_ntop(socket.AF_INET6, where[:16])
        print(len(data), to, socket.if_indextoname(ifindex), flush=True)
"""


class Air:
    """The namespace; what arrives at the neighbor's discard port is read line by line."""

    def __init__(self, holder: asyncio.subprocess.Process) -> None:
        self._holder = holder
        self._inside = [
            *("nsenter", f"--target={holder.pid}", "--net"),
            *(() if os.geteuid() == 0 else ("--user", "--preserve-credentials")),
        ]
        self._listener: asyncio.subprocess.Process | None = None

    async def listen(self) -> None:
        """Hear on the wire from now on."""
        assert self._holder.stdout is not None
        assert await self._holder.stdout.readline() == b"ready\n"
        self._listener = await self.spawn([sys.executable, "-c", _LISTEN])
        assert await self.arrived() == "listening"

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """A program inside, its output and errors in pipes."""
        return await asyncio.create_subprocess_exec(
            *self._inside, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def arrived(self) -> str:
        """The next datagram at the neighbor: its length, where it was sent, and where it came."""
        assert self._listener is not None
        assert self._listener.stdout is not None
        return (await self._listener.stdout.readline()).decode().strip()

    async def end(self) -> None:
        """The namespace goes with the last process in it."""
        for process in (self._listener, self._holder):
            if process is not None and process.returncode is None:
                process.kill()
                await process.communicate()


@asynccontextmanager
async def on_air() -> AsyncIterator[Air]:
    """A namespace, with somebody who listens in it."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    holder = await asyncio.create_subprocess_exec(
        *("unshare", *as_root, "--net", "sh", "-c", _HOLD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    air = Air(holder)
    try:
        await air.listen()
        yield air
    finally:
        await air.end()
