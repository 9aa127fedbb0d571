"""Holds what meshwatch published against the truth from the air.

A table agrees with the air about a neighbor when it shows

    present      while the neighbor is linked, with the link ids of that link (if it shows ids)
    no link      while there is no link (``heard`` or no row at all)
    no row       while the neighbor is silent
    a link       (``present`` or ``quiet``) while it is linked, but its frames get lost

Everything else is a disagreement. It has a cause, from which it may last for the bound of its
kind: a link was established, or returned from silence; it was closed; the neighbor vanished, or
has to be forgotten, if there was no link. A disagreement without a cause on the air is unfounded,
or ahead if the air then follows the table: a kernel tells of what it does before the frame that
does it has left the radio.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tools.harness.air import Air
from tools.harness.bounds import Bounds
from tools.harness.news import News, View
from tools.harness.truth import LINKS, SILENT_AFTER, Spell, State, spells

REACHABLE = {"present", "quiet"}
_ARRIVALS = {"established", "returned"}
_NO_LINK = {State.HEARD, State.ABSENT}


class Disagreement(NamedTuple):
    """A stretch of time in which the table was wrong; it had to be right by ``deadline_ns``."""

    neighbor: str
    begin_ns: int
    end_ns: int
    kind: str
    truth: State
    published: str
    deadline_ns: int

    @property
    def excessive(self) -> bool:
        """Whether it outlasted its bound."""
        return self.end_ns > self.deadline_ns

    def going_on(self, until_ns: int, published: str) -> Disagreement:
        """The same, a while longer."""
        words = self.published.split(", ")
        told = self.published if published in words else f"{self.published}, {published}"
        return self._replace(end_ns=until_ns, published=told)


class Event(NamedTuple):
    """Something on the air that the table had to follow.

    ``delay_ns`` is how long it took, None if the air changed again before or the log ended.
    ``quiet_ns``: how long until a vanished neighbor was no longer shown as present.
    """

    neighbor: str
    time_ns: int
    kind: str
    delay_ns: int | None
    quiet_ns: int | None
    bound_ns: int


class Lane(NamedTuple):
    """One neighbor: the truth and what was published of it."""

    neighbor: str
    truth: list[Spell]
    views: list[View]


class Comparison(NamedTuple):
    """The outcome for one observer; ``windows`` are the stretches that could be judged."""

    observer: str
    begin_ns: int
    end_ns: int
    windows: list[tuple[int, int]]
    lanes: list[Lane]
    events: list[Event]
    disagreements: list[Disagreement]

    @property
    def excessive(self) -> list[Disagreement]:
        """The disagreements that outlasted their bounds."""
        return [one for one in self.disagreements if one.excessive]


def compare(
    air: Air,
    news: News,
    bounds: Bounds | None = None,
    silent_after: float = SILENT_AFTER,
    ears: Air | None = None,
) -> Comparison:
    """Judge every neighbor that was on the air or in the table.

    ``ears``: what the observer's own radio heard, where the air loses frames.
    """
    bounds = bounds or Bounds()
    windows = _windows(air, news)
    on_air = {
        address
        for address, station in air.stations.items()
        if station.mesh and air.lives(address, news.observer)
    }
    lanes, events, disagreements = [], [], []
    for neighbor in sorted((on_air | news.views.keys()) - {news.observer}):
        truth = spells(air, news.observer, neighbor, silent_after, ears)
        lanes.append(Lane(neighbor, truth, news.views.get(neighbor, [])))
        events += list(_events(neighbor, truth, news, windows, bounds))
        disagreements += list(_disagreements(neighbor, truth, news, windows, bounds))
    events.sort(key=lambda event: event.time_ns)
    disagreements.sort(key=lambda one: one.begin_ns)
    return Comparison(
        news.observer, air.begin_ns, air.end_ns, windows, lanes, events, disagreements
    )


def agrees(spell: Spell, view: View) -> bool:
    """Whether the view is right at a time of this spell."""
    match spell.state:
        case State.LINKED | State.UNHEARD:
            shown = view.llid, view.plid
            right = {"present"} if spell.state is State.LINKED else REACHABLE
            return view.presence in right and (None in shown or shown == spell.ids)
        case State.HEARD:
            return view.presence not in REACHABLE
        case State.SILENT | State.ABSENT:
            return view.presence is None
    return True


def _windows(air: Air, news: News) -> list[tuple[int, int]]:
    """When both the capture and the log know something."""
    both = (
        (max(begin, air.begin_ns), air.end_ns if end is None else min(end, air.end_ns))
        for begin, end in news.windows
    )
    return [(begin, end) for begin, end in both if begin < end]


class _Piece(NamedTuple):
    begin_ns: int
    end_ns: int
    spell: Spell
    view: View
    first: bool  # of its window


def _pieces(
    neighbor: str, truth: list[Spell], news: News, windows: list[tuple[int, int]]
) -> Iterator[_Piece]:
    """The judged time, cut wherever the truth or the table changes."""
    for begin_ns, end_ns in windows:
        cuts = {begin_ns, end_ns}
        cuts |= {spell.begin_ns for spell in truth}
        cuts |= {view.time_ns for view in news.views.get(neighbor, ())}
        times = sorted(time_ns for time_ns in cuts if begin_ns <= time_ns <= end_ns)
        for since_ns, until_ns in pairwise(times):
            spell = next(s for s in reversed(truth) if s.begin_ns <= since_ns)
            view = news.at(neighbor, since_ns)
            yield _Piece(since_ns, until_ns, spell, view, since_ns == begin_ns)


def _disagreements(
    neighbor: str, truth: list[Spell], news: News, windows: list[tuple[int, int]], bounds: Bounds
) -> Iterator[Disagreement]:
    running: Disagreement | None = None
    agreed_in: Spell | None = None  # the spell in which the table has been right already
    window_ns = 0
    for piece in _pieces(neighbor, truth, news, windows):
        spell, view = piece.spell, piece.view
        if piece.first:
            window_ns, agreed_in = piece.begin_ns, None
        if agrees(spell, view):
            agreed_in = spell
            if running is not None:
                yield _ended(running, piece, bounds)
            running = None
            continue
        kind, cause_ns = _cause(spell, view, agreed_in is spell)
        if cause_ns is None:
            # What the first snapshot says may be older than all that we know.
            kind, begin_ns = (kind if piece.first else "unfounded"), piece.begin_ns
        else:
            begin_ns = max(cause_ns, window_ns)
        deadline_ns = begin_ns + _allowed_ns(bounds, kind, spell, view)
        published = view.presence or "absent"
        if running is not None and not piece.first:
            if kind == "unfounded":
                deadline_ns = running.deadline_ns
            same = (running.kind, running.truth, running.deadline_ns)
            if same == (kind, spell.state, deadline_ns):
                running = running.going_on(piece.end_ns, published)
                continue
        if running is not None:
            yield running
        running = Disagreement(
            neighbor, piece.begin_ns, piece.end_ns, kind, spell.state, published, deadline_ns
        )
    if running is not None:
        yield running


def _allowed_ns(bounds: Bounds, kind: str, spell: Spell, view: View) -> int:
    """How long it may take the table, which shows this now, to follow the beginning of a spell."""
    allowed_ns = bounds.ns(kind, spell.interval_ns)
    if kind in _ARRIVALS and view.bouncing:
        allowed_ns += bounds.ns("bouncing", spell.interval_ns)
    return allowed_ns


def _ended(running: Disagreement, next_: _Piece, bounds: Bounds) -> Disagreement:
    """The disagreement that the next piece ends: by a change of the air if that begins there."""
    if running.kind != "unfounded" or next_.first or next_.spell.begin_ns < next_.begin_ns:
        return running
    bound_ns = bounds.ns("ahead", next_.spell.interval_ns)
    return running._replace(kind="ahead", deadline_ns=running.begin_ns + bound_ns)


def _cause(spell: Spell, view: View, agreed: bool) -> tuple[str, int | None]:
    """What a disagreement can be due to, and when that happened; no time: it did not."""
    if spell.state in LINKS:
        kind = "returned" if spell.event == "returned" else "established"
        return kind, None if agreed else spell.begin_ns
    if view.presence in REACHABLE and spell.state is not State.SILENT:
        return "closed", spell.parted_ns
    return "vanished" if spell.state is State.SILENT else "forgotten", spell.heard_ns


def _events(
    neighbor: str, truth: list[Spell], news: News, windows: list[tuple[int, int]], bounds: Bounds
) -> Iterator[Event]:
    for number, spell in enumerate(truth):
        window = next((w for w in windows if w[0] <= spell.begin_ns < w[1]), None)
        if spell.event is None or window is None:
            continue
        # A link that was closed stays so when its station then goes off the air.
        during = _NO_LINK if spell.state in _NO_LINK else {spell.state}
        after = (later.begin_ns for later in truth[number:] if later.state not in during)
        until_ns = min(next(after, window[1]), window[1])
        views = [news.at(neighbor, spell.begin_ns)]
        views += [v for v in news.views.get(neighbor, ()) if spell.begin_ns < v.time_ns < until_ns]
        followed = _first(spell, (v for v in views if _follows(spell, v)))
        quiet = None
        if spell.event == "vanished":
            quiet = _first(spell, (v for v in views if v.presence != "present"))
        bound_ns = _allowed_ns(bounds, spell.event, spell, views[0])
        yield Event(neighbor, spell.begin_ns, spell.event, followed, quiet, bound_ns)


def _follows(spell: Spell, view: View) -> bool:
    """Whether the table says what began this spell."""
    return view.presence not in REACHABLE if spell.event == "closed" else agrees(spell, view)


def _first(spell: Spell, views: Iterator[View]) -> int | None:
    """How long after the beginning of the spell the first of these views came."""
    for view in views:
        return max(0, view.time_ns - spell.begin_ns)
    return None
