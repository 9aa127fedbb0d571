"""Whether a neighbor sees the link as we do, as far as the count of peers in its beacons tells.

Beacons do not say who the peers are. That it counts none although we have the link established
is certain; that it counts as many as before we lost the link is an inference, which another
peer gained at the same moment would make wrong.

Anybody can send beacons in its name. So it takes three, about an interval apart each: among them
would be one of its own that says otherwise.
"""

from __future__ import annotations

from meshwatch.model import OneSided

#: So many say so. The first afterwards may have been under way, and a link takes a moment to go
#: down, too.
BEACONS = 3


class Sides:
    """One link, seen from both sides."""

    __slots__ = ("_beacons", "_before", "_counted_ns", "one_sided")

    def __init__(self) -> None:
        self._beacons = 0  # that say so
        self._counted_ns = 0  # the last of them
        self._before: int | None = None  # its peers when we lost the link
        self.one_sided: OneSided | None = None

    def established(self) -> None:
        """Our side has the link, or has it anew."""
        self._begin(None)

    def lost(self, peers: int | None) -> None:
        """Our side lost the link; its last beacon said ``peers``."""
        self._begin(peers)

    def beacon(self, peers: int, working: bool, heard_ns: int, interval_ns: int) -> None:
        """A beacon came."""
        if (working and peers > 0) or (not working and (not self._before or peers < self._before)):
            self._begin(None)
        elif heard_ns - self._counted_ns >= interval_ns * 7 // 8:  # one may have waited
            self._beacons += 1
            self._counted_ns = heard_ns
            if self._beacons >= BEACONS:
                self.one_sided = OneSided.OURS if working else OneSided.THEIRS

    def _begin(self, before: int | None) -> None:
        self._beacons = self._counted_ns = 0
        self._before, self.one_sided = before, None
