"""Asks neighbors for their names: the socket and the timer of :mod:`meshwatch.asking`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable

from meshwatch import names
from meshwatch.asking import Asking, Elsewhere, Learned, Question, Source, claim
from meshwatch.claimant import Claimant
from meshwatch.client import Came, Changed, Disconnected, Event, Mirror, Removed, Resynchronised
from meshwatch.complaints import Complaints
from meshwatch.poking import DISCARD_PORT

HOP_LIMIT = 255  # RFC 6762, 11: others might take the question for one from elsewhere
DATAGRAMS_PER_TURN = 64


_PACKET_INFO = struct.Struct("=16sI")  # struct in6_pktinfo: source address, interface (ipv6(7))


class Inquiry:
    """A duty of the agent."""

    def __init__(self, claimant: Claimant, services: Iterable[str]) -> None:
        self.asked = 0
        self.answers = 0
        self.unsent: Counter[str] = Counter()  # questions that could not be sent, by interface
        self._claimant = claimant
        self._asking = Asking(lambda: secrets.randbelow(1 << 16), services)
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._complaints = Complaints()

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this."""
        now = time.monotonic_ns()
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                self._asking.told(neighbor, now)
            case Removed(neighbor=neighbor):
                self._asking.gone(neighbor)
            case Resynchronised():
                # Another daemon knows no names, and whom it has like the last one is no event.
                for neighbor in mirror.neighbors.values():
                    self._asking.told(neighbor, now)
            case Disconnected():
                self._asking.clear()
        self._turn()

    def close(self) -> None:
        """Ask nobody any more."""
        self._stop_timer()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def summary(self) -> str:
        """What was done, for the log."""
        dropped = ", ".join(f"{count} {drop}" for drop, count in self._asking.dropped.items())
        return (
            f"{self.asked} questions sent, {self.unsent.total()} could not be sent, "
            f"{self.answers} answers taken, dropped: {dropped or 'none'}"
        )

    def _turn(self) -> None:
        for question in self._asking.due(time.monotonic_ns()):
            self._send(question)
        self._stop_timer()
        deadline = self._asking.deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline / 1e9, self._turn)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, question: Question) -> None:
        interface, ifindex = question.neighbor.interface, question.neighbor.ifindex
        try:
            if self._socket is None:
                self._socket = _open()
                asyncio.get_running_loop().add_reader(self._socket, self._read, self._socket)
            self._socket.sendto(question.datagram, (question.ip, names.PORT, 0, ifindex))
        except OSError as error:  # no IPv6 at all, or none on this interface, or it is down
            self.unsent[interface] += 1
            self._complaints.fails(interface, "cannot ask on", error)
        else:
            self.asked += 1
            self._complaints.works(interface)

    def _read(self, answers: socket.socket) -> None:
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                datagram, (host, port, _, ifindex) = answers.recvfrom(names.MOST_BYTES + 1)
            except OSError:  # nothing more, or an error that an earlier question drew
                break
            self._take_in(datagram, Source(host.partition("%")[0], port, ifindex))
        self._turn()

    def _take_in(self, datagram: bytes, source: Source) -> None:
        match self._asking.received(datagram, source, time.monotonic_ns()):
            case Learned() as learned:
                self.answers += 1
                self._claimant.claim(claim(learned))
            case Elsewhere(neighbor=neighbor, ip=ip):
                self._draw_out(ip, neighbor.ifindex)

    def _draw_out(self, ip: str, ifindex: int) -> None:
        """Make the kernel look for this address on the interface (RFC 4861, 7.2)."""
        over = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PACKET_INFO.pack(bytes(16), ifindex))
        with contextlib.suppress(OSError), _open() as out:
            out.sendmsg([b""], [over], 0, (ip, DISCARD_PORT, 0, 0))


def _open() -> socket.socket:
    asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        asking.setblocking(False)
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOP_LIMIT)
        # Asked from an ephemeral port, a responder answers that port, and by unicast.
        asking.bind(("::", 0))
    except OSError:
        asking.close()
        raise
    return asking
