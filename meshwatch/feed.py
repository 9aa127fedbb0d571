"""A snapshot, then changes, then, for the slow, a snapshot again.

Changes are kept in two rings, one of everything and one of news alone, and a subscription is no
more than a cursor in one of them: publishing costs the same for one subscriber and a thousand.
A subscriber that falls behind by a whole ring is not mended but starts over with a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from meshwatch.model import Change, Row


class Snapshot(Struct, frozen=True):
    """Everything there is; it replaces whatever the subscriber knew."""

    rows: tuple[Row, ...]


class _Ring:
    """The newest changes, numbered from 0, and the subscriptions that have read them all."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._slots: list[Change | None] = [None] * depth
        self.end = 0  # number of the next change
        self.waiting: dict[Subscription, None] = {}  # in the order in which they began to wait

    def append(self, change: Change) -> None:
        self._slots[self.end % self._depth] = change
        self.end += 1

    def get(self, number: int) -> Change | None:
        """None: overwritten since."""
        if number < self.end - self._depth:
            return None
        return self._slots[number % self._depth]

    def wake(self) -> None:
        # Taken out first, so that a subscriber may take, wait, come or go while it is woken.
        waiting, self.waiting = self.waiting, {}
        for subscription in waiting:
            if not subscription.closed:
                subscription.wake()


class Feed:
    """Hands changes on to any number of subscribers, each at its own pace.

    ``snapshot`` must reflect exactly what was published: publish the changes of the table
    before anything else runs. Nothing is handed out before :meth:`open`.
    """

    def __init__(self, snapshot: Callable[[], tuple[Row, ...]], depth: int = 256) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._table = snapshot
        self._all = _Ring(depth)
        self._news = _Ring(depth)
        self._snapshot: Snapshot | None = None
        self._snapshot_end = 0
        self.is_open = False

    def open(self) -> None:
        """The table is complete: whoever subscribed gets a snapshot now."""
        if not self.is_open:
            self.is_open = True
            self._all.wake()
            self._news.wake()

    def publish(self, changes: Sequence[Change]) -> None:
        """Hand on changes, in order; who waits is woken once, after the last."""
        all_end, news_end = self._all.end, self._news.end
        for change in changes:
            self._all.append(change)
            if change.news:
                self._news.append(change)
        if self.is_open and self._all.end > all_end:
            self._all.wake()
        if self.is_open and self._news.end > news_end:
            self._news.wake()

    def subscribe(self, *, readings: bool, wake: Callable[[], None]) -> Subscription:
        """A new subscription, to changes of readings as well or to news alone.

        ``wake`` is called when there is something to take again after ``take`` had returned
        None, once. On an open feed there is something at once, of which nobody is told.
        """
        ring = self._all if readings else self._news
        subscription = Subscription(self, ring, wake)
        if not self.is_open:
            ring.waiting[subscription] = None
        return subscription

    def snapshot(self) -> Snapshot:
        """Everything published so far; made once for all who ask between two changes."""
        if self._snapshot is None or self._snapshot_end != self._all.end:
            self._snapshot = Snapshot(self._table())
            self._snapshot_end = self._all.end
        return self._snapshot


class Subscription:
    """One subscriber's place in a feed."""

    def __init__(self, feed: Feed, ring: _Ring, wake: Callable[[], None]) -> None:
        self._feed = feed
        self._ring = ring
        self._next: int | None = None  # None: a snapshot is due
        self.closed = False
        self.wake = wake

    def take(self) -> Snapshot | Change | None:
        """The next thing to know: first a snapshot, then changes; None: nothing for now.

        A snapshot that comes later replaces everything: the subscriber was too slow.
        """
        if self.closed:
            return None
        if not self._feed.is_open or self._next == self._ring.end:
            self._ring.waiting[self] = None
            return None
        change = None if self._next is None else self._ring.get(self._next)
        if change is None:
            self._next = self._ring.end
            return self._feed.snapshot()
        assert self._next is not None
        self._next += 1
        return change

    def close(self) -> None:
        """Nothing is handed out and nobody woken any more."""
        self.closed = True
        self._ring.waiting.pop(self, None)
