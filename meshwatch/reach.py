"""The reach of a neighbor: in which of the last sixteen beacon intervals it gave a sign of life.

babeld's word: one bit for each interval, the newest in bit 0.
"""

from __future__ import annotations

from meshwatch.hearing import Hearing

SLOTS = 16
_MASK = (1 << SLOTS) - 1


class Reach:
    """The register; intervals in which we were deaf do not shift it."""

    __slots__ = ("_bits", "_slot_ns")

    def __init__(self) -> None:
        self._bits = 0
        self._slot_ns = 0  # the sign of life that opened the newest slot

    def live(
        self, life_ns: int, last_ns: int, known_until_ns: int, interval_ns: int, hearing: Hearing
    ) -> None:
        """A sign of life came, the last before it at ``last_ns``; up to ``known_until_ns`` it is
        known when others came."""
        if not self._bits:
            self._bits, self._slot_ns = 1, life_ns
        # A new slot opens when a beacon could have been due: beacons are delayed by a busy
        # channel, and looks a second apart are a little shorter than an interval.
        if hearing.between(self._slot_ns, life_ns) < interval_ns * 7 // 8:
            return
        intervals = (hearing.between(last_ns, life_ns) + interval_ns // 2) // interval_ns
        if life_ns > known_until_ns:  # nobody looked: not known to be silent
            intervals -= hearing.between(known_until_ns, life_ns) // interval_ns
        self._bits = (self._bits << min(max(intervals, 1), SLOTS) | 1) & _MASK
        self._slot_ns = life_ns

    def after(self, missed: int) -> int:
        """The register after so many beacons missed."""
        return self._bits << missed & _MASK if missed < SLOTS else 0
