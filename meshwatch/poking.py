"""Pokes neighbors that fall silent: the socket and the timer of :mod:`meshwatch.poke`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter

from meshwatch.claimant import Claimant
from meshwatch.client import Came, Changed, Disconnected, Event, Mirror, Neighbor, Removed
from meshwatch.complaints import Complaints
from meshwatch.poke import Schedule, link_local
from meshwatch.protocol import claims

DISCARD_PORT = 9  # RFC 863: whoever gets it throws it away


class Poking:
    """A duty of the agent."""

    def __init__(self, claimant: Claimant) -> None:
        self.poked = 0
        self.unsent: Counter[str] = Counter()  # pokes that could not be sent, by interface
        self._claimant = claimant
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._complaints = Complaints()

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this."""
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                self._schedule.told(neighbor, time.monotonic_ns())
            case Removed(neighbor=neighbor):
                self._schedule.gone(neighbor)
            case Disconnected():
                self._schedule.clear()
        self._turn()

    def close(self) -> None:
        """Poke nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def summary(self) -> str:
        """What was done, for the log."""
        return f"{self.poked} pokes sent, {self.unsent.total()} could not be sent"

    def _turn(self) -> None:
        for neighbor in self._schedule.due(time.monotonic_ns()):
            if self._send(neighbor):
                poked = claims.Poked(neighbor.interface, neighbor.address)
                self._claimant.claim(claims.encode(poked))
        self.close()
        deadline = self._schedule.deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline / 1e9, self._turn)

    def _send(self, neighbor: Neighbor) -> bool:
        """Send an empty datagram to the neighbor; whether it went out."""
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto(b"", (link_local(neighbor.address), DISCARD_PORT, 0, neighbor.ifindex))
        except OSError as error:  # no IPv6 at all, or none on this interface, or it is down
            self.unsent[neighbor.interface] += 1
            self._complaints.fails(neighbor.interface, "cannot poke on", error)
            return False
        self.poked += 1
        self._complaints.works(neighbor.interface)
        return True
