"""What the frames that we sent a neighbor tell, in the counters of its station entry.

Ordinary traffic is a probe for free: a frame that failed was not acknowledged, with all its
retries. And the airtime metric is made of it: net/mac80211/rc80211_minstrel_ht.c has nothing to
say before some frames were sent, and says the same for ever when no more are.
"""

from __future__ import annotations

from meshwatch.observations import Station, StationField

_TX_PACKETS, _TX_FAILED = int(StationField.TX_PACKETS), int(StationField.TX_FAILED)

#: Fewer frames than these make no metric: measured, it settles within about five.
MEASURED_PACKETS = 5


class Traffic:
    """The counters of one station entry since its link came up.

    ``moved_ns`` is when they were last seen to grow; None: not while we looked.
    """

    __slots__ = ("_base", "_failed", "_failed_probes", "_looks", "_packets", "moved_ns")

    def __init__(self) -> None:
        self._looks = self._packets = self._base = self._failed = self._failed_probes = 0
        self.moved_ns: int | None = None

    @property
    def measured(self) -> bool:
        """Enough was sent over this link for its metric to mean something."""
        return self._packets - self._base >= MEASURED_PACKETS

    def probed(self, acknowledged: bool) -> None:
        """The kernel counts link probes as it counts any frame; to us they are not traffic."""
        self._base += 1
        if not acknowledged:
            self._failed_probes += 1

    def look(self, s: Station, now: int) -> bool:
        """Whether frames failed since the last look, our probes not counted."""
        failed = False
        if s.present & _TX_FAILED:
            failed = bool(self._looks) and s.tx_failed - self._failed > self._failed_probes
            self._failed, self._failed_probes = s.tx_failed, 0
        if s.present & _TX_PACKETS:
            if s.tx_packets < self._packets:  # a new station entry
                self._base = 0
                self.moved_ns = None
            elif self._looks and s.tx_packets > self._packets:
                self.moved_ns = now
            self._packets = s.tx_packets
        self._looks += 1
        return failed

    def begin(self) -> None:
        """A link came up: what was measured on the one before is void.

        If there was none before, nothing was: a link that was there when we came keeps its own.
        """
        if self._looks > 1:
            self._base = self._packets
            self.moved_ns = None
