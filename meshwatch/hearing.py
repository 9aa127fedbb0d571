"""When we could hear: spans in which we were deaf count for nobody's silence."""

from __future__ import annotations

_MOST_SPANS = 16


class Hearing:
    """The ears of one radio: deaf while it is away from its channel, while we sleep, when
    our sockets overran."""

    __slots__ = ("_left_ns", "_spans", "_until_ns")

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []  # apart, ascending
        self._until_ns = -1
        self._left_ns: int | None = None

    def deaf(self, since_ns: int, until_ns: int) -> None:
        """We could not hear between these two times; ``until_ns`` never decreases."""
        if since_ns >= until_ns:
            return
        while self._spans and since_ns <= self._spans[-1][1]:
            since_ns = min(since_ns, self._spans.pop()[0])
        self._spans = [*self._spans[-_MOST_SPANS:], (since_ns, until_ns)]
        self._until_ns = until_ns

    def move(self, away: bool, now: int) -> None:
        """The radio left its channel, or came back."""
        if away and self._left_ns is None:
            self._left_ns = now
        elif not away and self._left_ns is not None:
            since_ns, self._left_ns = self._left_ns, None
            self.deaf(since_ns, now)

    @property
    def away(self) -> bool:
        """The radio is away from its channel."""
        return self._left_ns is not None

    def between(self, start_ns: int, end_ns: int) -> int:
        """For how many nanoseconds of this span we could hear."""
        if self._left_ns is not None and end_ns > self._left_ns:
            end_ns = max(start_ns, self._left_ns)
        if start_ns >= self._until_ns:
            return end_ns - start_ns
        deaf = (min(end_ns, until) - max(start_ns, since) for since, until in self._spans)
        return end_ns - start_ns - sum(max(0, span_ns) for span_ns in deaf)
