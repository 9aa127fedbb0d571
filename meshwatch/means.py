"""By what means a silent neighbor can be made to give a sign of life, as far as that was seen.

Nobody tells the table who probes and who pokes: it asks for probes, and whoever answers is there;
an agent says when it poked. So a tap that is closed, a driver without transmit status or an agent
that was stopped need no word of theirs.
"""

from __future__ import annotations

from enum import IntEnum

_MINUTE_NS = 60_000_000_000

#: Until we ask again although nobody answered: the tap may be open now.
RETRY_NS = 10 * _MINUTE_NS
#: For so long after a poke the next one is reckoned with.
POKED_NS = 60 * _MINUTE_NS
_ASKED_IN_VAIN = 3


class Probing(IntEnum):
    """How to reckon with link probes."""

    NEVER = 0  # asked and not answered
    TRY = 1  # not known
    GOOD = 2  # answered before, or a tap is open


class Means:
    """The means of one interface."""

    __slots__ = ("_asked", "_asked_ns", "_good", "_poked_ns", "tapped")

    def __init__(self) -> None:
        self.tapped = False
        self._good = False
        self._asked = 0
        self._asked_ns = 0
        self._poked_ns: int | None = None

    def asked(self, now: int) -> None:
        """A probe was asked for."""
        self._asked += 1
        self._asked_ns = now

    def answered(self) -> None:
        """A probe was answered, either way."""
        self._good, self._asked = True, 0

    def poked(self, now: int) -> None:
        """An agent poked somebody."""
        self._poked_ns = now

    def probing(self, now: int) -> Probing:
        """How to reckon with probes now."""
        if self._asked >= _ASKED_IN_VAIN:
            if now - self._asked_ns < RETRY_NS:
                return Probing.NEVER
            return Probing.TRY
        return Probing.GOOD if self._good or self.tapped else Probing.TRY

    def pokes(self, now: int) -> bool:
        """An agent may be reckoned with."""
        return self._poked_ns is not None and now - self._poked_ns < POKED_NS
