"""What meshwatch published about each neighbor of one observer, and when.

A log is what tests/kernel/follow.py writes: lines of news.sock, each behind the CLOCK_MONOTONIC
second of its arrival; a line of class ``disconnected`` says that nobody listens any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from meshwatch.protocol import (
    Changed,
    Interface,
    InterfaceChanged,
    Message,
    Neighbor,
    ProtocolError,
    Removed,
    Snapshot,
    decode,
)

_DISCONNECTED = b'{"class":"disconnected"}'


class MalformedLog(ValueError):
    """A line that no follower writes."""


class View(NamedTuple):
    """What the table says of a neighbor from ``time_ns`` on; ``presence`` None: no row."""

    time_ns: int
    presence: str | None
    reason: str | None = None
    llid: int | None = None
    plid: int | None = None
    bouncing: bool = False  # or was when its row was removed


class News:
    """The views of one observer, which is the hardware address of one of meshwatch's interfaces.

    ``windows`` are the stretches of time in which the log says what the table says; the last one
    has no end. ``views`` holds each neighbor's changes, ascending; before the first there is no
    row. Only neighbors in radio range count.
    """

    def __init__(self, lines: Iterable[bytes], observer: str) -> None:
        self.observer = observer
        self.windows: list[tuple[int, int | None]] = []
        self.views: dict[str, list[View]] = defaultdict(list)
        self._ifindexes: set[int] = set()
        self._parts: list[Snapshot] = []  # of a snapshot whose end has not been read
        for number, line in enumerate(lines, 1):
            stamp, _, text = line.partition(b" ")
            try:
                now = round(float(stamp) * 1e9)
                message = None if text.strip() == _DISCONNECTED else decode(text)
            except (ValueError, ProtocolError) as error:
                raise MalformedLog(f"line {number}: {error}") from error
            if text.strip() == _DISCONNECTED:
                self._shut(now)
            elif message is not None:
                self._take(message, now)

    def at(self, neighbor: str, time_ns: int) -> View:
        """The view of a neighbor at this time."""
        found = View(0, None)
        for view in self.views.get(neighbor, ()):
            if view.time_ns <= time_ns:
                found = view
        return found

    def _take(self, message: Message, now: int) -> None:
        match message:
            case Snapshot():
                self._snapshot(message, now)
            case InterfaceChanged():
                self._interface(message.interface)
            case Changed(neighbor=row):
                self._row(row, now)
            case Removed(neighbor=row, reason=reason):
                if self._counts(row):
                    self._view(row.address, View(now, None, reason, bouncing=row.bouncing))

    def _snapshot(self, part: Snapshot, now: int) -> None:
        self._parts.append(part)
        if part.more:
            return
        parts, self._parts = self._parts, []
        for interface in (interface for part in parts for interface in part.interfaces):
            self._interface(interface)
        rows = [row for part in parts for row in part.neighbors]
        for row in rows:
            self._row(row, now)
        there = {row.address for row in rows if self._counts(row)}
        for address in self.views.keys() - there:
            self._view(address, View(now, None))
        if not self.windows or self.windows[-1][1] is not None:
            self.windows.append((now, None))

    def _interface(self, interface: Interface) -> None:
        if interface.address == self.observer:
            self._ifindexes.add(interface.ifindex)
        else:
            self._ifindexes.discard(interface.ifindex)

    def _counts(self, row: Neighbor) -> bool:
        return row.ifindex in self._ifindexes and row.proximity == "direct"

    def _row(self, row: Neighbor, now: int) -> None:
        if self._counts(row):
            ids = row.llid, row.plid
            self._view(row.address, View(now, row.presence, row.reason, *ids, row.bouncing))

    def _view(self, address: str, view: View) -> None:
        views = self.views[address]
        if not views or views[-1][1:] != view[1:]:
            views.append(view)

    def _shut(self, now: int) -> None:
        self._parts = []
        if self.windows and self.windows[-1][1] is None:
            self.windows[-1] = self.windows[-1][0], now
