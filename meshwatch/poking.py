"""Pokes neighbors that fall silent: the socket and the timer of :mod:`meshwatch.poke`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter

from meshwatch.claimant import Claimant
from meshwatch.client import (
    Came,
    Changed,
    Disconnected,
    Event,
    InterfaceCame,
    InterfaceChanged,
    InterfaceRemoved,
    Mirror,
    Neighbor,
    Removed,
    Resynchronised,
)
from meshwatch.complaints import Complaints
from meshwatch.poke import Schedule, link_local
from meshwatch.protocol import claims

DISCARD_PORT = 9  # RFC 863: whoever gets it throws it away

# The daemon looks oftener at stations while it may reckon with us: a promise ends soon after us.
PROMISED_S, RENEWED_S = 600, 240


class Poking:
    """A duty of the agent."""

    def __init__(self, claimant: Claimant) -> None:
        self.poked = 0
        self.unsent: Counter[str] = Counter()  # pokes that could not be sent, by interface
        self._claimant = claimant
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._promised: set[str] = set()  # interfaces
        self._renewal: asyncio.TimerHandle | None = None
        self._complaints = Complaints()

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this."""
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                self._schedule.told(neighbor, time.monotonic_ns())
            case Removed(neighbor=neighbor):
                self._schedule.gone(neighbor)
            case Resynchronised():
                self._promise(*(row.interface for row in mirror.interfaces.values()))
            case InterfaceCame(interface=interface):
                self._promise(interface.interface)
            case InterfaceChanged(interface=interface, was=was):
                if interface.interface != was.interface:
                    self._promised.discard(was.interface)
                    self._promise(interface.interface)
            case InterfaceRemoved(interface=interface):
                self._promised.discard(interface.interface)
            case Disconnected():
                self._schedule.clear()
                self._promised.clear()
        self._turn()

    def close(self) -> None:
        """Poke nobody any more."""
        self._await(None)
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        for interface in sorted(self._promised):
            self._take_back(interface)

    def summary(self) -> str:
        """What was done, for the log."""
        return f"{self.poked} pokes sent, {self.unsent.total()} could not be sent"

    def _turn(self) -> None:
        for neighbor in self._schedule.due(time.monotonic_ns()):
            if self._send(neighbor):
                poked = claims.Poked(neighbor.interface, neighbor.address)
                self._claimant.claim(claims.encode(poked))
        self._await(self._schedule.deadline())

    def _await(self, deadline_ns: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline_ns is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline_ns / 1e9, self._turn)

    def _promise(self, *interfaces: str) -> None:
        """Promise to poke on these, if that was not done yet, and renew all after a while."""
        for interface in interfaces:
            if interface not in self._promised:
                self._promised.add(interface)
                self._claimant.claim(claims.encode(claims.Poking(interface, PROMISED_S)))
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().call_later(RENEWED_S, self._renew)

    def _renew(self) -> None:
        promised, self._promised, self._renewal = self._promised, set(), None
        self._promise(*sorted(promised))

    def _take_back(self, interface: str) -> None:
        if interface in self._promised:
            self._promised.remove(interface)
            self._claimant.claim(claims.encode(claims.Poking(interface, 0)))

    def _send(self, neighbor: Neighbor) -> bool:
        """Send an empty datagram to the neighbor; whether it went out."""
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto(b"", (link_local(neighbor.address), DISCARD_PORT, 0, neighbor.ifindex))
        except OSError as error:  # no IPv6 at all, or none on this interface, or it is down
            self.unsent[neighbor.interface] += 1
            self._complaints.fails(neighbor.interface, "cannot poke on", error)
            self._take_back(neighbor.interface)
            return False
        self.poked += 1
        self._complaints.works(neighbor.interface)
        return True
