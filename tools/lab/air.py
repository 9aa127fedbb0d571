"""Network namespaces around a bridge: machines whose radio range is a port of the bridge.

Leaving radio range is taking the machine's port out of the bridge: its interface keeps its
carrier, frames vanish, and no program is told, as with a radio. Needs root.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from contextlib import ExitStack
from ipaddress import IPv6Address
from types import TracebackType
from typing import Self

_numbers = itertools.count(1)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


def _ip(*words: str) -> None:
    _run("ip", *words)


def link_local(address: str) -> str:
    """The link-local address that the kernel makes of a hardware address (RFC 4291 appendix A)."""
    octets = bytes.fromhex(address.replace(":", ""))
    middle = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return str(IPv6Address(bytes.fromhex("fe80") + bytes(6) + middle))


class Air:
    """The bridge, in a namespace of its own; it is gone with everything in it at the end."""

    def __init__(self) -> None:
        self.name = f"mw{os.getpid()}-{next(_numbers)}"
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        self._namespace(self.name)
        _ip("-n", self.name, "link", "add", "air", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", self.name, "link", "set", "air", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def _namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        self._cleanup.callback(_ip, "netns", "del", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def join(self, number: int, address: str | None = None) -> Station:
        """A machine with mesh0, in range of all others."""
        station = Station(self.name, number, address or f"02:0a:0b:00:00:{number:02x}")
        self._namespace(station.namespace)
        # Duplicate address detection would keep the addresses tentative for more than a second.
        subprocess.run(
            station.inside("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"),
            check=True,
        )
        veth = ("link", "add", station.port, "type", "veth", "peer", "name", "mesh0")
        _ip("-n", self.name, *veth, "address", station.address, "netns", station.namespace)
        _ip("-n", self.name, "link", "set", station.port, "up")
        _ip("-n", station.namespace, "link", "set", "mesh0", "up")
        station.enter()
        return station


class Station:
    """One machine on the air."""

    def __init__(self, air: str, number: int, address: str) -> None:
        self.air = air
        self.namespace = f"{air}-{number}"
        self.port = f"port{number}"
        self.address = address
        self.link_local = link_local(address)

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command, to be run on this machine."""
        return ("ip", "netns", "exec", self.namespace, *command)

    def enter(self) -> None:
        """Come into radio range."""
        _ip("-n", self.air, "link", "set", self.port, "master", "air")

    def leave(self) -> None:
        """Go out of radio range."""
        _ip("-n", self.air, "link", "set", self.port, "nomaster")

    def unheard_by(self, other: Station) -> None:
        """The other does not hear this one any more, but is still heard: a link of one side."""
        dead = f"dead{self.port}"
        _ip("-n", self.air, "link", "add", dead, "type", "veth", "peer", "name", f"{dead}-end")
        _ip("-n", self.air, "link", "set", f"{dead}-end", "up")
        _ip("-n", self.air, "link", "set", dead, "up", "master", "air")
        # Sticky: the bridge does not learn better from what the other sends.
        self._fdb("replace", other.address, dead, "static", "sticky")

    def heard_by(self, other: Station) -> None:
        """The link is of both sides again."""
        self._fdb("del", other.address, f"dead{self.port}")
        _ip("-n", self.air, "link", "del", f"dead{self.port}")

    def _fdb(self, verb: str, address: str, port: str, *flags: str) -> None:
        _run("bridge", "-n", self.air, "fdb", verb, address, "dev", port, "master", *flags)
