"""One neighbor's life: what each source says of it, and the verdict drawn from that.

Evidence is kept per source: the kernel's station entry as last described, and the last beacon
that a user-space peering manager was told of. :meth:`Link._verdict` is the only place where it
is decided what they amount to.

Silence is what the kernel measured, as of the moment it was asked; that nobody asked for a
while is no silence. A sign of life can therefore be late, a departure never early.
"""

from __future__ import annotations

from meshwatch.model import (
    InterfaceType,
    Neighbor,
    Plink,
    PowerMode,
    Presence,
    Readings,
    Reason,
)
from meshwatch.observations import (
    Station,
    StationField,
)

MS = 1_000_000  # ns

#: 1000 TU, what mac80211 sends when nobody chose. In a mesh with shorter beacons silence grows
#: the same way, a departure is only told later than it could be.
BEACON_INTERVAL_NS = 1024 * MS

#: Three beacons may get lost, and the half is for a poll a second and the beacon's own delay.
QUIET_AFTER_NS = BEACON_INTERVAL_NS * 7 // 2

#: Eight beacons in a row get lost less than once per neighbor and day at 20 % loss (0.2 ** 8).
DEPARTED_AFTER_NS = BEACON_INTERVAL_NS * 8

#: A sign of life opens a new slot of reach when a beacon could have been due: beacons are
#: delayed by a busy channel, and looks a second apart are a little shorter than an interval.
_SLOT_NS = BEACON_INTERVAL_NS * 7 // 8
_REACH_SLOTS = 16
_REACH_MASK = (1 << _REACH_SLOTS) - 1

# Plain integers: arithmetic on an IntFlag makes an object for every look at a bit.
(
    _INACTIVE, _CONNECTED, _RX_BYTES, _TX_BYTES, _RX_PACKETS, _TX_PACKETS, _TX_RETRIES,
    _TX_FAILED, _BEACON_RX, _BEACON_LOSS, _THROUGHPUT, _AIRTIME, _SIGNAL, _SIGNAL_AVG,
    _ACK_SIGNAL, _PLINK, _LLID, _PLID, _LOCAL_PM, _PEER_PM, _NONPEER_PM, _GATE, _AS,
    _FLAGS, _TX_RATE, _RX_RATE,
) = (
    int(StationField[name])
    for name in (
        "INACTIVE_MS", "CONNECTED_S", "RX_BYTES", "TX_BYTES", "RX_PACKETS", "TX_PACKETS",
        "TX_RETRIES", "TX_FAILED", "BEACON_RX", "BEACON_LOSS", "EXPECTED_THROUGHPUT_KBPS",
        "AIRTIME_METRIC", "SIGNAL_DBM", "SIGNAL_AVG_DBM", "ACK_SIGNAL_DBM", "PLINK", "LLID",
        "PLID", "LOCAL_PM", "PEER_PM", "NONPEER_PM", "CONNECTED_TO_GATE", "CONNECTED_TO_AS",
        "FLAGS_SET", "TX_RATE_KBPS", "RX_RATE_KBPS",
    )
)  # fmt: skip
_MFP = 1 << 4  # NL80211_STA_FLAG_MFP
_AUTHENTICATED = 1 << 5  # NL80211_STA_FLAG_AUTHENTICATED

_PLINKS = {int(plink): plink for plink in Plink}
_POWER_MODES = {int(mode): mode for mode in PowerMode}

#: What mac80211 reports before the rate control has sent anything: 8192 bits at 1 Mb/s, or at
#: HT MCS 8; and the metric of a link that cannot be used.
_METRIC_UNMEASURED = frozenset({8193, 4819})
_METRIC_INFINITE = 0xFFFFFFFF

_NO_STATION = Station(*(0,) * len(Station._fields))

_Verdict = tuple[Presence | None, Reason]


class Hearing:
    """When we could hear; the spans in which we were deaf count for nobody's silence."""

    __slots__ = ("_spans", "_until_ns")

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []  # apart, ascending
        self._until_ns = -1

    def deaf(self, since_ns: int, until_ns: int) -> None:
        """We could not hear between these two times; ``until_ns`` never decreases."""
        if since_ns >= until_ns:
            return
        while self._spans and since_ns <= self._spans[-1][1]:
            since_ns = min(since_ns, self._spans.pop()[0])
        self._spans = [*self._spans[-_REACH_SLOTS:], (since_ns, until_ns)]
        self._until_ns = until_ns

    def between(self, start_ns: int, end_ns: int) -> int:
        """For how many nanoseconds of this span we could hear."""
        if start_ns >= self._until_ns:
            return end_ns - start_ns
        deaf = (min(end_ns, until) - max(start_ns, since) for since, until in self._spans)
        return end_ns - start_ns - sum(max(0, span_ns) for span_ns in deaf)


