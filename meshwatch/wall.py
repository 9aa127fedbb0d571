"""The way from the table's times to wall time, added once, at the edge."""

from __future__ import annotations

import time

# Smaller differences are the two clocks being read one after the other, or slewed by NTP. If
# they moved what was published, every row would seem to change.
STEP_NS = 500_000_000


class WallClock:
    """What to add to a time of the table to get wall time (ns since 1970)."""

    def __init__(self) -> None:
        self._offset_ns = _difference_ns()
        self._fixed = False

    def offset_ns(self) -> int:
        """The offset; it stays the same until the wall clock is set."""
        if not self._fixed and abs(_difference_ns() - self._offset_ns) > STEP_NS:
            self._offset_ns = _difference_ns()
        return self._offset_ns

    def fix(self, offset_ns: int) -> None:
        """Times are a recording's from now on, this far from wall time."""
        self._offset_ns = offset_ns
        self._fixed = True


def _difference_ns() -> int:
    return time.time_ns() - time.monotonic_ns()
