"""What a neighbor sends itself: an acknowledgment shows a radio that is on, and no more than that.

mac80211 counts an acknowledged frame as a sign of life (ieee80211_sta_last_active() in
net/mac80211/sta_info.c), and every radio acknowledges what is sent to its address, in the mesh or
not. Beacons may fail for long all the same: those of two radios that do not hear each other
collide again and again, as their intervals are the same. So acknowledgments count as life for as
long as silence would, where nobody can be asked; and what else the neighbor sends counts as
beacons do.
"""

from __future__ import annotations

from meshwatch.observations import Station, StationField

_RX_PACKETS = int(StationField.RX_PACKETS)

#: Fewer say nothing: each is one answer in a moment when no beacon came.
_IN_VAIN = 4
_JIFFY_NS = 10_000_000  # at most: the kernel dates signs of life by these


class Voice:
    """One neighbor's own frames; ``left``: it acknowledges, but is in the mesh no more."""

    __slots__ = ("_acknowledged", "_acknowledged_ns", "_packets", "left", "sent_ns")

    def __init__(self) -> None:
        self._acknowledged = 0  # probes since the last frame of its own
        self._acknowledged_ns = 0
        self._packets = -1  # received from it, as of the last look
        self.sent_ns = 0  # the last frame of its own
        self.left = False

    def heard(self, sent_ns: int) -> None:
        """A frame of its own came."""
        self._acknowledged, self.left = 0, False
        self.sent_ns = max(sent_ns, self.sent_ns)

    def look(self, station: Station, life_ns: int | None) -> None:
        """A look, which showed a new sign of life at ``life_ns``, or none: whatever came, it was
        no answer to a probe if it came later."""
        came = station.present & _RX_PACKETS and station.rx_packets != self._packets
        self._packets = station.rx_packets
        if came and life_ns is not None and life_ns > self._acknowledged_ns + _JIFFY_NS:
            self.heard(life_ns)

    def acknowledged(self, unheard_ns: int, enough_ns: int, now: int) -> bool:
        """It acknowledged a probe, ``unheard_ns`` after its last frame; whether that is a sign of
        life. ``enough_ns``: which silence would decide without probes."""
        self._acknowledged += 1
        self._acknowledged_ns = now
        self.left = self._acknowledged >= _IN_VAIN and unheard_ns >= enough_ns
        return not self.left

    def forget(self) -> None:
        """Nobody can hear its beacons any more, and so whether it is in the mesh."""
        self._acknowledged, self.left = 0, False
