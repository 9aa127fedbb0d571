"""A token bucket: how often something may be done on credit, and how fast the credit comes back."""

from __future__ import annotations


class Account:
    """Full at first; ``capacity`` at once, then one every ``period_ns``."""

    __slots__ = ("_capacity", "_period_ns", "_spent_until_ns")

    def __init__(self, capacity: int, period_ns: int) -> None:
        self._capacity = capacity
        self._period_ns = period_ns
        self._spent_until_ns = 0  # when it will be full again

    def ready_ns(self) -> int:
        """From when on one may be spent."""
        return self._spent_until_ns - (self._capacity - 1) * self._period_ns

    def owing_ns(self) -> int:
        """From when on one may be spent that leaves a debt, of at most the capacity."""
        return self._spent_until_ns - (2 * self._capacity - 1) * self._period_ns

    def half_ns(self) -> int:
        """From when on half of it is there again."""
        return self._spent_until_ns - self._capacity // 2 * self._period_ns

    def full_ns(self) -> int:
        """From when on it is full."""
        return self._spent_until_ns

    def spend(self, now: int) -> None:
        """Spend one, even if that leaves a debt."""
        self._spent_until_ns = max(self._spent_until_ns, now) + self._period_ns
