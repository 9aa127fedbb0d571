"""What probes without an answer are worth: how often this neighbor was there all the same.

Where frames get lost one by one, a few probes, each with all its retries, are never lost
together. Where losses come in bursts, the burst that swallows the beacons swallows the probes
too, and that they all fail says little. So each silence that was worth a probe and ended is
remembered by what became of its probes: were all lost that would have made a verdict, that was a
mistake, or would have been one. The share of those is how much a verdict has to be doubted.
"""

from __future__ import annotations

_MEMORY_SILENCES = 1024.0

# Before anything is known: as if so many silences had been probed, and none mistaken.
_ASSUMED_SILENCES = 2.0


class Doubt:
    """The probed silences of one neighbor that ended with a sign of life."""

    __slots__ = ("_mistaken", "_probed")

    def __init__(self) -> None:
        self._probed = _ASSUMED_SILENCES
        self._mistaken = 0.0

    @property
    def share(self) -> float:
        """Of them, so many would have been, or were, taken for a departure."""
        return self._mistaken / self._probed

    def ended(self, mistaken: bool) -> None:
        """One more ended; ``mistaken``: its probes had all failed."""
        self._probed += 1
        self._mistaken += mistaken
        if self._probed > _MEMORY_SILENCES:
            self._mistaken *= _MEMORY_SILENCES / self._probed
            self._probed = _MEMORY_SILENCES
