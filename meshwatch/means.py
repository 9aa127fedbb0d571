"""By what means a silent neighbor can be made to give a sign of life, as far as that was seen.

Nobody tells the table who probes: it asks for probes, and whoever answers is there. So a tap that
is closed, or a driver without transmit status, needs no word of its own. An agent pokes whom the
table calls quiet, and at a short beacon interval that is noticed in time only if stations are
looked at more often: so the agent promises it, for some minutes, again and again.
"""

from __future__ import annotations

from enum import IntEnum

_MINUTE_NS = 60_000_000_000

#: Between two probes that only try whether probes are answered.
TRIAL_NS = 1_000_000_000
#: And at most, when they are not: what was a hiccup of the driver should not cost us its answers
#: for long, and one that never answers should not be asked for ever.
RETRY_NS = 10 * _MINUTE_NS
#: For so long after a poke the next one is reckoned with, promised or not.
POKED_NS = 10 * _MINUTE_NS
_ASKED_IN_VAIN = 3


class Probing(IntEnum):
    """How to reckon with link probes."""

    NEVER = 0  # asked and not answered
    TRY = 1  # not known
    GOOD = 2  # answered before, or a tap is open


class Means:
    """The means of one interface."""

    __slots__ = ("_asked", "_asked_ns", "_good", "_pokes_until_ns", "tapped")

    def __init__(self) -> None:
        self.tapped = False
        self._good = False
        self._asked = 0
        self._asked_ns = 0
        self._pokes_until_ns = 0

    def asked(self, now: int) -> None:
        """A probe was asked for."""
        self._asked += 1
        self._asked_ns = now

    def answered(self) -> None:
        """A probe was answered, either way."""
        self._good, self._asked = True, 0

    def poked(self, now: int) -> None:
        """An agent poked somebody."""
        self._pokes_until_ns = max(self._pokes_until_ns, now + POKED_NS)

    def promised(self, now: int, lifetime_ns: int) -> None:
        """An agent will poke for so long, or, if that is 0, no more."""
        self._pokes_until_ns = now + lifetime_ns

    def probing(self, now: int) -> Probing:
        """How to reckon with probes now."""
        if self._asked >= _ASKED_IN_VAIN:
            return Probing.TRY if self._has_rested(now) else Probing.NEVER
        return Probing.GOOD if self._good or self.tapped else Probing.TRY

    def wants_trial(self, now: int) -> bool:
        """A tap is open, and whether it tells that a frame was acknowledged is not known. It has
        to be when somebody falls silent: then no answer would say nothing."""
        known = self._good and self._asked < _ASKED_IN_VAIN
        return self.tapped and not known and self._has_rested(now)

    def _has_rested(self, now: int) -> bool:
        """Enough time went by since the last probe that may not have been answered."""
        if not self._asked:
            return True
        doublings = min(max(self._asked - _ASKED_IN_VAIN, 0), 10)
        return now - self._asked_ns >= min(TRIAL_NS << doublings, RETRY_NS)

    def pokes(self, now: int) -> bool:
        """An agent may be reckoned with."""
        return now < self._pokes_until_ns
