"""How long a table may disagree with the air."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(B?)")


@dataclass(frozen=True, order=True)
class Bound:
    """A length of time: some of the neighbor's beacon intervals and some seconds."""

    intervals: float
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Bound:
        """From a sum such as `8B+1.5` (B is a beacon interval). ValueError if it is none."""
        intervals = seconds = 0.0
        for term in text.replace(" ", "").split("+"):
            found = _TERM.fullmatch(term)
            if found is None:
                raise ValueError(f"{text!r} is not a bound such as 1.5 or 8B+1.5")
            if found[2]:
                intervals += float(found[1])
            else:
                seconds += float(found[1])
        return cls(intervals, seconds)

    def ns(self, interval_ns: int) -> int:
        """In nanoseconds, for a neighbor with this beacon interval."""
        return round(self.intervals * interval_ns + self.seconds * 1e9)


@dataclass(frozen=True)
class Bounds:
    """One bound for each kind of disagreement.

    ``vanished``: who had a link is off the air. ``forgotten``: who had none is. ``ahead``: the
    table changed before the air did. ``unfounded``: the table changed although nothing on the air
    had, and the air did not follow. ``bouncing``: how much longer it may take to tell that a link
    is there of a neighbor that the table called bouncing: its news is held back.
    """

    established: Bound = Bound(0, 1.5)
    returned: Bound = Bound(0, 1.5)
    closed: Bound = Bound(0, 1.5)
    vanished: Bound = Bound(8, 1.5)
    forgotten: Bound = Bound(8, 1.5)
    ahead: Bound = Bound(0, 0.1)
    unfounded: Bound = Bound(0, 0)
    bouncing: Bound = Bound(0, 10)

    def but(self, **bounds: Bound) -> Bounds:
        """The same with these kinds' bounds."""
        return replace(self, **bounds)

    def later(self, seconds: float) -> Bounds:
        """The same, with so much more time for the table to follow the air."""
        follows = ("established", "returned", "closed", "vanished", "forgotten")
        bounds = {kind: getattr(self, kind) for kind in follows}
        return self.but(**{k: replace(b, seconds=b.seconds + seconds) for k, b in bounds.items()})

    def with_(self, setting: str) -> Bounds:
        """The same with one `KIND=BOUND`. ValueError if it is none."""
        kind, equals, text = setting.partition("=")
        kinds = [field.name for field in fields(self)]
        if not equals or kind not in kinds:
            raise ValueError(f"{setting!r} is not KIND=BOUND, KIND one of {', '.join(kinds)}")
        return replace(self, **{kind: Bound.parse(text)})

    def ns(self, kind: str, interval_ns: int) -> int:
        """The bound of a kind for a neighbor with this beacon interval, in nanoseconds."""
        bound: Bound = getattr(self, kind)
        return bound.ns(interval_ns)
