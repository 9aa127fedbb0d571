"""Which interfaces nl80211 has, and which of them are watched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshwatch.look import INTERFACES
from meshwatch.observations import InterfaceSeen, LinkSeen
from meshwatch.pace import MS_NS, POLL_NS, Pace
from meshwatch.watched import Allowed, Queue, Watched

BURST_NS = (10 * MS_NS, 300 * MS_NS)
PERIOD_NS = 30_000 * MS_NS


class Interfaces:
    """All interfaces of nl80211, as of the last complete list of them.

    ``pace`` says when to ask for the next one; ``ready`` is what is to be asked now, of all.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._links: dict[int, LinkSeen] = {}  # what rtnetlink said outlives the list
        self.begin(0)

    def begin(self, now: int) -> None:
        """Nothing is known."""
        self.pace = Pace(now, burst_ns=BURST_NS, quick_span_ns=0)
        self.ready: Queue = {}
        self._granted = replace(self._allowed)  # until it is refused
        self.watched: dict[int, Watched] = {}
        self.known: frozenset[int] = frozenset()
        self._unseen: set[int] | None = None  # whose stations to look at until all is known
        self._settled = False

    def listed(self, found: Iterable[InterfaceSeen], now: int) -> list[int]:
        """A complete list; which of the watched interfaces are not in it."""
        self.known = frozenset(interface.ifindex for interface in found)
        watched = {seen.ifindex: seen for seen in found if seen.type is not None}
        for ifindex, seen in watched.items():
            if ifindex not in self.watched:
                self.watched[ifindex] = Watched(seen, now, self.ready, self._granted)
                self._set_period(ifindex)
            self.watched[ifindex].seen = seen
        self.pace.period_ns = PERIOD_NS if watched else None
        unseen = watched.keys() if self._unseen is None else self._unseen & watched.keys()
        self._unseen = set(unseen)
        return [ifindex for ifindex in self.watched if ifindex not in watched]

    def linked(self, link: LinkSeen, now: int) -> None:
        """rtnetlink described a device: a rename, a join or a leave is a reason to look."""
        last = self._links.get(link.ifindex)
        if link == last:
            return
        self._links[link.ifindex] = link
        if last is None or link.ifindex in self.known:
            self.pace.hint(now)
        if watched := self.watched.get(link.ifindex):
            self._set_period(link.ifindex)
            watched.pace.hint(now)

    def unlinked(self, ifindex: int) -> bool:
        """rtnetlink says that a device is gone; whether that is news."""
        return self._links.pop(ifindex, None) is not None

    def forget(self, ifindex: int) -> None:
        """This one is no more."""
        if self.watched.pop(ifindex, None) is not None:
            for look in [look for look in self.ready if look.ifindex == ifindex]:
                del self.ready[look]

    def due(self) -> int | None:
        """When ``wake`` has something to do."""
        dues = [self.pace.due(), *(watched.due() for watched in self.watched.values())]
        return min((due for due in dues if due is not None), default=None)

    def wake(self, now: int) -> None:
        """Queue what is due."""
        if self.pace.is_due(now):
            self.pace.take(now)
            self.ready[INTERFACES] = None
        for watched in self.watched.values():
            watched.wake(now)

    def hint_all(self, now: int) -> None:
        """Anything may have changed."""
        self.pace.hint(now)
        for watched in self.watched.values():
            watched.pace.hint(now)

    def settles(self, ifindex: int = 0) -> bool:
        """The stations of this interface are known (0: the list is); whether, for the first
        time, all is."""
        if self._unseen is None or self._settled:
            return False
        self._unseen.discard(ifindex)
        self._settled = not self._unseen
        return self._settled

    def _set_period(self, ifindex: int) -> None:
        link = self._links.get(ifindex)
        runs = link is None or (link.up and link.running)
        self.watched[ifindex].pace.period_ns = POLL_NS if runs else None
