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
from meshwatch.means import Means, Probing
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
from meshwatch.patience import DEPARTED_WHILE_PROBING, Patience
from meshwatch.reach import Reach
from meshwatch.sides import Sides
from meshwatch.traffic import Traffic

MS = 1_000_000  # ns

UNANSWERED = 3  # probes or pokes that drew nothing make a departure, of a lossy neighbor one more
POKED_MISSED = 3  # but pokes prove nothing, so as many beacons must be missing too
_PROBE_GAP_NS = 10 * MS, 40 * MS  # between probes: a 32nd of the interval within these bounds
_POKE_EFFECT_NS = 50 * MS  # by then it shows in the station entry
_TICK_NS = 6 * MS  # the kernel counts inactivity in jiffies, of 1 to 10 ms, mostly 4
_ASKED_IN_VAIN = 5
_LOOK_ANSWER_NS, _PROBE_ANSWER_NS = 100 * MS, 250 * MS
PROBE_BURST, PROBE_PERIOD_NS = 8, 60_000 * MS
#: A radio that acknowledges but sends no beacons is on, and not in the mesh.
_ACKNOWLEDGED_IN_VAIN = 4

_INACTIVE, _RX_PACKETS, _PLINK, _PEER_PM = (
    int(StationField[name]) for name in ("INACTIVE_MS", "RX_PACKETS", "PLINK", "PEER_PM")
)
_PLINKS = {int(plink): plink for plink in Plink}
_DOZING = (int(PowerMode.LIGHT_SLEEP), int(PowerMode.DEEP_SLEEP))

_Verdict = tuple[Presence | None, Reason]


