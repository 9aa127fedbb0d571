"""One neighbor as the table keeps it: what is known, and how much of that may be told when.

News of one neighbor is told at once sixteen times on credit, and one more every ten seconds: a
link that bounces is held back then, as ``bouncing``, and what is told of it when its turn comes
is how it is at that time. Only that a neighbor is gone is never held back. Sixteen, as an arrival
takes up to six (the link, its addresses, names, services): who walks in and out again twice is
told of at once, as messages wait for it.

Anybody can send beacons in anybody's name. So what rests on nothing else has an account of its
own, of the same size, and costs the link's news nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from meshwatch.account import Account
from meshwatch.beyond import Beyond
from meshwatch.claimed import Claimed
from meshwatch.link import Link
from meshwatch.model import Change, Evidence, Key, Neighbor, Presence, Readings, Reason
from meshwatch.who import NOBODY

NEWS_BURST, NEWS_PERIOD_NS = 16, 10_000_000_000

PACE_NS = 1_000_000_000  # readings of one neighbor are published at most this often


class Spent(NamedTuple):
    """What a neighbor cost us."""

    news: Account
    hearsay: Account
    probes: Account

    def matters(self, now: int) -> bool:
        """Somebody new would have more credit."""
        return max(account.full_ns() for account in self) > now


class Entry:
    """What is known and published of one address, and what is due."""

    __slots__ = (
        "_hearsay",
        "_held",
        "_news",
        "_paced_ns",
        "_pending",
        "beyond",
        "claimed",
        "features",
        "key",
        "link",
        "queued_ns",
        "row",
        "who",
    )

    def __init__(self, ifindex: int, address: str, spent: Spent | None) -> None:
        self.key = Key("neighbor", ifindex, address)
        self.link = Link(ifindex, address, spent.probes if spent else None)
        self.beyond: Beyond | None = None
        self.claimed: Claimed | None = None  # only while there is a row
        self.who = NOBODY
        self.row: Neighbor | None = None  # as published
        self.features: tuple[object, ...] | None = None  # what was last told was drawn from these
        self.queued_ns: int | None = None  # the place in the agenda that counts
        self._news = spent.news if spent else Account(NEWS_BURST, NEWS_PERIOD_NS)
        self._hearsay = spent.hearsay if spent else Account(NEWS_BURST, NEWS_PERIOD_NS)
        self._held: Account | None = None  # there is news, to be told when this allows it
        self._pending: Readings | None = None  # newer than the row's, to be published in time
        self._paced_ns = 0  # when the row was last published

    @property
    def spent(self) -> Spent:
        """What it cost us up to now."""
        return Spent(self._news, self._hearsay, self.link.questions.account)

    def tell(self, new: Neighbor, now: int) -> Change | None:
        """Publish what differs from the row as it is now, if it may be told; else later."""
        old = self.row
        calmed = old is not None and old.bouncing and self._news.half_ns() <= now
        if (
            old is not None
            and not calmed
            and old == replace(new, readings=old.readings, bouncing=old.bouncing)
        ):
            self._held = None
            return self.drift(new.readings, now)
        account = self._hearsay if not calmed and _is_hearsay(old, new) else self._news
        gone = old is not None and _left(old, new)
        if not gone and account.ready_ns() > now:
            self._held = account
            if old is None or account is self._news:
                return None
            return self.drift(new.readings, now)
        account.spend(now)
        self._held = None
        bouncing = self._news.ready_ns() > now or bool(old and old.bouncing and not calmed)
        self.row = replace(new, bouncing=True) if bouncing else new
        self._pending, self._paced_ns = None, now
        return Change(self.key, old, self.row)

    @property
    def settled(self) -> bool:
        """The row is, but for readings, what was last told: no news is held back."""
        return self.row is not None and self._held is None and not self.row.bouncing

    def drift(self, readings: Readings, now: int) -> Change | None:
        """Publish readings newer than the row's, if it is time; else later."""
        assert self.row is not None
        self._pending = readings if readings != self.row.readings else None
        return self.pace(now)

    def withdraw(self, reason: Reason, evidence: Evidence) -> Change | None:
        """Take the row from the table; what is known stays."""
        old, self.row = self.row, None
        self._pending = self._held = None
        return Change(self.key, old, None, reason=reason, evidence=evidence) if old else None

    def pace(self, now: int) -> Change | None:
        """Publish the readings that waited for their turn, if that is all there is to tell."""
        old, pending = self.row, self._pending
        if old is None or pending is None or self._paced_ns + PACE_NS > now:
            return None
        if self._held is self._news or (old.bouncing and self._news.half_ns() <= now):
            return None
        self.row = replace(old, readings=pending)
        self._pending, self._paced_ns = None, now
        return Change(self.key, old, self.row, news=False)

    def due_ns(self) -> int | None:
        """When there is something to tell although nothing is observed."""
        if self._held is self._news:
            return self._news.ready_ns()
        due_ns = self._held.ready_ns() if self._held else None
        if self.row is None:
            return due_ns
        if self.row.bouncing:
            due_ns = _earlier(due_ns, self._news.half_ns())
        if self.claimed is not None:
            due_ns = _earlier(due_ns, self.claims_end_ns)
        return _earlier(due_ns, self._paced_ns + PACE_NS) if self._pending else due_ns

    @property
    def claims_end_ns(self) -> int | None:
        """When the next claim ends and that may be told; None: never, or something else waits."""
        if self.claimed is None or (ns := self.claimed.expires_ns) is None:
            return None
        return None if self._held is self._news else max(ns, self._news.ready_ns())


def _left(old: Neighbor, new: Neighbor) -> bool:
    return new.presence is Presence.HEARD and old.presence is not Presence.HEARD


def _is_hearsay(old: Neighbor | None, new: Neighbor) -> bool:
    """It rests on beacons alone: there was no link and is none, or nothing else differs."""
    if old is None:
        return new.presence is Presence.HEARD
    if old.presence is Presence.HEARD:
        return new.presence is Presence.HEARD and old.since_ns == new.since_ns
    return old == replace(
        new,
        readings=old.readings,
        bouncing=old.bouncing,
        mesh_id=old.mesh_id,
        accepting=old.accepting,
        one_sided=old.one_sided,
        gate=old.gate,
        authentication_server=old.authentication_server,
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
