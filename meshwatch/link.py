"""One neighbor's life: what each source says of it, and the verdict drawn from that.

Evidence is kept per source: the kernel's station entry as last described, the last beacon that a
tap heard or a user-space peering manager was told of, and what became of probes and pokes.
:meth:`Link._verdict` is the only place where it is decided what they amount to.

Silence counts only as of a moment when somebody looked: the kernel measured it, or the
neighbor's radio left a probe unacknowledged. That nobody looked for a while is no silence, so a
sign of life can be late here, a departure never early. How much silence is too much depends on
the neighbor: on the interval of its beacons and on how it used to lose them.
"""

from __future__ import annotations

from meshwatch.account import Account
from meshwatch.hearing import Hearing
from meshwatch.means import Means
from meshwatch.model import (
    Evidence,
    InterfaceType,
    OneSided,
    Plink,
    PowerMode,
    Presence,
    Proof,
    Reason,
)
from meshwatch.observations import Beacon, LookWanted, ProbeWanted, Question, Station, StationField
from meshwatch.obstacle import mismatch, obstacle
from meshwatch.patience import Patience
from meshwatch.questions import PROBE_BURST, PROBE_PERIOD_NS, UNANSWERED, Questions
from meshwatch.reach import Reach
from meshwatch.sides import Sides
from meshwatch.traffic import Traffic
from meshwatch.voice import Voice

MS = 1_000_000  # ns

_INACTIVE, _RX_PACKETS, _PLINK, _LOCAL_PM, _PEER_PM = (
    int(StationField[name])
    for name in ("INACTIVE_MS", "RX_PACKETS", "PLINK", "LOCAL_PM", "PEER_PM")
)
_PLINKS = {int(plink): plink for plink in Plink}
_POWER_MODES = {int(mode): mode for mode in PowerMode}
_DOZING = (int(PowerMode.LIGHT_SLEEP), int(PowerMode.DEEP_SLEEP))

_Verdict = tuple[Presence | None, Reason]


