"""What watch shows on a terminal: the table, and below it the latest changes."""

from __future__ import annotations

from collections import deque

from meshwatch.cli import layout, text, view
from meshwatch.cli.clock import Clock
from meshwatch.cli.layout import Cell
from meshwatch.cli.news import News, news
from meshwatch.client import Disconnected, Event, Mirror, Resynchronised

_KEPT = 200  # latest changes, enough for the highest screen
_CHANGES_KEPT_FREE = 5  # lines that a long table must leave to them


class Picture:
    """Takes in events, gives lines."""

    def __init__(self, names: view.Names, *, color: bool) -> None:
        self._names = names
        self._color = color
        self._clock = Clock()
        self._changes: deque[News] = deque(maxlen=_KEPT)
        self._settled = False
        self._lost: str | None = None

    def note(self, event: Event, mirror: Mirror) -> None:
        """Remember an event that is worth a line, and whether the daemon is there."""
        now = self._clock.now_unix_ms(mirror)
        item = news(event, self._names, now, settled=self._settled)
        # The table itself shows what was there from the beginning.
        if item is not None and (self._settled or item.what.style == "bad"):
            self._changes.append(item)
        if isinstance(event, Disconnected):
            self._lost = event.why
        if isinstance(event, Resynchronised):
            if self._lost is not None:
                back = Cell("meshwatchd is back", "good")
                self._changes.append(News(now, "!", "", "", back))
            self._settled, self._lost = True, None

    def lines(self, mirror: Mirror, width: int, height: int) -> list[str]:
        """The picture, as wide as ``width`` and at most ``height`` lines."""
        now = self._clock.now_unix_ms(mirror)
        head = self._head(mirror, now, width)
        body = view.whole_table(mirror, self._names, now, width=width, color=self._color)
        kept = min(len(self._changes), _CHANGES_KEPT_FREE, height // 4)
        room = height - len(head) - (kept + 2 if kept else 0)
        if len(body) > room:
            fitting = max(room - 1, 0)
            rest = len(body) - fitting
            body = [*body[:fitting], self._paint(f"... {text.count(rest, 'more line')}", "dim")]
        room = height - len(head) - len(body) - 2
        changes = self._latest(mirror, width, max(room, 0))
        if changes:
            body += ["", self._paint("LATEST CHANGES", "dim"), *changes]
        return (head + body)[:height]

    def _head(self, mirror: Mirror, now_unix_ms: int, width: int) -> list[str]:
        if self._lost is not None:
            left = Cell(f"lost meshwatchd ({self._lost}); this is what it said last", "bad")
        elif not self._settled:
            left = Cell("waiting for meshwatchd to have looked around", "warn")
        else:
            parts = [view.summary(list(mirror.neighbors.values()))]
            if len(mirror.interfaces) == 1:
                (interface,) = mirror.interfaces.values()
                parts.insert(0, view.interface_line(interface))
            left = Cell("; ".join(parts), "bold")
        right = text.timestamp(now_unix_ms)[11:19]
        shown = layout.fit(left.text, max(width - len(right) - len(layout.GAP), 0))
        blank = " " * max(width - layout.width_of(shown) - len(right), 1)
        recording = view.replaying(mirror)
        label = [self._paint(layout.fit(recording, width), "label")] if recording else []
        return [*label, self._paint(shown, left.style) + blank + right, ""]

    def _latest(self, mirror: Mirror, width: int, room: int) -> list[str]:
        items = list(self._changes)[-room:] if room else []
        several = len(mirror.interfaces) > 1
        subjects = [
            " ".join(filter(None, (item.interface if several else "", item.neighbor)))
            or item.interface
            for item in items
        ]
        aligned = max(map(layout.width_of, subjects), default=0)
        lines = []
        for item, subject in zip(items, subjects, strict=True):
            blank = " " * (aligned - layout.width_of(subject)) + layout.GAP
            who = subject + blank if subject else ""
            begin = layout.fit(f"{text.timestamp(item.unix_ms)[11:19]} {item.mark} {who}", width)
            what = layout.fit(item.what.text, width - layout.width_of(begin))
            lines.append(begin + self._paint(what, item.what.style))
        return lines

    def _paint(self, shown: str, style: str) -> str:
        return layout.paint(shown, style, color=self._color)
