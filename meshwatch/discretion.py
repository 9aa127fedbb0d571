"""Which comings and goings are worth a desktop notification: few, and of whom one knows.

What counts is what the user was last told: a notice is due when that is not true any more. So
whoever comes and goes within a moment is no news, and whoever is not told of in time is told of
later, if it is still true.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

GATHER_NS = 2_000_000_000  # a class that comes in together makes one notice
PERIOD_NS = 600_000_000_000  # between two notices of one neighbor

_MOST_NAMED = 2  # in one notice; the others are counted


class Acquaintance(NamedTuple):
    """A neighbor as the user may know it; ``label`` None: by no name."""

    key: str
    label: str | None
    near: bool
    favourite: bool = False


class Notice(NamedTuple):
    """One thing to say."""

    near: bool
    labels: tuple[str, ...]

    @property
    def text(self) -> str:
        """In words: "Ana, Ben and 3 others have left"."""
        named, others = self.labels, 0
        if len(named) > _MOST_NAMED + 1:
            named, others = named[:_MOST_NAMED], len(named) - _MOST_NAMED
        parts = [*named, *([f"{others} others"] if others else [])]
        who = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
        verb = (
            ("are" if self.near else "have") if len(parts) > 1 else ("is" if self.near else "has")
        )
        return f"{who} {verb} {'near' if self.near else 'left'}"


class _Known:
    """What is so, and what the user was told."""

    __slots__ = ("changed_ns", "now_is", "told_near", "told_ns")

    def __init__(self, now_is: Acquaintance, now: int) -> None:
        self.now_is = now_is
        self.told_near = False
        self.told_ns: int | None = None
        self.changed_ns = now


class Discretion:
    """Makes notices; ``now`` is in nanoseconds on CLOCK_MONOTONIC.

    A neighbor is worth one if it has a name, with ``favourites_only`` if it is a favourite, and
    not more than one in ten minutes.
    """

    def __init__(self, *, favourites_only: bool = False) -> None:
        self._favourites_only = favourites_only
        self._known: dict[str, _Known] = {}

    def begin(self, acquaintances: Iterable[Acquaintance], now: int) -> None:
        """All who are known now: what happened before is no news."""
        told_ns = {key: known.told_ns for key, known in self._known.items()}
        self._known = {}
        for each in acquaintances:
            known = self._known[each.key] = _Known(each, now)
            known.told_near = each.near
            known.told_ns = told_ns.get(each.key)

    def see(self, acquaintance: Acquaintance, now: int) -> None:
        """A neighbor came or changed."""
        known = self._known.setdefault(acquaintance.key, _Known(acquaintance, now))
        if known.now_is.near != acquaintance.near:
            known.changed_ns = now
        known.now_is = acquaintance

    def gone(self, key: str, now: int) -> None:
        """A neighbor is not known any more; by what name it went is remembered for the notice."""
        if known := self._known.get(key):
            self.see(known.now_is._replace(near=False), now)

    def due(self, now: int) -> list[Notice]:
        """What to say now; that counts as said."""
        said: dict[bool, list[str]] = {True: [], False: []}
        for key, known in list(self._known.items()):
            due_ns = self._due_ns(known)
            if due_ns is not None and due_ns <= now:
                label = known.now_is.label
                assert label is not None
                said[known.now_is.near].append(label)
                known.told_near, known.told_ns = known.now_is.near, now
            elif due_ns is None and not known.now_is.near and not self._counts(known, now):
                del self._known[key]
        return [Notice(near, tuple(labels)) for near, labels in said.items() if labels]

    def deadline(self) -> int | None:
        """When something is to be said, unless it changes before."""
        due = (self._due_ns(known) for known in self._known.values())
        return min((due_ns for due_ns in due if due_ns is not None), default=None)

    def _due_ns(self, known: _Known) -> int | None:
        now_is = known.now_is
        if now_is.near == known.told_near or now_is.label is None:
            return None
        if self._favourites_only and not now_is.favourite:
            return None
        due_ns = known.changed_ns + GATHER_NS
        return due_ns if known.told_ns is None else max(due_ns, known.told_ns + PERIOD_NS)

    def _counts(self, known: _Known, now: int) -> bool:
        """It was told of so lately that it may not be again."""
        return known.told_ns is not None and now - known.told_ns < PERIOD_NS
