"""By what means a silent neighbor can be made to give a sign of life, as far as that was seen.

Nobody tells the table who probes: it asks for probes, and whoever answers is there. So a tap that
is closed, or a driver without transmit status, needs no word of its own. An agent pokes whom the
table calls quiet, and at a short beacon interval that is noticed in time only if stations are
looked at more often: so the agent promises it, for some minutes, again and again.
"""

from __future__ import annotations

from enum import IntEnum

_MINUTE_NS = 60_000_000_000

#: Until we ask again although nobody answered: the tap may be open now.
RETRY_NS = 10 * _MINUTE_NS
#: Between two probes that only try whether probes are answered.
TRIAL_NS = 1_000_000_000
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
            if now - self._asked_ns < RETRY_NS:
                return Probing.NEVER
            return Probing.TRY
        return Probing.GOOD if self._good or self.tapped else Probing.TRY

    def wants_trial(self, now: int) -> bool:
        """A tap is open, and whether it tells that a frame was acknowledged is not known. It has
        to be when somebody falls silent: then no answer would say nothing."""
        asked_before = self._asked > 0 and now - self._asked_ns < TRIAL_NS
        return self.tapped and not (self._good or asked_before or self._asked >= _ASKED_IN_VAIN)

    def pokes(self, now: int) -> bool:
        """An agent may be reckoned with."""
        return now < self._pokes_until_ns
