"""How a neighbor's beacons get lost, learned from its own: what silence is usual for it.

The model has two states (Gilbert's): a beacon is missed with one probability after one that was
heard, and with another after one that was missed, because losses come in bursts. A silence of k
beacons in a row or more then begins, at any one beacon, with the probability

    b * r ** (k - 1)        b: a silence begins, r: missed although the one before was missed

and a verdict that may be wrong so and so often needs the smallest k that is rarer than that.
"""

from __future__ import annotations

from math import ceil, log

# As of late: 17 minutes at the default beacon interval, 100 s at OpenWrt's.
_MEMORY_SLOTS = 1024.0
# How losses follow each other is a neighbor's habit, and takes as many losses to know.
_MEMORY_LOSSES = 1024.0

# What is assumed of a neighbor of whom nothing is known: one in five, as if two had been seen,
# and of its bursts, as if sixteen losses had been seen: one silence does not make a habit.
_ASSUMED_SLOTS, _ASSUMED_LOSS, _ASSUMED_LOSSES = 2.0, 0.2, 16.0

_TELLING_SLOTS = 16

# Independent losses of one in five, however rarely bursts were seen: a link turns bad at once.
_LEAST_PERSISTENCE = 0.2
_MOST_PERSISTENCE = 0.95


class Loss:
    """The beacon slots of one neighbor."""

    __slots__ = ("_again", "_begun", "_losses", "_missed", "_slots")

    def __init__(self) -> None:
        self._slots = _ASSUMED_SLOTS
        self._missed = _ASSUMED_SLOTS * _ASSUMED_LOSS
        self._begun = _ASSUMED_SLOTS * _ASSUMED_LOSS  # missed, as the one before was not
        self._losses = _ASSUMED_LOSSES
        self._again = _ASSUMED_LOSSES * _LEAST_PERSISTENCE  # missed, as was the one before

    def heard_after(self, missed: int) -> None:
        """A beacon was heard, and ``missed`` ones before it were not."""
        self._slots += missed + 1
        if missed > 0:
            self._missed += missed
            self._begun += 1
            self._losses += missed
            self._again += missed - 1
            if self._losses > _MEMORY_LOSSES:
                self._again *= _MEMORY_LOSSES / self._losses
                self._losses = _MEMORY_LOSSES
        if self._slots > _MEMORY_SLOTS:
            fading = _MEMORY_SLOTS / self._slots
            self._missed *= fading
            self._begun *= fading
            self._slots = _MEMORY_SLOTS

    @property
    def percent(self) -> int | None:
        """Of the beacons of late, so many were missed; None: too few to tell."""
        seen = self._slots - _ASSUMED_SLOTS
        missed = self._missed - _ASSUMED_SLOTS * _ASSUMED_LOSS
        return round(100 * max(0.0, missed) / seen) if seen >= _TELLING_SLOTS else None

    def unusual(self, rate: float) -> int:
        """The number of beacons missed in a row, at least 1, that is rarer than ``rate``."""
        begun = self._begun / self._slots
        if begun <= rate:
            return 1
        persistence = max(self._again / self._losses, _LEAST_PERSISTENCE)
        return 1 + ceil(log(rate / begun) / log(min(persistence, _MOST_PERSISTENCE)))
