"""How long a neighbor may be silent before that means something: its own beacons decide.

Silence is counted in beacons that should have come. How many in a row are late, quiet, a
departure follows from how often this neighbor's get lost (:mod:`meshwatch.loss`) and from how
often a verdict may be wrong.
"""

from __future__ import annotations

from meshwatch.cadence import Cadence
from meshwatch.loss import Loss

_SECOND_NS = 1_000_000_000

#: How often a verdict may be wrong: a look or a probe that would not have been necessary, and a
#: departure that was none. That a neighbor is called quiet goes by its beacons, not by the clock.
LATE_PER_NS = 1.5 / (60 * _SECOND_NS)
DEPARTED_PER_NS = 2 / (86_400 * _SECOND_NS)
QUIET_PER_BEACON = 1 / 2000

#: Bounds of the numbers that follow. Any link may turn out to lose one in five from now on.
QUIET_LEAST, DEPARTED_LEAST, MOST_MISSED = 2, 7, 32
#: With probes to decide it, mere silence decides only when they cannot be afforded.
DEPARTED_WHILE_PROBING = 24

_LEARNED_EVERY = 32  # beacons heard between two reckonings


class Patience:
    """One neighbor's limits, in nanoseconds of silence."""

    __slots__ = ("_due", "_loss", "_unsettled", "cadence", "departed_ns", "late_ns", "quiet_ns")

    def __init__(self) -> None:
        self.cadence = Cadence()
        self._loss = Loss()
        self.late_ns = self.quiet_ns = self.departed_ns = 0
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

    def missed(self, silence_ns: int) -> int:
        """How many beacons should have come; up to a quarter of an interval is not yet missed."""
        interval_ns = self.cadence.ns
        return max(0, (silence_ns - interval_ns // 4) // interval_ns)

    def beacon_after(self, span_ns: int) -> None:
        """Two beacons were heard so far apart, and none between them."""
        interval_ns = self.cadence.ns
        missed = (span_ns + interval_ns // 2) // interval_ns - 1
        if 0 <= missed < MOST_MISSED:  # else it was away
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

    def returned(self, away: bool) -> None:
        """A sign of life ended a silence, which was no loss of beacons if it was ``away``."""
        missed, self._unsettled = self._unsettled, 0
        if missed and not away:
            self._loss.heard_after(missed)
            self._note(missed)

    def learn(self) -> None:
        """Reckon anew."""
        self._due = 0
        loss, interval_ns = self._loss, self.cadence.ns
        late = loss.unusual(LATE_PER_NS * interval_ns)
        departed = max(DEPARTED_LEAST, loss.unusual(DEPARTED_PER_NS * interval_ns))
        quiet = max(QUIET_LEAST, late, loss.unusual(QUIET_PER_BEACON))
        self.late_ns, self.quiet_ns, self.departed_ns = (
            min(missed, MOST_MISSED) * interval_ns + interval_ns // 4
            for missed in (late, min(quiet, departed - 1), departed)
        )

    def _note(self, missed: int) -> None:
        self._due += 1
        if missed or self._due >= _LEARNED_EVERY:
            self.learn()