class Link:
    """What is known of one (ifindex, address), and what it amounts to.

    ``presence`` None: not to be shown; a station entry that the kernel keeps for half an hour
    after the last sign of life is remembered, but is no neighbor.
    """

    __slots__ = (
        "_candidate_signal_dbm", "_ids", "_inactive_ms", "_life_ns", "_reach", "_silence_ns",
        "_slot_ns", "_working", "address", "candidate_ns", "evidence_ns", "ifindex", "plink",
        "presence", "readings", "reason", "since_ns", "station",
    )  # fmt: skip

    def __init__(self, ifindex: int, address: str) -> None:
        self.ifindex = ifindex
        self.address = address
        self.station: Station | None = None  # evidence: the kernel's station entry
        self.candidate_ns: int | None = None  # evidence: the last beacon of a possible peer
        self._candidate_signal_dbm: int | None = None
        self.evidence_ns = 0  # when the newest of both was had
        self.plink: Plink | None = None
        self.presence: Presence | None = None
        self.reason = Reason.SILENT
        self.since_ns = 0
        self.readings = Readings(last_heard_ns=0)
        self._working = False  # at the last look
        self._ids: tuple[int, int] | None = None  # of the link at the last look
        self._inactive_ms = 0
        self._silence_ns = 0
        self._life_ns: int | None = None
        self._slot_ns = 0  # the sign of life that opened the newest slot of reach
        self._reach = 0

    def look(self, station: Station, type_: InterfaceType, now: int, hearing: Hearing) -> None:
        """The kernel described the station."""
        plink = _PLINKS.get(station.plink) if station.present & _PLINK else None
        working = plink is Plink.ESTAB or (plink is None and type_ is InterfaceType.IBSS)
        first = self.station is None
        if station.present & _INACTIVE:
            life_ns = now - station.inactive_ms * MS
            # The kernel's figure only falls by a sign of life; else that came since the last
            # look, for what came earlier would have been in its figure.
            fresh = first or station.inactive_ms < self._inactive_ms or life_ns > self.evidence_ns
            self._inactive_ms = station.inactive_ms
        else:
            life_ns = now if first or self._life_ns is None else self._life_ns
            fresh = first
        silence_ns = hearing.between(life_ns, now)
        if fresh:
            self._live(life_ns, self.evidence_ns, hearing)
        if self.candidate_ns is not None and not working:
            silence_ns = min(silence_ns, hearing.between(self.candidate_ns, now))
        # Learning afterwards that we were deaf proves no life: without one, silence never shrinks.
        self._silence_ns = silence_ns if fresh else max(silence_ns, self._silence_ns)
        self.station, self.evidence_ns = station, now
        self._judge(plink, working, now)
        self.readings = self._read()

    def candidate(self, signal_dbm: int | None, now: int, hearing: Hearing) -> None:
        """A beacon of a possible peer was heard just now.

        The kernel tells of candidates only while it has no station entry for them, so that this
        is no evidence for a link that works.
        """
        if self._working:
            return
        self._live(now, now, hearing)
        self.candidate_ns = self.evidence_ns = now
        self._candidate_signal_dbm = signal_dbm
        self._silence_ns = 0
        self._judge(self.plink, False, now)
        self.readings = self._read()

    def expires_ns(self, now: int, hearing: Hearing) -> int | None:
        """When a candidate without a station entry, which nobody measures, is given up."""
        if self.station is not None or self.candidate_ns is None:
            return None
        deaf_ns = now - self.candidate_ns - hearing.between(self.candidate_ns, now)
        return self.candidate_ns + deaf_ns + DEPARTED_AFTER_NS

    def neighbor(self, interface: str, first_heard_ns: int) -> Neighbor:
        """The row to publish; only while there is a presence."""
        assert self.presence is not None
        s = self.station or _NO_STATION
        p = s.present
        flags = s.flags_mask if p & _FLAGS else 0  # those of which the kernel speaks
        return Neighbor(
            ifindex=self.ifindex,
            interface=interface,
            address=self.address,
            presence=self.presence,
            reason=self.reason,
            since_ns=max(self.since_ns, first_heard_ns),
            first_heard_ns=first_heard_ns,
            plink=self.plink,
            llid=s.llid or None,
            plid=s.plid or None,
            gate=bool(s.connected_to_gate) if p & _GATE else None,
            authentication_server=bool(s.connected_to_as) if p & _AS else None,
            authenticated=bool(s.flags_set & _AUTHENTICATED) if flags & _AUTHENTICATED else None,
            mfp=bool(s.flags_set & _MFP) if flags & _MFP else None,
            readings=self.readings,
        )

    def _verdict(self, plink: Plink | None, working: bool, restarted: bool) -> _Verdict:
        """Who wins, from the strongest evidence to the weakest; ``self`` still holds what was."""
        if self._silence_ns > DEPARTED_AFTER_NS:
            return None, Reason.SILENT
        if self.station is None:
            return Presence.HEARD, Reason.CANDIDATE
        if working:
            if self._silence_ns > QUIET_AFTER_NS:
                return Presence.QUIET, Reason.SILENT
            if restarted:
                return Presence.PRESENT, Reason.RESTARTED
            if self.presence is Presence.PRESENT:
                return Presence.PRESENT, self.reason
            return Presence.PRESENT, Reason.RETURNED if self._working else Reason.ESTABLISHED
        if plink is Plink.BLOCKED:
            return Presence.HEARD, Reason.BLOCKED
        if self._working or self.reason is Reason.CLOSED:
            return Presence.HEARD, Reason.CLOSED
        return Presence.HEARD, Reason.PEERING

    def _judge(self, plink: Plink | None, working: bool, now: int) -> None:
        ids = self._link_ids()
        # The kernel says nothing of a fall and rise between two looks, but link ids are random.
        restarted = working and self._working and None not in (ids, self._ids) and ids != self._ids
        presence, reason = self._verdict(plink, working, restarted)
        if presence is not self.presence or (restarted and presence is Presence.PRESENT):
            self.since_ns = now
        self.plink, self.presence, self.reason = plink, presence, reason
        self._working, self._ids = working, ids

    def _link_ids(self) -> tuple[int, int] | None:
        """None: not established, or by a user-space peering manager, which keeps them."""
        station = self.station
        if station is None or not (station.llid or station.plid):
            return None
        return station.llid, station.plid

    def _live(self, life_ns: int, known_until_ns: int, hearing: Hearing) -> None:
        """A sign of life came; up to ``known_until_ns`` it is known when others came."""
        if self._life_ns is None:
            self._life_ns = self._slot_ns = life_ns
            self._reach = 1
        if hearing.between(self._slot_ns, life_ns) >= _SLOT_NS:
            intervals = _intervals(hearing.between(self._life_ns, life_ns))
            if life_ns > known_until_ns:  # nobody looked: not known to be silent
                intervals -= hearing.between(known_until_ns, life_ns) // BEACON_INTERVAL_NS
            self._reach = (self._reach << min(max(intervals, 1), _REACH_SLOTS) | 1) & _REACH_MASK
            self._slot_ns = life_ns
        self._life_ns = max(life_ns, self._life_ns)

    def _read(self) -> Readings:
        """What drifts, as of the newest evidence."""
        assert self._life_ns is not None
        s = self.station or _NO_STATION
        p = s.present
        missed = max(0, _intervals(self._silence_ns) - 1)
        return Readings(
            last_heard_ns=self._life_ns,
            reach=(self._reach << missed) & _REACH_MASK if missed < _REACH_SLOTS else 0,
            connected_s=s.connected_s if p & _CONNECTED else None,
            signal_dbm=s.signal_dbm if p & _SIGNAL else self._candidate_signal_dbm,
            signal_avg_dbm=s.signal_avg_dbm if p & _SIGNAL_AVG else None,
            ack_signal_dbm=s.ack_signal_dbm if p & _ACK_SIGNAL else None,
            airtime_metric=_metric(s, self.plink),
            expected_throughput_kbps=s.expected_throughput_kbps if p & _THROUGHPUT else None,
            tx_rate_kbps=s.tx_rate_kbps if p & _TX_RATE else None,
            rx_rate_kbps=s.rx_rate_kbps if p & _RX_RATE else None,
            tx_bytes=s.tx_bytes if p & _TX_BYTES else None,
            rx_bytes=s.rx_bytes if p & _RX_BYTES else None,
            tx_packets=s.tx_packets if p & _TX_PACKETS else None,
            rx_packets=s.rx_packets if p & _RX_PACKETS else None,
            tx_retries=s.tx_retries if p & _TX_RETRIES else None,
            tx_failed=s.tx_failed if p & _TX_FAILED else None,
            beacon_rx=s.beacon_rx if p & _BEACON_RX else None,
            beacon_loss=s.beacon_loss if p & _BEACON_LOSS else None,
            local_pm=_POWER_MODES.get(s.local_pm) if p & _LOCAL_PM else None,
            peer_pm=_POWER_MODES.get(s.peer_pm) if p & _PEER_PM else None,
            nonpeer_pm=_POWER_MODES.get(s.nonpeer_pm) if p & _NONPEER_PM else None,
        )


def _metric(s: Station, plink: Plink | None) -> int | None:
    """The airtime metric, if it was ever measured: it moves only with what is sent."""
    if not s.present & _AIRTIME or plink is not Plink.ESTAB or s.airtime_metric == _METRIC_INFINITE:
        return None
    if s.airtime_metric in _METRIC_UNMEASURED and not s.present & _THROUGHPUT:
        return None
    return s.airtime_metric


def _intervals(span_ns: int) -> int:
    """The number of beacon intervals nearest to a span: beacons are late, never early."""
    return (span_ns + BEACON_INTERVAL_NS // 2) // BEACON_INTERVAL_NS
