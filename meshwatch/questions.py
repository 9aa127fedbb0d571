"""What is asked about one neighbor, and when; what was asked in vain, and when that is enough.

There are three ways to ask: to look at its station entry, to send it a link probe, and to hope
that an agent pokes it, which shows at a look. Nobody has to answer. Probes are paid from an
account, and a verdict is never guessed because it is empty, only put off.
"""

from __future__ import annotations

from meshwatch.account import Account
from meshwatch.means import Means, Probing
from meshwatch.patience import Patience

MS = 1_000_000  # ns

UNANSWERED = 3  # probes or pokes that drew nothing make a departure, of a lossy neighbor one more
POKED_MISSED = 3  # but pokes prove nothing, so as many beacons must be missing too
PROBE_BURST, PROBE_PERIOD_NS = 8, 60_000 * MS

_PROBE_GAP_NS = 10 * MS, 40 * MS  # between probes: a 32nd of the interval within these bounds
_POKE_EFFECT_NS = 30 * MS  # by then it shows in the station entry
_TICK_NS = 6 * MS  # the kernel counts inactivity in jiffies, of 1 to 10 ms, mostly 4
_ASKED_IN_VAIN = 5
_LOOK_ANSWER_NS, _PROBE_ANSWER_NS = 200 * MS, 250 * MS
_LOOK_GAP_NS = 40 * MS  # after one that was answered


