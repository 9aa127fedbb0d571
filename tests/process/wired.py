"""Two network namespaces and a wire between them: mesh0 here, a neighbor with addresses there."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from meshwatch.model import InterfaceType
from meshwatch.observations import InterfaceSeen

ROOT = Path(__file__).parents[2]
OURS, PEER = "02:00:00:00:00:ff", "02:00:00:00:00:01"
IFINDEX = 10  # of mesh0
MESH0 = InterfaceSeen(IFINDEX, "mesh0", InterfaceType.MESH, 0, OURS)

_SPEAK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
    speaker.bind((sys.argv[1], 0))
    speaker.sendto(b"", (sys.argv[2], 9))
"""


def in_namespace(scenario: Callable[[], None]) -> Callable[[], None]:
    """The test in a process that is root of a new network namespace."""
    name, module = scenario.__name__, scenario.__module__.rpartition(".")[2]

    @functools.wraps(scenario)
    def test() -> None:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        call = f"from tests.process.{module} import {name}; {name}.__wrapped__()"
        done = subprocess.run(
            ["unshare", *as_root, "--net", sys.executable, "-c", call],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return test


class Neighbor:
    """Another namespace, at the far end of mesh0."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        here(
            *("link", "add", "mesh0", "index", str(IFINDEX), "address", OURS, "type", "veth"),
            *("peer", "name", "far", "address", PEER, "netns", str(self._holder.pid)),
        )

    def ip(self, *words: str) -> None:
        """ip(8) over there."""
        self.run("ip", *words)

    def run(self, *words: str) -> str:
        """What a program says over there."""
        inside = ("nsenter", f"--target={self._holder.pid}", "--net", *words)
        return subprocess.run(
            inside, stdout=subprocess.PIPE, text=True, check=True, timeout=10
        ).stdout

    def up(self, mode: str = "eui64", *, dad: bool = False) -> None:
        """Set up both ends, the other one with a link-local address of this making; addresses
        are usable at once, or after their duplicates were looked for."""
        if not dad:
            sysctl("net.ipv6.conf.mesh0.accept_dad", "0")
            self.run(*_sysctl_command("net.ipv6.conf.far.accept_dad", "0"))
        self.ip("link", "set", "far", "addrgenmode", mode)
        self.ip("link", "set", "far", "up")
        here("link", "set", "mesh0", "up")
        if not dad and mode != "none":
            self._await_address()

    def _await_address(self) -> None:
        """The kernel notices the carrier up to a second later (net/core/link_watch.c)."""
        usable = ("ip", "-6", "-o", "address", "show", "dev", "far", "scope", "link", "-tentative")
        until_s = time.monotonic() + 10
        while "inet6" not in self.run(*usable):
            assert time.monotonic() < until_s, "no link-local address over there"

    def speak(self, source: str, destination: str) -> None:
        """A datagram from over there, from one of its addresses."""
        self.run(sys.executable, "-c", _SPEAK, source, destination)

    def heard_echoes(self) -> int:
        """How many echo requests the kernel over there took for its own."""
        counters = self.run("cat", "/proc/net/snmp6")
        return int(re.findall(r"^Icmp6InEchos\s+(\d+)$", counters, flags=re.MULTILINE)[0])

    def close(self) -> None:
        """The namespace goes with the last process in it."""
        self._holder.kill()
        self._holder.communicate()


@contextmanager
def neighbor() -> Iterator[Neighbor]:
    """Somebody at the far end of mesh0."""
    there = Neighbor()
    try:
        yield there
    finally:
        there.close()


def here(*words: str) -> None:
    """ip(8) on this side."""
    subprocess.run(["ip", *words], check=True, timeout=10)


def batch(*commands: str) -> None:
    """Many commands of ip(8) on this side."""
    lines = "\n".join(commands)
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True, timeout=10)


def sysctl(name: str, value: str) -> None:
    """A setting of this namespace."""
    subprocess.run(_sysctl_command(name, value), check=True, timeout=10)


def _sysctl_command(name: str, value: str) -> list[str]:
    # Not sysctl(8): nobody needs procps for this.
    return ["sh", "-c", f"echo {value} > /proc/sys/{name.replace('.', '/')}"]
