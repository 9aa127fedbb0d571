"""One neighbor as the table keeps it: what is known, and how much of that may be told when.

News of one neighbor is told at once sixteen times on credit, and one more every ten seconds: a
link that bounces is held back then, as ``bouncing``, and what is told of it when its turn comes
is how it is at that time. Only that a neighbor is gone is never held back.
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
    probes: Account

    def matters(self, now: int) -> bool:
        """Somebody new would have more credit."""
        return max(self.news.full_ns(), self.probes.full_ns()) > now


class Entry:
    """What is known and published of one address, and what is due."""

    __slots__ = (
        "_account",
        "_held",
        "_paced_ns",
        "_pending",
        "beyond",
        "claimed",
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
        self.queued_ns: int | None = None  # the place in the agenda that counts
        self._account = spent.news if spent else Account(NEWS_BURST, NEWS_PERIOD_NS)
        self._held = False  # there is news, to be told when the account allows it
        self._pending: Readings | None = None  # newer than the row's, to be published in time
        self._paced_ns = 0  # when the row was last published

    @property
    def spent(self) -> Spent:
        """What it cost us up to now."""
        return Spent(self._account, self.link.questions.account)

    def tell(self, new: Neighbor, now: int) -> Change | None:
        """Publish what differs from the row as it is now, if it may be told; else later."""
        old = self.row
        calmed = old is not None and old.bouncing and self._account.half_ns() <= now
        if (
            old is not None
            and not calmed
            and old == replace(new, readings=old.readings, bouncing=old.bouncing)
        ):
            self._held = False
            self._pending = new.readings if new.readings != old.readings else None
            return self.pace(now)
        gone = old is not None and _left(old, new)
        if not gone and self._account.ready_ns() > now:
            self._held = True
            return None
        self._account.spend(now)
        self._held = False
        bouncing = self._account.ready_ns() > now or bool(old and old.bouncing and not calmed)
        self.row = replace(new, bouncing=True) if bouncing else new
        self._pending, self._paced_ns = None, now
        return Change(self.key, old, self.row)

    def withdraw(self, reason: Reason, evidence: Evidence) -> Change | None:
        """Take the row from the table; what is known stays."""
        old, self.row = self.row, None
        self._pending = None
        self._held = False
        return Change(self.key, old, None, reason=reason, evidence=evidence) if old else None

    def pace(self, now: int) -> Change | None:
        """Publish the readings that waited for their turn, if that is all there is to tell."""
        old, pending = self.row, self._pending
        if old is None or pending is None or self._paced_ns + PACE_NS > now:
            return None
        if self._held or (old.bouncing and self._account.half_ns() <= now):
            return None
        self.row = replace(old, readings=pending)
        self._pending, self._paced_ns = None, now
        return Change(self.key, old, self.row, news=False)

    def due_ns(self) -> int | None:
        """When there is something to tell although nothing is observed."""
        if self._held:
            due_ns: int | None = self._account.ready_ns()
        elif self.row is not None and self.row.bouncing:
            due_ns = self._account.half_ns()
        else:
            due_ns = None
        if self.claimed is not None:
            ends_ns = self.claims_end_ns
            due_ns = ends_ns if due_ns is None else min(due_ns, ends_ns or due_ns)
        if self._pending is None or self.row is None or self._held:
            return due_ns
        paced_ns = self._paced_ns + PACE_NS
        return paced_ns if due_ns is None else min(due_ns, paced_ns)

    @property
    def claims_end_ns(self) -> int | None:
        """When the next claim ends and that may be told; None: never, or something else waits."""
        if self.claimed is None or self._held or (ns := self.claimed.expires_ns) is None:
            return None
        return max(ns, self._account.ready_ns())


def _left(old: Neighbor, new: Neighbor) -> bool:
    return new.presence is Presence.HEARD and old.presence is not Presence.HEARD
