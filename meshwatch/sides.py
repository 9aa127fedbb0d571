"""Whether a neighbor sees the link as we do, as far as the count of peers in its beacons tells.

Beacons do not say who the peers are. That it counts none although we have the link established
is certain; that it counts as many as before we lost the link is an inference, which another
peer gained at the same moment would make wrong.
"""

from __future__ import annotations

from meshwatch.model import OneSided

# The first beacon afterwards may have been under way, and a link takes a moment to go down.
OURS_BEACONS, THEIRS_BEACONS = 2, 3


class Sides:
    """One link, seen from both sides."""

    __slots__ = ("_beacons", "_before", "one_sided")

    def __init__(self) -> None:
        self._beacons = 0
        self._before: int | None = None  # its peers when we lost the link
        self.one_sided: OneSided | None = None

    def established(self) -> None:
        """Our side has the link, or has it anew."""
        self._beacons, self._before, self.one_sided = 0, None, None

    def lost(self, peers: int | None) -> None:
        """Our side lost the link; its last beacon said ``peers``."""
        self._beacons, self._before, self.one_sided = 0, peers, None

    def beacon(self, peers: int, working: bool) -> None:
        """A beacon came."""
        if working:
            self._beacons = self._beacons + 1 if peers == 0 else 0
            self.one_sided = OneSided.OURS if self._beacons >= OURS_BEACONS else None
        elif not self._before or peers < self._before:
            self._before = self.one_sided = None
        else:
            self._beacons += 1
            if self._beacons >= THEIRS_BEACONS:
                self.one_sided = OneSided.THEIRS
