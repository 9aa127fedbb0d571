"""When the mDNS caches of this machine are made to look again at a neighbor; no socket, no clock.

Responders cache what they heard: who came back is noticed at their next question, up to an hour
later, and who left when its records expire, after 75 minutes. What a cache does look at is a
question that anybody asks on the link. Records that should have been answered and were not are
dropped after some such questions (passive observation of failures, RFC 6762, 10.5), and an answer
puts new ones in. So questions are all that is sent: nothing is said on behalf of others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from meshwatch.client import Neighbor, NeighborKey
from meshwatch.model import Presence

S = 1_000_000_000
# Those who come in together share a question; a second one, for a multicast frame is sent once
# and acknowledged by nobody.
ARRIVED_NS = (100_000_000, 1_100_000_000)
# avahi drops a record at the fifth question, each a second or more after the one before, and
# begins to count anew when it asks itself, naming the record as known (avahi-core/cache.c, 0.8).
# A browser that was just started asks after 1, 2, 4, 8 s and so on: so there is a second round.
DEPARTED_NS = tuple(
    round_ns + time * 1_050_000_000 for round_ns in (0, 8_000_000_000) for time in range(5)
)
MOST_BYTES = 1400  # of a question: it fits into one frame

_PTR, _AAAA, _SRV = 12, 28, 33  # RFC 1035 3.2.2, RFC 3596, RFC 2782
_IN = 1


class Subject(NamedTuple):
    """What a question is about: a name by its labels, and a type of records."""

    labels: tuple[str, ...]
    type: int


class Question(NamedTuple):
    """A message to be sent to all responders on the link of an interface."""

    ifindex: int
    interface: str
    datagram: bytes


class _Port:
    """What is to be asked on one interface."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.arrivals_ns: list[int] = []
        self.departures_ns: list[int] = []
        self.departed: dict[NeighborKey, tuple[Subject, ...]] = {}

    def deadline(self) -> int | None:
        return min(self.arrivals_ns + self.departures_ns, default=None)


class Reconfirm:
    """Makes questions of what the daemon tells; ``now`` is in nanoseconds on CLOCK_MONOTONIC.

    ``services`` are the types of services that are asked for when somebody came. Of who left is
    asked what the names duty had claimed of it: its services, its host. A daemon that goes away
    changes nothing: the next one tells who has left meanwhile.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._arrival = tuple(_type(service) for service in dict.fromkeys(services))
        self._near: dict[NeighborKey, Neighbor] = {}
        self._ports: dict[int, _Port] = {}

    def begin(self, neighbors: Iterable[Neighbor], now: int) -> None:
        """The daemon's whole table, of which nothing is news; who is missing has left."""
        near = {_key(each): each for each in neighbors if _near(each)}
        for each in [each for key, each in self._near.items() if key not in near]:
            self.gone(each, now)
        for each in near.values():
            self._know(each)

    def told(self, neighbor: Neighbor, now: int) -> None:
        """The neighbor came or changed."""
        if not _near(neighbor):
            self.gone(neighbor, now)
            return
        key = _key(neighbor)
        if key not in self._near:
            port = self._ports.setdefault(neighbor.ifindex, _Port(neighbor.interface))
            port.departed.pop(key, None)
            if not port.arrivals_ns:
                port.arrivals_ns = [now + later_ns for later_ns in ARRIVED_NS]
        self._know(neighbor)

    def gone(self, neighbor: Neighbor, now: int) -> None:
        """The neighbor left the table, or cannot be reached any more."""
        known = self._near.pop(_key(neighbor), None)
        if known is None or not (subjects := _subjects(known)):
            return
        port = self._ports.setdefault(neighbor.ifindex, _Port(neighbor.interface))
        port.departed[_key(neighbor)] = subjects
        # Those who leave together share the questions; who leaves later begins them anew.
        begin_ns = port.departures_ns[0] if port.departures_ns else now
        port.departures_ns = [begin_ns + later_ns for later_ns in DEPARTED_NS]

    def _know(self, neighbor: Neighbor) -> None:
        """A daemon that was restarted knows of no claims yet, but caches keep what they heard."""
        known = self._near.get(_key(neighbor))
        if known is not None and not neighbor.claims:
            neighbor = replace(neighbor, claims=known.claims)
        self._near[_key(neighbor)] = neighbor

    def due(self, now: int) -> list[Question]:
        """What to ask now; that counts as asked."""
        questions = []
        for ifindex, port in list(self._ports.items()):
            subjects: dict[Subject, None] = {}
            if port.arrivals_ns and port.arrivals_ns[0] <= now:
                del port.arrivals_ns[0]
                subjects |= dict.fromkeys(self._arrival)
            if port.departures_ns and port.departures_ns[0] <= now:
                del port.departures_ns[0]
                for asked in port.departed.values():
                    subjects |= dict.fromkeys(asked)
                if not port.departures_ns:
                    port.departed.clear()
            for datagram in messages(subjects):
                questions.append(Question(ifindex, port.interface, datagram))
            if port.deadline() is None:
                del self._ports[ifindex]
        return questions

    def deadline(self) -> int | None:
        """When something is to be asked next, or None."""
        dues = [port.deadline() for port in self._ports.values()]
        return min((due_ns for due_ns in dues if due_ns is not None), default=None)


def messages(subjects: Iterable[Subject]) -> list[bytes]:
    """Multicast questions (RFC 6762, 18; RFC 1035, 4.1) without known answers: all answer."""
    parts: list[list[bytes]] = []
    for subject in subjects:
        name = b"".join(len(each).to_bytes() + each for each in _labels(subject))
        asked = name + b"\0" + subject.type.to_bytes(2) + _IN.to_bytes(2)
        if not parts or sum(map(len, parts[-1])) + len(asked) > MOST_BYTES:
            parts.append([])
        parts[-1].append(asked)
    return [b"".join((bytes(4), len(part).to_bytes(2), bytes(6), *part)) for part in parts]


def _subjects(neighbor: Neighbor) -> tuple[Subject, ...]:
    """The records that others cached of a neighbor, as far as its claims tell."""
    subjects: dict[Subject, None] = {}
    for service in (service for claim in neighbor.claims for service in claim.services):
        kind = _type(service.type)
        subjects[kind] = None
        subjects[Subject((service.instance, *kind.labels), _SRV)] = None
        if service.host:
            subjects[Subject(tuple(service.host.split(".")), _AAAA)] = None
    return tuple(subject for subject in subjects if _can_be_asked(subject))


def _type(service: str) -> Subject:
    return Subject((*service.split("."), "local"), _PTR)


def _can_be_asked(subject: Subject) -> bool:
    """Names are of labels of 1 to 63 bytes, and of 255 in all (RFC 1035, 2.3.4)."""
    lengths = [len(label) for label in _labels(subject)]
    return all(0 < length <= 63 for length in lengths) and sum(lengths) + len(lengths) < 255


def _labels(subject: Subject) -> list[bytes]:
    return [label.encode() for label in subject.labels]


def _near(neighbor: Neighbor) -> bool:
    return neighbor.presence is not Presence.HEARD


def _key(neighbor: Neighbor) -> NeighborKey:
    return NeighborKey(neighbor.ifindex, neighbor.address)