class Link:
    """What is known of one (ifindex, address), and what it amounts to.

    ``presence`` None: not to be shown; a station entry that the kernel keeps for half an hour
    after the last sign of life is remembered, but is no neighbor. ``ask_ns`` is when there is
    something to ask (:meth:`ask`), None: never, as things are.
    """

    __slots__ = (
        "_acknowledged", "_asked_look_ns", "_asked_looks", "_asked_probe_ns", "_beacon_ns",
        "_dozes", "_inactive_ms", "_look_ns", "_poke_ns", "_pokes", "_probe_open", "_probing",
        "_sides", "_unanswered", "_wants_look", "_working", "account", "address", "ask_ns",
        "beacon", "beacon_signal_dbm", "candidate_ns", "evidence", "evidence_ns", "ids", "ifindex",
        "life_ns", "obstacle", "patience", "plink", "presence", "reach", "reason", "restarts",
        "silence_ns", "since_ns", "station", "traffic", "wants_probe",
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
        self.ask_ns: int | None = None
        self.patience = Patience()
        self.reach = Reach()
        self.traffic = Traffic()
        self._sides = Sides()
        self.account = account or Account(PROBE_BURST, PROBE_PERIOD_NS)
        self._probing = Probing.TRY
        self._working = False  # at the last look
        self._dozes = False  # a sleeping radio acknowledges nothing, and is there all the same
        self._inactive_ms = 0
        self._look_ns = 0
        self._beacon_ns = 0
        self._unanswered = 0  # probes since the last sign of life
        self._acknowledged = 0  # probes since the last beacon
        self._pokes = 0  # since the last sign of life
        self._poke_ns = 0
        self._wants_look = self.wants_probe = self._probe_open = False
        self._asked_looks = self._asked_look_ns = self._asked_probe_ns = 0

    @property
    def one_sided(self) -> OneSided | None:
        """Who of both believes in the link alone."""
        return self._sides.one_sided

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
            if station.present & _RX_PACKETS and not self._asked_looks:
                cadence = self.patience.cadence
                tu = cadence.tu
                cadence.live(life_ns, station.rx_packets, now - life_ns)
                if cadence.tu != tu:
                    self.patience.learn()
            self._live(life_ns, self._look_ns, hearing)
        assert self.life_ns is not None
        silence_ns = hearing.between(max(life_ns, self.life_ns), now)
        if self.beacon is None and working:
            self.patience.looked_after(silence_ns)
        # Learning afterwards that we were deaf proves no life: without one, silence never shrinks.
        self.silence_ns = silence_ns if fresh else max(silence_ns, self.silence_ns)
        self._dozes = bool(station.present & _PEER_PM) and station.peer_pm in _DOZING
        failed = self.traffic.look(station, now)
        if working and not fresh:
            self._unanswered += failed
        self.station, self.evidence_ns, self._look_ns = station, now, now
        self._wants_look = False
        self._asked_looks = 0
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
        """A tap heard a beacon; ``own`` is what our own beacons say, if one was heard."""
        first = self.beacon is None
        self.patience.cadence.claim(beacon.interval_tu, now)
        if first:
            self.patience.learn()
        elif heard_ns > self._beacon_ns and self._working:
            self.patience.beacon_after(hearing.between(self._beacon_ns, heard_ns))
        self._live(heard_ns, now, hearing)
        self.beacon, self._beacon_ns = beacon, max(heard_ns, self._beacon_ns)
        self.candidate_ns = max(heard_ns, self.candidate_ns or 0)
        self.evidence_ns = now
        self._acknowledged = 0
        if beacon.signal_dbm is not None:
            self.beacon_signal_dbm = beacon.signal_dbm
        self.obstacle = _obstacle(beacon, own)
        self._sides.beacon(beacon.peers, self._working)
        # Whoever is back may have been switched off meanwhile: the kernel has to say.
        self._wants_look = self._working and self.presence is None
        if not self._wants_look:
            self._judge(self.plink, self._working, now, Proof.BEACON)

    def probed(self, acknowledged: bool, now: int, hearing: Hearing) -> None:
        """A link probe came to its end."""
        if self.life_ns is None:
            return
        self._asked_probe_ns, self._probe_open = now, False
        self.traffic.probed(acknowledged)
        if acknowledged:
            self._acknowledged += self.beacon is not None
            if self._acknowledged < _ACKNOWLEDGED_IN_VAIN:
                self._live(now, now, hearing)
            self._wants_look = self._working and self.presence is None
        else:
            self._unanswered += 1
            self.silence_ns = max(self.silence_ns, hearing.between(self.life_ns, now))
        if not self._wants_look:
            self._judge(self.plink, self._working, now, Proof.PROBE)

    def poked(self, now: int) -> None:
        """An agent sent a datagram; what it drew shows in the station entry, a moment later."""
        if self.presence is Presence.QUIET and not self._dozes:
            self._pokes += 1
            self._poke_ns = now

    def untapped(self) -> None:
        """There is no tap any more: what it told gets old without a word."""
        self.beacon = self.obstacle = None
        self._acknowledged = 0
        self.patience.cadence.forget_claims()
        self._sides.established()

    # ---- questions --------------------------------------------------------------------------

    def plan(self, now: int, hearing: Hearing, means: Means) -> None:
        """Decide when to ask what; after any evidence, and when we can hear again."""
        self._probing = means.probing(now)
        self.wants_probe = False
        self.ask_ns = None
        if hearing.scanning or self.life_ns is None:
            return
        if self._wants_look:
            if self._asked_looks < _ASKED_IN_VAIN:
                self.ask_ns = max(now, self._look_again_ns())
            return
        if not self._working or self.presence is None or self.plink is None:
            return  # an IBSS has no beacons of each station's own, and no probes
        deaf_ns = now - self.life_ns - hearing.between(self.life_ns, now)
        heard_ns = self.life_ns + deaf_ns  # life, on a clock that stops while we are deaf
        look_ns = heard_ns + self._next_limit_ns(now, means, heard_ns) + _TICK_NS
        if self._asked_looks < _ASKED_IN_VAIN:
            self.ask_ns = max(now, look_ns, self._look_again_ns())
        if self._probing is Probing.NEVER or self._dozes:
            return
        if self.silence_ns >= self._probing_limit_ns():
            wait_ns = _PROBE_ANSWER_NS if self._probe_open else self._probe_gap_ns()
            ready_ns = max(now, self._asked_probe_ns + wait_ns, self._paid_ns(heard_ns))
            if self.ask_ns is None or ready_ns <= self.ask_ns:
                self.wants_probe = True
                self.ask_ns = ready_ns

    def _paid_ns(self, heard_ns: int) -> int:
        """When the account allows a probe: on credit, if it is not the first or a beacon more is
        missing, for a verdict that is put off until the account is full comes far too late."""
        if self._unanswered:
            return heard_ns
        later_ns = heard_ns + self._probing_limit_ns() + self.patience.cadence.ns
        return min(self.account.ready_ns(), max(later_ns, self.account.owing_ns()))

    def _probing_limit_ns(self) -> int:
        """Where nobody is known to answer probes, only what is unusual is worth one."""
        if self._probing is Probing.GOOD:
            return self.patience.late_ns
        return max(self.patience.late_ns, self.patience.quiet_ns)

    def _next_limit_ns(self, now: int, means: Means, heard_ns: int) -> int:
        """At which silence a look would decide something next."""
        probing = self._probing is Probing.GOOD and not self._dozes
        if probing and self.silence_ns < self.patience.late_ns:
            return self.patience.late_ns
        if means.pokes(now):
            if self.silence_ns < self.patience.quiet_ns:
                return self.patience.quiet_ns
            if self._pokes and not self._saw_effect():
                return self._poke_ns + _POKE_EFFECT_NS - heard_ns
            if self._pokes >= UNANSWERED:
                return min(self._poked_limit_ns(), self.patience.departed_ns)
        return self._departed_limit_ns()

    def _look_again_ns(self) -> int:
        """Nobody has to answer: ask ever later."""
        return self._asked_look_ns + (_LOOK_ANSWER_NS << self._asked_looks)

    def ask(self, now: int, means: Means) -> Question:
        """What to ask, at ``ask_ns`` or later; then :meth:`plan` anew."""
        if self.wants_probe:
            self._asked_probe_ns, self._probe_open = now, True
            self.account.spend(now)
            means.asked(now)
            return ProbeWanted(self.ifindex, self.address)
        self._asked_look_ns = now
        self._asked_looks += 1
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
        silence_ns = self.silence_ns
        if silence_ns >= self._departed_limit_ns():
            return True
        if not working:
            return False
        if self._acknowledged >= _ACKNOWLEDGED_IN_VAIN:
            return True
        if self._refused() and silence_ns >= self.patience.late_ns:
            return True
        return self._poked_in_vain() and silence_ns >= self._poked_limit_ns()

    def _poked_in_vain(self) -> bool:
        return self._pokes >= UNANSWERED and self._saw_effect()

    def _saw_effect(self) -> bool:
        """A look came so late that the last poke, had it drawn something, would have shown."""
        return self._look_ns >= self._poke_ns + _POKE_EFFECT_NS

    def _refused(self) -> bool:
        """As many probes as make a verdict were not answered."""
        return self._unanswered >= UNANSWERED + self.patience.lossy

    def _departed_limit_ns(self) -> int:
        if self._working and self._probing is Probing.GOOD and not self._dozes:
            return max(self.patience.departed_ns, DEPARTED_WHILE_PROBING * self.patience.cadence.ns)
        return self.patience.departed_ns

    def _poked_limit_ns(self) -> int:
        return max(POKED_MISSED * self.patience.cadence.ns, self.patience.late_ns)

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
            self._sides.established()
        elif self._working and not working:
            self._sides.lost(self.beacon.peers if self.beacon else None)
        self.plink, self.presence, self.reason = plink, presence, reason
        self._working, self.ids = working, ids

    def _prove(self, presence: Presence | None, proof: Proof) -> Evidence:
        if presence is Presence.PRESENT or presence is Presence.HEARD:
            return Evidence(proof=proof)
        if presence is None and proof is Proof.LOOK and self._pokes >= UNANSWERED:
            proof = Proof.POKE
        return Evidence(
            proof=proof,
            silence_ms=self.silence_ns // MS,
            missed=self.patience.missed(self.silence_ns),
            unanswered=self._unanswered or self._pokes or None,
        )

    # ---- what follows from evidence ---------------------------------------------------------

    def _live(self, life_ns: int, known_until_ns: int, hearing: Hearing) -> None:
        """A sign of life came; up to ``known_until_ns`` it is known when others came."""
        last_ns = life_ns if self.life_ns is None else self.life_ns
        if life_ns < last_ns:
            return
        self.reach.live(life_ns, last_ns, known_until_ns, self.patience.cadence.ns, hearing)
        if self._asked_probe_ns > last_ns or self._pokes:
            refused = self._refused() or self._poked_in_vain()
            self.patience.asked(hearing.between(last_ns, life_ns), refused)
        self.life_ns = life_ns
        self.silence_ns = self._unanswered = self._pokes = 0
        self.patience.returned()

    def _counts_no_peer(self) -> bool:
        return self.beacon is not None and self.beacon.peers == 0

    def _probe_gap_ns(self) -> int:
        shortest_ns, longest_ns = _PROBE_GAP_NS
        return min(max(self.patience.cadence.ns // 32, shortest_ns), longest_ns)

    def _link_ids(self) -> tuple[int, int] | None:
        """None: not established, or by a user-space peering manager, which keeps them."""
        station = self.station
        if station is None or not (station.llid or station.plid):
            return None
        return station.llid, station.plid


def _obstacle(theirs: Beacon, ours: Beacon | None) -> Reason | None:
    """Why the neighbor and we cannot peer (net/mac80211/mesh.c, mesh_matches_local)."""
    if ours is not None:
        if theirs.mesh_id != ours.mesh_id:
            return Reason.OTHER_MESH
        if theirs.authentication != ours.authentication:
            return Reason.SECURITY
        if (theirs.path_protocol, theirs.path_metric, theirs.congestion_control,
            theirs.synchronization) != (ours.path_protocol, ours.path_metric,
            ours.congestion_control, ours.synchronization):  # fmt: skip
            return Reason.INCOMPATIBLE
    return None if theirs.accepting else Reason.FULL
