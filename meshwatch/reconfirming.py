"""Asks what makes mDNS caches look again: the sockets and the timer of
:mod:`meshwatch.reconfirm`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable

from meshwatch.client import Came, Changed, Event, Mirror, Removed, Resynchronised
from meshwatch.complaints import Complaints
from meshwatch.reconfirm import Question, Reconfirm

PORT, GROUP_6, GROUP_4 = 5353, "ff02::fb", "224.0.0.251"  # RFC 6762, 3
HOP_LIMIT = 255  # RFC 6762, 11


class Reconfirming:
    """A duty of the agent."""

    def __init__(self, services: Iterable[str]) -> None:
        self.asked = 0
        self.unsent: Counter[str] = Counter()  # questions that could not be sent, by interface
        self._reconfirm = Reconfirm(services)
        self._timer: asyncio.TimerHandle | None = None
        self._complaints = Complaints()

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this."""
        now = time.monotonic_ns()
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                self._reconfirm.told(neighbor, now)
            case Removed(neighbor=neighbor):
                self._reconfirm.gone(neighbor, now)
            case Resynchronised():
                self._reconfirm.begin(mirror.neighbors.values(), now)
        self._turn()

    def close(self) -> None:
        """Ask nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def summary(self) -> str:
        """What was done, for the log."""
        return (
            f"{self.asked} questions for the caches of mDNS, "
            f"{self.unsent.total()} could not be sent"
        )

    def _turn(self) -> None:
        for question in self._reconfirm.due(time.monotonic_ns()):
            self._send(question)
        self.close()
        deadline = self._reconfirm.deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline / 1e9, self._turn)

    def _send(self, question: Question) -> None:
        try:
            _ask_6(question)
        except OSError as error:  # no IPv6 at all, or none on this interface, or it is down
            self.unsent[question.interface] += 1
            self._complaints.fails(question.interface, "cannot ask on", error)
            return
        self.asked += 1
        self._complaints.works(question.interface)
        # A responder keeps what it hears by either protocol apart; most meshes have no IPv4.
        with contextlib.suppress(OSError):
            _ask_4(question)


def _ask_6(question: Question) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        level = socket.IPPROTO_IPV6
        asking.setsockopt(level, socket.IPV6_V6ONLY, 1)
        asking.setsockopt(level, socket.IPV6_MULTICAST_IF, question.ifindex)
        asking.setsockopt(level, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        _share(asking)
        asking.bind(("::", PORT))
        asking.connect((GROUP_6, PORT, 0, question.ifindex))
        asking.send(question.datagram)


def _ask_4(question: Question) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        out = struct.pack("=4s4si", bytes(4), bytes(4), question.ifindex)  # struct ip_mreqn
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, out)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOP_LIMIT)
        _share(asking)
        asking.bind(("", PORT))
        asking.connect((GROUP_4, PORT))
        asking.send(question.datagram)


def _share(asking: socket.socket) -> None:
    """Only a question from port 5353 counts for the caches (RFC 6762, 6), which is the port of
    this machine's own responder; connected to the group, we take nothing that comes for it."""
    asking.setblocking(False)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
