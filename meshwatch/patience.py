"""How long a neighbor may be silent before that means something: its own beacons decide.

Silence is counted in beacons that should have come. How many in a row are late, quiet, a
departure follows from how often this neighbor's get lost (:mod:`meshwatch.loss`) and from how
often a verdict may be wrong.
"""

from __future__ import annotations

from meshwatch.cadence import Cadence
from meshwatch.doubt import Doubt
from meshwatch.loss import Loss

_SECOND_NS = 1_000_000_000

#: How often a verdict may be wrong: a look or a probe that would not have been necessary, a
#: departure that was none, and one although probes were asked. That a neighbor is called quiet
#: goes by its beacons, not by the clock.
LATE_PER_NS = 1.5 / (60 * _SECOND_NS)
DEPARTED_PER_NS = 1.2 / (86_400 * _SECOND_NS)
REFUSED_PER_NS = 0.5 / (86_400 * _SECOND_NS)
#: With probes to decide it, mere silence decides only when they cannot be afforded.
UNASKED_PER_NS = 0.5 / (365 * 86_400 * _SECOND_NS)
QUIET_PER_BEACON = 1 / 2000

#: Bounds of the numbers that follow. Any link may turn out to lose one in five from now on.
QUIET_LEAST, DEPARTED_LEAST, MOST_MISSED = 2, 7, 32
MOST_NS = 30 * _SECOND_NS  # if that is more than so many beacons

_LEARNED_EVERY = 32  # beacons heard between two reckonings


class Patience:
    """One neighbor's limits, in nanoseconds of silence."""

    __slots__ = (
        "_doubt",
        "_due",
        "_loss",
        "_unsettled",
        "cadence",
        "departed_ns",
        "late_ns",
        "quiet_ns",
        "unasked_ns",
    )

    def __init__(self) -> None:
        self.cadence = Cadence()
        self._loss = Loss()
        self._doubt: Doubt | None = None  # it was never asked
        self.late_ns = self.quiet_ns = self.departed_ns = self.unasked_ns = 0
        self._due = 0
        self._unsettled = 0  # beacons missed in the silence under way
        self.learn()

    @property
    def loss_percent(self) -> int | None:
        """Of its beacons, as of late."""
        return self._loss.percent

    @property
    def lossy(self) -> bool:
        """One late beacon means nothing."""
        return self.late_ns > 2 * self.cadence.ns

    def claim(self, interval_tu: int, now: int) -> None:
        """A beacon in the neighbor's name says this interval."""
        tu = self.cadence.tu
        self.cadence.claim(interval_tu, now)
        self._adapt(tu)

    def live(self, life_ns: int, frames: int, silence_ns: int) -> None:
        """A sign of life that the kernel dated: see :meth:`Cadence.live`."""
        tu = self.cadence.tu
        self.cadence.live(life_ns, frames, silence_ns)
        self._adapt(tu)

    def missed(self, silence_ns: int) -> int:
        """How many beacons should have come; up to a quarter of an interval is not yet missed."""
        interval_ns = self.cadence.ns
        return max(0, (silence_ns - interval_ns // 4) // interval_ns)

    def beacon_after(self, span_ns: int) -> None:
        """Two beacons were heard so far apart, and none between them."""
        interval_ns = self.cadence.ns
        missed = (span_ns + interval_ns // 2) // interval_ns - 1
        if 0 <= missed < self._most_missed:  # else it was away
            self._loss.heard_after(missed)
            self._note(missed)

    def looked_after(self, silence_ns: int) -> None:
        """At a look, the last sign of life was so old; a silence counts when it has ended."""
        missed = self.missed(silence_ns)
        if missed:
            self._unsettled = max(missed, self._unsettled)
        else:
            self._loss.heard_after(0)
            self._note(0)

    def returned(self) -> None:
        """A sign of life ended a silence."""
        missed, self._unsettled = self._unsettled, 0
        if 0 < missed < self._most_missed:  # else it was away
            self._loss.heard_after(missed)
            self._note(missed)

    def asked(self, silence_ns: int, unanswered: bool) -> None:
        """Such a silence ended in which it was probed or poked; ``unanswered``: as often in vain
        as makes a verdict."""
        if self.missed(silence_ns) < self._most_missed:  # else it was away
            self._doubt = self._doubt or Doubt()
            self._doubt.ended(unanswered)
            if unanswered:
                self.learn()

    def learn(self) -> None:
        """Reckon anew."""
        self._due = 0
        loss, interval_ns = self._loss, self.cadence.ns
        late = loss.unusual(LATE_PER_NS * interval_ns)
        departed = max(DEPARTED_LEAST, loss.unusual(DEPARTED_PER_NS * interval_ns))
        unasked = max(departed, loss.unusual(UNASKED_PER_NS * interval_ns))
        quiet = max(QUIET_LEAST, late, loss.unusual(QUIET_PER_BEACON))
        if self._doubt and self._doubt.share:  # that long a silence, and then no answer
            late = max(late, loss.unusual(REFUSED_PER_NS * interval_ns / self._doubt.share))
        self.late_ns, self.quiet_ns, self.departed_ns, self.unasked_ns = (
            min(missed, self._most_missed) * interval_ns + interval_ns // 4
            for missed in (late, min(quiet, departed - 1), departed, unasked)
        )

    @property
    def _most_missed(self) -> int:
        return max(MOST_MISSED, MOST_NS // self.cadence.ns)

    def _adapt(self, tu: int) -> None:
        """The limits are counted in intervals: of another one they mean something else."""
        if self.cadence.tu != tu:
            self.learn()

    def _note(self, missed: int) -> None:
        self._due += 1
        if missed or self._due >= _LEARNED_EVERY:
            self.learn()
