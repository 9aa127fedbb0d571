"""What there is, what the bus was told of it, and so what to tell next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from meshwatch.bus.contract import Manager, Subject, path
from meshwatch.model import Change, Evidence, Interface, Key, Neighbor, Reason, Row, Source

# A parent is told before its children, and withdrawn after them.
ORDER: tuple[type[Subject], ...] = (Manager, Interface, Neighbor)


class Saying(NamedTuple):
    """One thing to tell: ``old`` None: an object was added. ``new`` None: one was removed."""

    old: Subject | None
    new: Subject | None
    reason: str  # of a removal; "" if it went by unnoticed
    evidence: Evidence | None = None  # of a removal


class Mirror:
    """The rows as objects on the bus, by path.

    Of any number of changes to an object only the last state is kept, and that it was removed in
    between: so what waits to be told never exceeds the table, however long the bus stands still.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._failures: dict[str, str] = {}
        self._at: dict[Key, str] = {}
        self._now: dict[str, Subject] = {}
        self._told: dict[str, Subject] = {}
        self._changed = {kind: OrderedDict[str, None]() for kind in ORDER}
        self._leaving = {kind: OrderedDict[str, Saying]() for kind in ORDER}
        self._put(Manager(version, {}))

    def reset(self, rows: Iterable[Row]) -> None:
        """A snapshot came: whatever it lacks is gone, for a reason nobody knows any more."""
        rows = tuple(rows)
        self._failures = {
            row.source: row.failure for row in rows if isinstance(row, Source) and row.failure
        }
        subjects = {row.key: row for row in rows if not isinstance(row, Source)}
        for key in self._at.keys() - subjects.keys():
            if key.kind != "manager":
                self._drop(key, "")
        for subject in subjects.values():
            self._put(subject)
        self._put(Manager(self._version, dict(self._failures)))

    def apply(self, change: Change) -> None:
        """One change came; readings alone are nobody's news."""
        if not change.news:
            return
        if change.key.kind == "source":
            self._failures.pop(change.key.name, None)
            if isinstance(change.new, Source) and change.new.failure:
                self._failures[change.key.name] = change.new.failure
            self._put(Manager(self._version, dict(self._failures)))
        elif change.new is None:
            self._drop(change.key, change.reason or "", change.evidence)
        elif not isinstance(change.new, Source):
            self._put(change.new)

    def settle(self) -> None:
        """Who listens from now on asks for everything first: there is nothing to tell."""
        self._told = dict(self._now)
        for kind in ORDER:
            self._changed[kind].clear()
            self._leaving[kind].clear()

    @property
    def pending(self) -> bool:
        """Whether ``next`` has something to tell."""
        return any(self._leaving.values()) or any(self._changed.values())

    def next(self) -> Saying | None:
        """Take the next thing to tell; removals first, so that a path is free before its reuse."""
        for kind in reversed(ORDER):
            if self._leaving[kind]:
                return self._leaving[kind].popitem(last=False)[1]
        for kind in ORDER:
            if self._changed[kind]:
                where, _ = self._changed[kind].popitem(last=False)
                old, new = self._told.get(where), self._now[where]
                self._told[where] = new
                return Saying(old, new, "")
        return None

    def find(self, where: str) -> Subject | None:
        """The subject at an object path."""
        return self._now.get(where)

    def subjects(self) -> Iterator[tuple[str, Subject]]:
        """All object paths and their subjects."""
        return iter(self._now.items())

    def _put(self, subject: Subject) -> None:
        where = path(subject)
        if self._at.get(subject.key, where) != where:
            # The kernel renamed the interface: for the bus the old object was removed,
            self._drop(subject.key, Reason.INTERFACE_REMOVED)
        holder = self._now.get(where)
        if holder is not None and holder.key != subject.key:
            # and so was whoever had the name before, as we shall hear.
            self._drop(holder.key, Reason.INTERFACE_REMOVED)
        self._at[subject.key] = where
        self._now[where] = subject
        self._changed[type(subject)][where] = None

    def _drop(self, key: Key, reason: str, evidence: Evidence | None = None) -> None:
        where = self._at.pop(key, None)
        if where is None:
            return
        gone = self._now.pop(where)
        self._changed[type(gone)].pop(where, None)
        told = self._told.pop(where, None)
        if told is not None:
            self._leaving[type(told)][where] = Saying(told, None, reason, evidence)
