"""What it means that probes or pokes drew nothing: how often this neighbor was there all the same.

Where frames get lost one by one, a few probes, each with all its retries, are never lost
together. Where losses come in bursts, the burst that swallows the beacons swallows the probes
too, and that they all fail says little. So each silence that was worth asking and ended is
remembered by what became of that: if as much was asked in vain as makes a verdict, it was a
mistake, or would have been one. The share of those is how much a verdict has to be doubted.
"""

from __future__ import annotations

_MEMORY_SILENCES = 1024.0

# Fewer may have been absences: somebody walked around a corner and was back in some seconds.
_TELLING_MISTAKES = 3.0

# Before anything is known: as if so many had been, and none mistaken.
_ASSUMED_SILENCES = 2.0


class Doubt:
    """The silences with probes or pokes of one neighbor that ended with a sign of life."""

    __slots__ = ("_mistaken", "_silences")

    def __init__(self) -> None:
        self._silences = _ASSUMED_SILENCES
        self._mistaken = 0.0

    @property
    def share(self) -> float:
        """Of them, so many would have been, or were, taken for a departure."""
        telling = self._mistaken >= _TELLING_MISTAKES
        return self._mistaken / self._silences if telling else 0.0

    def ended(self, mistaken: bool) -> None:
        """One more ended; ``mistaken``: all was in vain."""
        self._silences += 1
        self._mistaken += mistaken
        if self._silences > _MEMORY_SILENCES:
            self._mistaken *= _MEMORY_SILENCES / self._silences
            self._silences = _MEMORY_SILENCES
