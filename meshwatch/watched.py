"""One mesh or IBSS interface: what is known of its stations, and what is to be asked of them."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from meshwatch import measuring, probes
from meshwatch.glances import PEERING_NS, Glances
from meshwatch.look import Look
from meshwatch.measuring import Measuring
from meshwatch.model import InterfaceType
from meshwatch.observations import (
    InterfaceSeen,
    Observation,
    PeeringAction,
    ProbeAnswered,
    Station,
    StationSeen,
)
from meshwatch.pace import BURST_NS, MS_NS, Pace, Spells
from meshwatch.probes import Probes

Queue = dict[Look, None]  # in order, each once

# A dump of more stations takes longer than looks at the one that something goes on with, until
# the next dump is due anyway.
FEW = 4
CLOSELY_NS = (*BURST_NS, 550 * MS_NS, 800 * MS_NS)


@dataclass(slots=True)
class Allowed:
    """Which frames may be sent: probes when somebody wants one, others to measure idle links."""

    probes: bool
    measure: bool


class Watched:
    """Puts what is due into a queue, which it shares with other interfaces."""

    def __init__(self, seen: InterfaceSeen, now: int, ready: Queue, allowed: Allowed) -> None:
        self.seen = seen
        self.pace = Pace(now)  # of dumps
        self.glances = Glances()
        self.spells = Spells()
        self._ready = ready
        self._allowed = allowed
        self._probes = Probes()
        self._measuring = Measuring()
        # As last described; a probe is judged by when that was asked, and answered.
        self._stations: dict[str, tuple[Station, int, int]] = {}

    def due(self) -> int | None:
        """When ``wake`` has something to do."""
        dues = (self.pace.due(), self.glances.due(), self._measuring.due())
        return min((due for due in dues if due is not None), default=None)

    def wake(self, now: int) -> None:
        """Queue what is due."""
        ifindex = self.seen.ifindex
        glances = self.glances.take(now)
        if glances is None:
            self.pace.hint(now)
        else:
            self._ready |= {Look(ifindex, address): None for address in glances}
        if (address := self._measuring.take(now)) and self._allowed.measure:
            self._ready[Look(ifindex, address, measuring.FRAME_BYTES)] = None
        if self.pace.is_due(now):
            self.pace.take(now)
            self._ready[Look(ifindex)] = None

    def appeared(self, address: str, now: int) -> None:
        """The kernel made a station entry: its link may be established in a moment."""
        if not self._looks_alone(address, now):
            self.pace.hint(now)

    def _looks_alone(self, address: str, now: int) -> bool:
        """Look closely at this one of many; False: better at all of them."""
        return len(self._stations) >= FEW and self.glances.want(address, now, CLOSELY_NS)

    def peering(self, address: str, action: PeeringAction, now: int) -> None:
        """A tap heard such a frame to or from this station."""
        if not self.glances.rests(now):
            self.pace.wait(now)
        if action is not PeeringAction.OPEN:  # what follows from an Open shows in the answer to it
            self.glances.want(address, now, PEERING_NS)

    def want_look(self, address: str, now: int) -> None:
        """Look at this station, if not at all of them."""
        if not self.glances.wish(address, now, self.pace.taken_ns):
            self.pace.want(now)

    def want_probe(self, address: str, now: int) -> None:
        """Send this station a frame and see what becomes of it, if that is allowed."""
        may = self._allowed.probes and self.seen.type is InterfaceType.MESH
        if may and self._probes.want(address, now):
            self.glances.want(address, now)

    def described(self, found: StationSeen, asked_ns: int, now: int) -> Iterable[Observation]:
        """A look, begun at ``asked_ns``, showed this station; what follows from it."""
        address, station = found.address, found.station
        self._stations[address] = station, asked_ns, now
        if self.spells.begins(address, station, now) and not self._looks_alone(address, now):
            self.pace.quicken(now)
        if self._allowed.measure:
            self._measuring.looked(address, station, now)
        return self._judge_probe(address) if self._probes.any else ()

    def sent_frame(self, look: Look, now: int) -> None:
        """A frame was sent to a station; one of those that measure is not waited for."""
        if look.frame_bytes < measuring.FRAME_BYTES:
            station, _, heard_ns = self._stations.get(look.address, (None, 0, now))
            self._probes.sent(look.address, station, heard_ns, now)
            self.glances.want(look.address, now, probes.LOOKS_NS)

    def refused(self, look: Look, error: int, now: int) -> None:
        """A request about one station was refused (0: not answered)."""
        self._probes.drop(look.address)
        if error == errno.EPERM and look.frame_bytes:
            self._allowed.probes = self._allowed.measure = False
            for frame in [look for look in self._ready if look.frame_bytes]:
                del self._ready[frame]
        if error == errno.ENOENT and look.address in self._stations:
            self.pace.hint(now)

    def keep(self, addresses: frozenset[str]) -> None:
        """Only these stations exist."""
        self.spells.keep(addresses)
        self._measuring.keep(addresses)
        for address in self._stations.keys() - addresses:
            del self._stations[address]

    def _judge_probe(self, address: str) -> Iterable[Observation]:
        if self._probes.ready(address) and self._allowed.probes:
            self._ready[Look(self.seen.ifindex, address, probes.FRAME_BYTES)] = None
        answer = self._probes.answered(address, *self._stations[address])
        return () if answer is None else (ProbeAnswered(self.seen.ifindex, address, answer),)