class Questions:
    """The questions about one neighbor.

    ``ask_ns`` is when there is something to ask (:meth:`ask`), None: never, as things are.
    ``wants_probe``: that is a probe, else a look.
    """

    __slots__ = (
        "_asked_look_ns", "_asked_looks", "_asked_probe_ns", "_dozes", "_look_ns", "_patience",
        "_poke_ns", "_probe_open", "_probing", "_put_off", "account", "ask_ns", "pokes",
        "unanswered", "wants_probe",
    )  # fmt: skip

    def __init__(self, patience: Patience, account: Account) -> None:
        self.account = account
        self.ask_ns: int | None = None
        self.wants_probe = False
        self.unanswered = 0  # since the last sign of life: probes, and looks that showed failures
        self.pokes = 0  # since the last sign of life
        self._patience = patience
        self._probing = Probing.TRY
        self._dozes = False  # a sleeping radio acknowledges nothing, and is there all the same
        self._probe_open = False
        self._put_off = False  # a probe, since those of all neighbors together are spent
        self._look_ns = self._poke_ns = 0
        self._asked_looks = self._asked_look_ns = self._asked_probe_ns = 0

    # ---- what came of it --------------------------------------------------------------------

    @property
    def looking(self) -> bool:
        """A look was asked for and has not come."""
        return self._asked_looks > 0

    def looked(self, now: int, failed: bool, dozes: bool) -> None:
        """A look came; ``failed``: since the last one, frames to the neighbor did. How many says
        no more than that: what is sent as one aggregate is lost together."""
        self._look_ns, self._asked_looks = now, 0
        self._dozes = dozes
        # It may be the probe that failed, and be told of in a moment.
        waits = self._probe_open and now - self._asked_probe_ns < _PROBE_ANSWER_NS
        self.unanswered += failed and not waits

    def probed(self, acknowledged: bool, now: int) -> None:
        """A probe came to its end."""
        self._asked_probe_ns, self._probe_open = now, False
        self.unanswered += not acknowledged

    def poked(self, now: int) -> None:
        """An agent sent a datagram; what it drew shows in the station entry, a moment later."""
        if not self._dozes:
            self.pokes += 1
            self._poke_ns = now

    def ended(self, since_ns: int, silence_ns: int) -> None:
        """A sign of life ended a silence that began at ``since_ns``."""
        if self._asked_probe_ns > since_ns or self.pokes:
            self._patience.asked(silence_ns, self._refused() or self._poked_in_vain())
        self.unanswered = self.pokes = 0

    # ---- whether it is enough ---------------------------------------------------------------

    def is_enough(self, silence_ns: int) -> bool:
        """What was asked in vain makes a departure of this silence."""
        if self._refused() and silence_ns >= self._patience.late_ns:
            return True
        return self._poked_in_vain() and silence_ns >= self._poked_limit_ns()

    def departed_limit_ns(self, working: bool) -> int:
        """Which silence is enough by itself."""
        if working and self._probing is Probing.GOOD and not self._dozes and not self._put_off:
            return self._patience.unasked_ns
        return self._patience.departed_ns

    def _refused(self) -> bool:
        """As many probes as make a verdict were not answered."""
        return self.unanswered >= UNANSWERED + self._patience.lossy

    def _poked_in_vain(self) -> bool:
        return self.pokes >= UNANSWERED and self._saw_effect()

    def _saw_effect(self) -> bool:
        """A look came so late that the last poke, had it drawn something, would have shown."""
        return self._look_ns >= self._poke_ns + _POKE_EFFECT_NS

    def _poked_limit_ns(self) -> int:
        return max(POKED_MISSED * self._patience.cadence.ns, self._patience.late_ns)

    # ---- what to ask next -------------------------------------------------------------------

    def rest(self, now: int, means: Means) -> None:
        """There is nothing to ask."""
        self._probing = means.probing(now)
        self._put_off = self.wants_probe = False
        self.ask_ns = None

    def plan_look(self, now: int) -> None:
        """A look at once; nobody has to answer, so ask ever later."""
        if self._asked_looks < _ASKED_IN_VAIN:
            self.ask_ns = max(now, self._look_again_ns())

    def plan(self, now: int, heard_ns: int, silence_ns: int, pokes: bool, paid_ns: int) -> None:
        """What would decide about a silence since ``heard_ns``, of which ``silence_ns`` are known;
        ``pokes``: an agent may be reckoned with; ``paid_ns``: when the account of all neighbors
        allows a probe. If that is later, many fell silent at once, and silence may decide alone."""
        limit_ns = self._probing_limit_ns()
        probes = self._probing is not Probing.NEVER and not self._dozes and silence_ns >= limit_ns
        self._put_off = probes and paid_ns > now
        if self._asked_looks < _ASKED_IN_VAIN:
            if pokes and self.pokes and not self._saw_effect():
                look_ns = self._poke_ns + _POKE_EFFECT_NS
            else:
                look_ns = heard_ns + self._next_limit_ns(silence_ns, pokes) + _TICK_NS
            self.ask_ns = max(now, look_ns, self._look_again_ns())
        if probes:
            wait_ns = _PROBE_ANSWER_NS if self._probe_open else self._probe_gap_ns()
            own_ns = self._paid_ns(heard_ns + limit_ns)
            self._plan_probe(max(now, self._asked_probe_ns + wait_ns, own_ns, paid_ns))

    def plan_trial(self, now: int, paid_ns: int) -> None:
        """A probe at once, of a neighbor who would answer."""
        if not self._dozes:
            self._plan_probe(max(now, self.account.ready_ns(), paid_ns))

    def _plan_probe(self, ready_ns: int) -> None:
        if self.ask_ns is None or ready_ns <= self.ask_ns:
            self.wants_probe = True
            self.ask_ns = ready_ns

    def ask(self, now: int) -> None:
        """It is asked now; then plan anew."""
        if self.wants_probe:
            self._asked_probe_ns, self._probe_open = now, True
            self.account.spend(now)
        else:
            self._asked_look_ns = now
            self._asked_looks += 1

    def _next_limit_ns(self, silence_ns: int, pokes: bool) -> int:
        """At which silence a look would decide something next."""
        patience = self._patience
        probing = self._probing is Probing.GOOD and not self._dozes
        if probing and silence_ns < patience.late_ns:
            return patience.late_ns
        if pokes:
            if silence_ns < patience.quiet_ns:
                return patience.quiet_ns
            if self.pokes >= UNANSWERED:
                return min(self._poked_limit_ns(), patience.departed_ns)
        return self.departed_limit_ns(working=True)

    def _probing_limit_ns(self) -> int:
        """Where nobody is known to answer probes, only what is unusual is worth one."""
        if self._probing is Probing.GOOD:
            return self._patience.late_ns
        return max(self._patience.late_ns, self._patience.quiet_ns)

    def _paid_ns(self, limit_ns: int) -> int:
        """When the account allows a probe: on credit, if it is not the first or a beacon more is
        missing, for a verdict that is put off until the account is full comes far too late."""
        if self.unanswered:
            return 0
        later_ns = limit_ns + self._patience.cadence.ns
        return min(self.account.ready_ns(), max(later_ns, self.account.owing_ns()))

    def _look_again_ns(self) -> int:
        if not self._asked_looks:
            return self._asked_look_ns + _LOOK_GAP_NS
        return self._asked_look_ns + (_LOOK_ANSWER_NS << self._asked_looks - 1)

    def _probe_gap_ns(self) -> int:
        shortest_ns, longest_ns = _PROBE_GAP_NS
        return min(max(self._patience.cadence.ns // 32, shortest_ns), longest_ns)
