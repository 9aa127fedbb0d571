"""What an observer's table ought to say of a neighbor, from one change of the air to the next."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from tools.harness.air import Air, Ids

SILENT_AFTER = 3.0  # beacon intervals


class State(StrEnum):
    """What the air says of a neighbor; links are seen from the observer's side."""

    UNKNOWN = "unknown"  # on the air; the link may be older than the capture
    LINKED = "linked"  # link established, on the air
    UNHEARD = "unheard"  # the same, but what it sends gets lost on the way to the observer
    SILENT = "silent"  # link established, off the air
    HEARD = "heard"  # no link, on the air
    ABSENT = "absent"  # no link, off the air


LINKS = {State.LINKED, State.UNHEARD}


class Spell(NamedTuple):
    """A stretch of time in which the truth is the same.

    ``event`` is what began it: established, returned, closed, vanished, forgotten, or nothing.
    ``heard_ns`` is the last sign of life up to its beginning, ``parted_ns`` when the link last
    ended, be it one older than the capture; None: never. ``interval_ns`` is the neighbor's beacon
    interval.
    """

    begin_ns: int
    end_ns: int
    state: State
    event: str | None
    ids: Ids | None
    heard_ns: int | None
    parted_ns: int | None
    interval_ns: int


class _Moment(NamedTuple):
    """Something changes; at one time life comes first and silence last."""

    time_ns: int
    order: int
    what: str
    ids: Ids | None = None


def spells(
    air: Air,
    observer: str,
    neighbor: str,
    silent_after: float = SILENT_AFTER,
    ears: Air | None = None,
) -> list[Spell]:
    """The truth about a neighbor for the whole capture, without gaps.

    ``ears``: what the observer's own radio heard of it, if frames get lost.
    """
    moments = list(_moments(air, observer, neighbor, silent_after))
    if ears is not None:
        moments += _losses(ears, observer, neighbor, silent_after)
    moments.sort(key=lambda m: m[:2])
    moments.append(_Moment(air.end_ns, 3, "end"))
    alive, known, heard = False, False, True
    ids: Ids | None = None
    heard_ns: int | None = None
    parted_ns: int | None = None
    told: list[Spell] = []
    begin_ns = air.begin_ns
    for moment in moments:
        now = moment.time_ns
        if now > begin_ns:
            state = _state(alive, known, heard, ids)
            before = told[-1] if told else None
            if before is None or (before.state, before.ids) != (state, ids):
                event = _event(before, state, ids)
                interval_ns = air.stations[neighbor].interval_ns(begin_ns)
                told.append(
                    Spell(begin_ns, now, state, event, ids, heard_ns, parted_ns, interval_ns)
                )
            else:
                told[-1] = before._replace(end_ns=now)
            begin_ns = now
        match moment.what:
            case "alive":
                alive, heard_ns = True, now
            case "silent":
                alive, heard_ns = False, now
            case "heard" | "unheard":
                heard = moment.what == "heard"
            case "known":
                known = True
            case "link":
                if moment.ids is None:
                    parted_ns = now
                ids, known = moment.ids, True
    return told


def _moments(air: Air, observer: str, neighbor: str, silent_after: float) -> Iterator[_Moment]:
    station = air.stations.get(neighbor)
    lives = air.lives(neighbor, observer) if station is not None and station.mesh else []
    known_ns = air.known_ns(observer, neighbor)
    if known_ns is not None:
        yield _Moment(known_ns, 1, "known")
    for time_ns, ids in air.side(observer, neighbor).changes:
        yield _Moment(time_ns, 1, "link", ids)
    if not lives:
        return
    # Who is heard soon after the capture began may well have been there before.
    late = _silent(air, neighbor, silent_after, air.begin_ns, lives[0])
    yield _Moment(lives[0] if late else air.begin_ns, 0, "alive")
    for before_ns, after_ns in pairwise([*lives, air.end_ns]):
        if _silent(air, neighbor, silent_after, before_ns, after_ns):
            yield _Moment(before_ns, 2, "silent")
            if after_ns != air.end_ns:
                yield _Moment(after_ns, 0, "alive")


def _losses(ears: Air, observer: str, neighbor: str, silent_after: float) -> Iterator[_Moment]:
    times_ns = [ears.begin_ns, *ears.lives(neighbor, observer), ears.end_ns]
    for before_ns, after_ns in pairwise(times_ns):
        if _silent(ears, neighbor, silent_after, before_ns, after_ns):
            yield _Moment(before_ns, 2, "unheard")
            yield _Moment(after_ns, 0, "heard")


def _silent(air: Air, neighbor: str, silent_after: float, since_ns: int, until_ns: int) -> bool:
    interval_ns = air.stations[neighbor].interval_ns(since_ns)
    return until_ns - since_ns > silent_after * interval_ns


def _state(alive: bool, known: bool, heard: bool, ids: Ids | None) -> State:
    if alive and not known:
        return State.UNKNOWN
    if ids is not None and alive:
        return State.LINKED if heard else State.UNHEARD
    if ids is not None:
        return State.SILENT
    if alive:
        return State.HEARD
    return State.ABSENT if known else State.SILENT


def _event(before: Spell | None, state: State, ids: Ids | None) -> str | None:
    was = before.state if before is not None else None
    if state in LINKS:
        if was in LINKS and before and before.ids == ids:
            return "returned" if state is State.LINKED else None
        returned = before is not None and was is State.SILENT and before.ids == ids
        return "returned" if returned else "established"
    if state is State.SILENT:
        return "vanished" if was in {*LINKS, State.UNKNOWN} else None
    if was in LINKS or (was is State.SILENT and before and before.ids is not None):
        return "closed"
    return "forgotten" if was is State.HEARD and state is State.ABSENT else None
