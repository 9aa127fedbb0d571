"""What the table said of neighbors that are there, and what it asked for, counted."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from meshwatch.model import Change, Neighbor, Presence
from tools.bench.simulation.air import MS

MINUTE_NS = 60_000 * MS


class Departure(NamedTuple):
    """What was told of whom, and how many beacons in a row had really been missed then."""

    told_ns: int
    address: str
    change: Change
    missed: int


class Ledger:
    """Quiets, departures and questions."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.quiets = 0
        self.departures: list[Departure] = []
        self.asks = 0  # probes and pokes
        self.worst_minute = 0  # asks of one neighbor
        self.looks = 0
        self._recent: dict[str, deque[int]] = {}

    def note(self, change: Change, now_ns: int, missed: int) -> None:
        """The table has this news, of a neighbor who has missed so many beacons."""
        if change.key.kind != "neighbor":
            return
        was, is_ = _presence(change.old), _presence(change.new)
        if was is is_:
            return
        if is_ is Presence.QUIET:
            self.quiets += 1
        elif is_ is Presence.PRESENT and was is not Presence.QUIET:
            self.arrivals += 1
        elif is_ is not Presence.PRESENT and was is not Presence.HEARD:
            self.departures.append(Departure(now_ns, change.key.name, change, missed))

    def asked(self, address: str, now_ns: int) -> None:
        """A neighbor was probed or poked."""
        self.asks += 1
        recent = self._recent.setdefault(address, deque())
        recent.append(now_ns)
        while recent[0] <= now_ns - MINUTE_NS:
            recent.popleft()
        self.worst_minute = max(self.worst_minute, len(recent))


def _presence(row: object) -> Presence | None:
    return row.presence if isinstance(row, Neighbor) else None