class Link:
    """What is known of one (ifindex, address), and what it amounts to.

    ``presence`` None: not to be shown; a station entry that the kernel keeps for half an hour
    after the last sign of life is remembered, but is no neighbor.
    """

    __slots__ = (
        "_beacon_ns", "_departed_after_ns", "_inactive_ms", "_look_ns", "_sides", "_wants_look",
        "_working", "address", "beacon", "beacon_signal_dbm", "candidate_ns", "evidence",
        "evidence_ns", "ids", "ifindex", "life_ns", "obstacle", "patience", "plink", "presence",
        "questions", "reach", "reason", "restarts", "silence_ns", "since_ns", "station", "traffic",
        "voice",
    )  # fmt: skip

    def __init__(self, ifindex: int, address: str, account: Account | None = None) -> None:
        """``account`` is that of the probes to this address, if there were some before."""
        self.ifindex = ifindex
        self.address = address
        self.station: Station | None = None  # evidence: the kernel's station entry
        self.beacon: Beacon | None = None  # evidence: the last that a tap heard
        self.candidate_ns: int | None = None  # evidence: the last beacon, from whoever told it
        self.beacon_signal_dbm: int | None = None  # of that beacon
        self.evidence_ns = 0  # when the newest of all was had
        self.obstacle: Reason | None = None  # what keeps the neighbor from peering with us
        self.plink: Plink | None = None
        self.ids: tuple[int, int] | None = None  # of the link at the last look
        self.restarts = 0  # the link came up with new ids without having been seen down
        self.presence: Presence | None = None
        self.reason = Reason.SILENT
        self.evidence = Evidence(proof=Proof.LOOK)
        self.since_ns = 0
        self.life_ns: int | None = None  # the last sign of life
        self.silence_ns = 0  # since then, as of the newest evidence; deafness not counted
        self.patience = Patience()
        self.questions = Questions(self.patience, account or Account(PROBE_BURST, PROBE_PERIOD_NS))
        self.reach = Reach()
        self.traffic = Traffic()
        self.voice = Voice()
        self._sides: Sides | None = None  # what beacons say
        self._working = False  # at the last look
        self._departed_after_ns: int | None = None  # that sign of life was the last before
        self._inactive_ms = 0
        self._look_ns = 0
        self._beacon_ns: int | None = None  # None: others may have come since, unheard
        self._wants_look = False  # what it says decides whether a sign of life is a return

    @property
    def one_sided(self) -> OneSided | None:
        """Who of both believes in the link alone."""
        return self._sides.one_sided if self._sides else None

    # ---- evidence ---------------------------------------------------------------------------

    def look(self, station: Station, type_: InterfaceType, now: int, hearing: Hearing) -> None:
        """The kernel described the station."""
        plink = _PLINKS.get(station.plink) if station.present & _PLINK else None
        working = plink is Plink.ESTAB or (plink is None and type_ is InterfaceType.IBSS)
        first = self.station is None
        if station.present & _INACTIVE:
            life_ns = now - station.inactive_ms * MS
            # The kernel's figure only falls by a sign of life; else that came since the last
            # look, for what came earlier would have been in its figure.
            fresh = first or station.inactive_ms < self._inactive_ms or life_ns > self._look_ns
            self._inactive_ms = station.inactive_ms
        else:
            life_ns = now if first or self.life_ns is None else self.life_ns
            fresh = first
        if fresh:
            # When we ask for a look depends on the interval that we believe in, and would prove it.
            if station.present & _RX_PACKETS and not self.questions.looking:
                self.patience.live(life_ns, station.rx_packets, now - life_ns)
            self._live(life_ns, self._look_ns, hearing)
        self.voice.look(station, life_ns if fresh else None)
        assert self.life_ns is not None
        silence_ns = hearing.between(max(life_ns, self.life_ns), now)
        if self.beacon is None and working:
            self.patience.looked_after(silence_ns)
        # Learning afterwards that we were deaf proves no life: without one, silence never shrinks.
        self.silence_ns = silence_ns if fresh else max(silence_ns, self.silence_ns)
        dozes = bool(station.present & _PEER_PM) and station.peer_pm in _DOZING
        failed = self.traffic.look(station, now)
        self.questions.looked(now, failed and working and not fresh, dozes)
        self.station, self.evidence_ns, self._look_ns = station, now, now
        self._wants_look = False
        self._judge(plink, working, now, Proof.LOOK)

    def candidate(self, signal_dbm: int | None, now: int, hearing: Hearing) -> None:
        """A beacon of a possible peer was told to a user-space peering manager just now.

        The kernel tells of candidates only while it has no station entry for them, so that this
        is no evidence for a link that works.
        """
        if self._working:
            return
        self._live(now, now, hearing)
        self.candidate_ns = self.evidence_ns = now
        self.beacon_signal_dbm = signal_dbm
        self._judge(self.plink, False, now, Proof.EVENT)

    def hear(
        self, beacon: Beacon, heard_ns: int, now: int, hearing: Hearing, own: Beacon | None
    ) -> None:
        """A tap heard a beacon; ``own`` is what our own beacons say, if one was heard.

        While we have a link, one that speaks against it counts for nothing, as in the kernel:
        either it was forged, or the neighbor is in another mesh now, and our link falls silent.
        """
        if self._working and mismatch(beacon, own):
            return
        self.patience.claim(beacon.interval_tu, now)
        if self.beacon is None:
            self.patience.learn()  # looks have told a little meanwhile
        last_ns = self._beacon_ns
        if last_ns is not None and heard_ns > last_ns and self._working:
            self.patience.beacon_after(hearing.between(last_ns, heard_ns))
        self._live(heard_ns, now, hearing)
        self.beacon, self._beacon_ns = beacon, max(heard_ns, last_ns or 0)
        self.candidate_ns = max(heard_ns, self.candidate_ns or 0)
        self.evidence_ns = now
        self.voice.heard(heard_ns)
        if beacon.signal_dbm is not None:
            self.beacon_signal_dbm = beacon.signal_dbm
        self.obstacle = obstacle(beacon, own)
        self._sides = self._sides or Sides()
        self._sides.beacon(beacon.peers, self._working, heard_ns, self.patience.cadence.ns)
        # Whoever is back may have been switched off meanwhile: the kernel has to say.
        self._wants_look = self._working and self.presence is None
        if not self._wants_look:
            self._judge(self.plink, self._working, now, Proof.BEACON)

    def probed(self, acknowledged: bool, now: int, hearing: Hearing) -> None:
        """A link probe came to its end."""
        if self.life_ns is None:
            return
        self.traffic.probed(acknowledged)
        self.questions.probed(acknowledged, now)
        since_ns, alive = self.life_ns, acknowledged
        if acknowledged and self.beacon is not None:  # else nobody would hear its beacons
            since_ns = self.voice.sent_ns
            unheard_ns = hearing.between(since_ns, now)
            alive = self.voice.acknowledged(unheard_ns, self.patience.unasked_ns, now)
        if alive:
            self._live(now, now, hearing)
        else:
            self.silence_ns = max(self.silence_ns, hearing.between(since_ns, now))
        if acknowledged:
            self._wants_look = self._working and self.presence is None
        if not self._wants_look:
            self._judge(self.plink, self._working, now, Proof.PROBE)

    def poked(self, now: int) -> None:
        """An agent sent a datagram."""
        if self.presence is Presence.QUIET:
            self.questions.poked(now)

    def overrun(self) -> None:
        """The tap lost frames: that a beacon is missing is no loss of the neighbor's."""
        self._beacon_ns = None

    def untapped(self) -> None:
        """There is no tap any more: what it told gets old without a word."""
        self.overrun()
        self.beacon = self.obstacle = None
        self.voice.forget()
        self.patience.cadence.forget_claims()
        self._sides = None

    @property
    def departed_ns(self) -> int | None:
        """When it departed, if it has and gave no sign of life since."""
        departed = self.life_ns is not None and self.life_ns == self._departed_after_ns
        return self.since_ns if departed else None

    # ---- questions --------------------------------------------------------------------------

    def plan(self, now: int, hearing: Hearing, means: Means, paid_ns: int) -> None:
        """Decide when to ask what; after any evidence, and when we can hear again. ``paid_ns``:
        when the probes of all neighbors together allow one more."""
        self.questions.rest(now, means)
        if hearing.away or self.life_ns is None:
            return
        if self._wants_look:
            self.questions.plan_look(now)
            return
        if not self._working or self.presence is None or self.plink is None:
            return  # an IBSS has no beacons of each station's own, and no probes
        # Life, on a clock that stops while we are deaf.
        heard_ns = now - hearing.between(self.life_ns, now)
        self.questions.plan(now, heard_ns, self.silence_ns, means.pokes(now), paid_ns)
        if self.presence is Presence.PRESENT and means.wants_trial(now):
            self.questions.plan_trial(now, paid_ns)

    def ask(self, now: int, means: Means) -> Question:
        """What to ask, at ``questions.ask_ns`` or later; then :meth:`plan` anew."""
        self.questions.ask(now)
        if self.questions.wants_probe:
            means.asked(now)
            return ProbeWanted(self.ifindex, self.address, self._local_pm())
        return LookWanted(self.ifindex, self.address)

    def expires_ns(self, now: int, hearing: Hearing) -> int | None:
        """When a candidate without a station entry, which nobody measures, is given up."""
        if self.station is not None or self.candidate_ns is None:
            return None
        deaf_ns = now - self.candidate_ns - hearing.between(self.candidate_ns, now)
        return self.candidate_ns + deaf_ns + self.patience.departed_ns

    # ---- the verdict ------------------------------------------------------------------------

    def _verdict(self, plink: Plink | None, working: bool, restarted: bool) -> _Verdict:
        """Who wins, from the strongest evidence to the weakest; ``self`` still holds what was."""
        if self._departed(working):
            return None, Reason.SILENT
        if self.station is None:
            return Presence.HEARD, self.obstacle or Reason.CANDIDATE
        if working:
            if self.silence_ns >= self.patience.quiet_ns:
                return Presence.QUIET, Reason.SILENT
            if restarted:
                return Presence.PRESENT, Reason.RESTARTED
            if self.presence is Presence.PRESENT:
                return Presence.PRESENT, self.reason
            if self.presence is not Presence.QUIET and self._working and self._counts_no_peer():
                return Presence.HEARD, Reason.PEERING  # it restarted while it was away
            return Presence.PRESENT, Reason.RETURNED if self._working else Reason.ESTABLISHED
        if plink is Plink.BLOCKED:
            return Presence.HEARD, Reason.BLOCKED
        if self._working or self.reason is Reason.CLOSED:
            return Presence.HEARD, Reason.CLOSED
        return Presence.HEARD, self.obstacle or Reason.PEERING

    def _departed(self, working: bool) -> bool:
        if self.departed_ns is not None:
            return True  # whatever is learned meanwhile, only a sign of life brings it back
        if self.silence_ns >= self.questions.departed_limit_ns(self._working):
            return True
        return working and (self.voice.left or self.questions.is_enough(self.silence_ns))

    def _judge(self, plink: Plink | None, working: bool, now: int, proof: Proof) -> None:
        ids = self._link_ids()
        # The kernel says nothing of a fall and rise between two looks, but link ids are random.
        restarted = working and self._working and None not in (ids, self.ids) and ids != self.ids
        presence, reason = self._verdict(plink, working, restarted)
        if presence is not self.presence or reason is not self.reason or restarted:
            self.evidence = self._prove(presence, proof)
        if presence is not self.presence or (restarted and presence is Presence.PRESENT):
            self.since_ns = now
        self.restarts += restarted
        if restarted or (working and not self._working):
            self.traffic.begin()
            if self._sides:
                self._sides.established()
        elif self._working and not working and self._sides:
            self._sides.lost(self.beacon.peers if self.beacon else None)
        if presence is None:
            self._departed_after_ns = self.life_ns
        self.plink, self.presence, self.reason = plink, presence, reason
        self._working, self.ids = working, ids

    def _prove(self, presence: Presence | None, proof: Proof) -> Evidence:
        if presence is Presence.PRESENT or presence is Presence.HEARD:
            return Evidence(proof=proof)
        if presence is None and proof is Proof.LOOK and self.questions.pokes >= UNANSWERED:
            proof = Proof.POKE
        return Evidence(
            proof=proof,
            silence_ms=self.silence_ns // MS,
            missed=self.patience.missed(self.silence_ns),
            unanswered=self.questions.unanswered or self.questions.pokes or None,
        )

    # ---- what follows from evidence ---------------------------------------------------------

    def _live(self, life_ns: int, known_until_ns: int, hearing: Hearing) -> None:
        """A sign of life came; up to ``known_until_ns`` it is known when others came."""
        last_ns = life_ns if self.life_ns is None else self.life_ns
        if life_ns < last_ns:
            return
        self.reach.live(life_ns, last_ns, known_until_ns, self.patience.cadence.ns, hearing)
        self.questions.ended(last_ns, hearing.between(last_ns, life_ns))
        self.life_ns = life_ns
        self.silence_ns = 0
        self.patience.returned()

    def _counts_no_peer(self) -> bool:
        return self.beacon is not None and self.beacon.peers == 0

    def _local_pm(self) -> PowerMode:
        station = self.station
        if station is None or not station.present & _LOCAL_PM:
            return PowerMode.ACTIVE
        return _POWER_MODES.get(station.local_pm, PowerMode.UNKNOWN)

    def _link_ids(self) -> tuple[int, int] | None:
        """None: not established, or by a user-space peering manager, which keeps them."""
        station = self.station
        if station is None or not (station.llid or station.plid):
            return None
        return station.llid, station.plid
