"""When an agent pokes: a neighbor that fell quiet gets up to three datagrams."""

from __future__ import annotations

from meshwatch.model import Change, Neighbor, Presence, Proof
from tools.bench.simulation.air import MS, TU_NS

SECOND_NS = 1000 * MS
DATAGRAMS = 3
SHORTEST_NS, LONGEST_NS = 40 * MS, 250 * MS
NEIGHBOR_BURST, NEIGHBOR_PERIOD_NS = 3, 60 * SECOND_NS
ALL_BURST, ALL_PERIOD_NS = 30, SECOND_NS


class _Bucket:
    def __init__(self, burst: int, period_ns: int) -> None:
        self._full_ns = 0  # when it is full again
        self._period_ns = period_ns
        self._ahead_ns = (burst - 1) * period_ns

    def has(self, now_ns: int) -> bool:
        return self._full_ns - now_ns <= self._ahead_ns

    def take(self, now_ns: int) -> None:
        self._full_ns = max(self._full_ns, now_ns) + self._period_ns


class Agent:
    """Told the news; says when to send what."""

    def __init__(self) -> None:
        self._quiet: dict[str, tuple[int, int]] = {}  # datagrams left, and their distance
        self._all = _Bucket(ALL_BURST, ALL_PERIOD_NS)
        self._each: dict[str, _Bucket] = {}

    def news(self, change: Change) -> bool:
        """Whether to begin poking."""
        row = change.new
        if not isinstance(row, Neighbor) or row.presence is not Presence.QUIET:
            self._quiet.pop(change.key.name, None)
            return False
        proof = row.evidence.proof if row.evidence else None
        if row.address in self._quiet or proof not in (Proof.LOOK, Proof.BEACON):
            return False
        interval_ns = (row.readings.beacon_interval_tu or 1000) * TU_NS
        distance_ns = max(SHORTEST_NS, min(LONGEST_NS, interval_ns // 4))
        self._quiet[row.address] = (DATAGRAMS, distance_ns)
        return True

    def pokes(self, address: str, now_ns: int) -> int | None:
        """Whether to send this neighbor a datagram now, and then when to ask again; None: no."""
        left, distance_ns = self._quiet.get(address, (0, 0))
        each = self._each.setdefault(address, _Bucket(NEIGHBOR_BURST, NEIGHBOR_PERIOD_NS))
        if not (left and each.has(now_ns) and self._all.has(now_ns)):
            return None
        each.take(now_ns)
        self._all.take(now_ns)
        self._quiet[address] = (left - 1, distance_ns)
        return now_ns + distance_ns
