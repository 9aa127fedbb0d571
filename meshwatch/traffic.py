"""What the frames that we sent a neighbor tell, in the counters of its station entry.

Ordinary traffic is a probe for free: a frame that failed was not acknowledged, with all its
retries. And the airtime metric is made of it: net/mac80211/rc80211_minstrel_ht.c has nothing to
say before some frames were sent, and says the same for ever when no more are.
"""

from __future__ import annotations

from meshwatch.observations import Station, StationField

_TX_PACKETS, _TX_FAILED = int(StationField.TX_PACKETS), int(StationField.TX_FAILED)
_THROUGHPUT = int(StationField.EXPECTED_THROUGHPUT_KBPS)

#: Fewer frames than these make no metric: measured, it settles within about five.
MEASURED_PACKETS = 5


class Traffic:
    """The counters of one station entry since its link came up, or since we came.

    ``moved_ns`` is when more than our probes was last seen to be sent; None: not while we looked.
    """

    __slots__ = (
        "_expects", "_failed", "_failed_probes", "_looks", "_outlived", "_packets", "_probes",
        "_sent", "moved_ns",
    )  # fmt: skip

    def __init__(self) -> None:
        self._looks = self._packets = self._failed = self._failed_probes = 0
        self._probes = 0  # that the counter of packets may not have shown yet
        self._sent = 0
        self._expects = False  # rate control has something to say
        self._outlived = False  # that was so on the link before, too
        self.moved_ns: int | None = None

    @property
    def measured(self) -> bool:
        """Enough was sent over this link for its metric to mean something. The counter alone does
        not tell: the frames of peering are in it, too."""
        began = self._sent > 0 and self._expects and not self._outlived
        return began or self._sent >= MEASURED_PACKETS

    def probed(self, acknowledged: bool) -> None:
        """The kernel counts link probes as it counts any frame; to us they are not traffic."""
        self._probes += 1
        if not acknowledged:
            self._failed_probes += 1

    def look(self, s: Station, now: int) -> bool:
        """Whether frames failed since the last look, our probes not counted."""
        first, self._looks = not self._looks, self._looks + 1
        if s.present & _TX_PACKETS:
            if s.tx_packets < self._packets:  # a new station entry
                self._void()
            elif not first:
                self._move(s.tx_packets - self._packets, now)
            self._packets = s.tx_packets
        self._expects = bool(s.present & _THROUGHPUT)
        if first and self._expects:
            self._sent = MEASURED_PACKETS  # or more, before we came
        failed = False
        if s.present & _TX_FAILED:
            failed = not first and s.tx_failed - self._failed > self._failed_probes
            self._failed, self._failed_probes = s.tx_failed, 0
        return failed

    def begin(self) -> None:
        """A link came up: what was measured on the one before is void.

        If there was none before, nothing was: a link that was there when we came keeps its own.
        """
        if self._looks > 1:
            self._void()
            self._outlived = self._expects

    def _move(self, packets: int, now: int) -> None:
        probes = min(packets, self._probes)
        self._probes -= probes
        if packets > probes:
            self._sent += packets - probes
            self.moved_ns = now

    def _void(self) -> None:
        self._sent = self._probes = 0
        self._outlived, self.moved_ns = False, None
