"""A table is right, late, or wrong; each is told apart, with its length."""

from __future__ import annotations

import pytest

from tests.harness.spoken import (
    MESH,
    A,
    B,
    C,
    at,
    beacons,
    closed,
    interface,
    line,
    neighbor,
    peering,
    removed,
    shown,
    snapshot,
)
from tools.harness import craft
from tools.harness.air import Air
from tools.harness.bounds import Bound, Bounds
from tools.harness.capture import Frame
from tools.harness.compare import Comparison, compare
from tools.harness.news import MalformedLog, News
from tools.harness.truth import State

S = 1_000_000_000
END_S = 40.0


def air(*more: Frame, b_until: float = END_S) -> Air:
    """A and B become peers at 1.003 s, with the ids 1 and 2; B sends until ``b_until``."""
    alone = [at(0, craft.beacon(A, MESH)), at(0.1, craft.beacon(B, MESH))]
    frames = [*peering(1, A, B), *beacons(A, 1.1, END_S), *beacons(B, 1.1, b_until)]
    return Air([*alone, *frames, *more])


def judge(air: Air, *lines: bytes, bounds: Bounds | None = None) -> Comparison:
    return compare(air, News([snapshot(0), *lines], A), bounds)


def kinds(comparison: Comparison) -> list[tuple[str, bool]]:
    return [(one.kind, one.excessive) for one in comparison.disagreements]


def delays(comparison: Comparison) -> list[tuple[str, float | None]]:
    return [
        (event.kind, None if event.delay_ns is None else round(event.delay_ns / S, 3))
        for event in comparison.events
    ]


# ---- right and late -----------------------------------------------------------------------------


def test_established() -> None:
    found = judge(air(), shown(1.503, B, "present", llid=1, plid=2))
    assert delays(found) == [("established", 0.5)]
    assert kinds(found) == [("established", False)]
    one = found.disagreements[0]
    assert (one.begin_ns, one.end_ns) == (1_003_000_000, 1_503_000_000)
    assert (one.neighbor, one.truth, one.published) == (B, State.LINKED, "absent")


def test_established_late() -> None:
    found = judge(air(), shown(3, B, "present"))
    assert kinds(found) == [("established", True)]
    generous = judge(air(), shown(3, B, "present"), bounds=Bounds().with_("established=2"))
    assert kinds(generous) == [("established", False)]


def test_who_is_unheard_may_be_doubted_and_does_not_depart() -> None:
    there, present = air(), shown(1.1, B, "present")
    alone = [at(0, craft.beacon(A, MESH)), at(0.1, craft.beacon(B, MESH))]
    ears = Air([*alone, *beacons(A, 1.1, END_S), *beacons(B, 1.1, 10), *beacons(B, 20, END_S)])

    def judged(*lines: bytes) -> list[tuple[str, bool]]:
        news = News([snapshot(0), present, *lines], A)
        return kinds(compare(there, news, ears=ears))[1:]

    assert judged() == []
    assert judged(shown(14, B, "quiet"), shown(20.5, B, "present")) == [("returned", False)]
    assert judged(shown(14, B, "quiet"), shown(22, B, "present")) == [("returned", True)]
    assert judged(shown(5, B, "quiet"), shown(6, B, "present")) == [("unfounded", True)]
    assert ("unfounded", True) in judged(removed(14, B), shown(20.1, B, "present"))


def test_what_bounces_may_be_told_later() -> None:
    lines = [shown(0.5, B, "heard", bouncing=True), removed(0.6, B, bouncing=True)]
    found = judge(air(), *lines, shown(9, B, "present"))
    assert kinds(found) == [("established", False)]
    assert found.events[0].bound_ns == 11.5 * S
    assert kinds(judge(air(), *lines, shown(13, B, "present"))) == [("established", True)]
    plain = [shown(0.5, B, "heard"), removed(0.6, B)]
    assert kinds(judge(air(), *plain, shown(9, B, "present"))) == [("established", True)]


def test_never_told() -> None:
    found = judge(air())
    assert delays(found) == [("established", None)]
    assert kinds(found) == [("established", True)]


def test_vanished() -> None:
    found = judge(air(b_until=10), shown(1.1, B, "present"), shown(13, B, "quiet"), removed(18, B))
    kind, delay = delays(found)[-1]
    last_s = 1.1 + 8 * 1.024
    assert kind == "vanished"
    assert delay == pytest.approx(18 - last_s, abs=0.001)
    assert found.events[-1].quiet_ns == pytest.approx((13 - last_s) * S, abs=1e6)
    assert kinds(found)[-1] == ("vanished", False)
    assert found.disagreements[-1].published == "present, quiet"


def test_a_removal_that_is_missing() -> None:
    found = judge(air(b_until=10), shown(1.1, B, "present"), shown(13, B, "quiet"))
    assert kinds(found)[-1] == ("vanished", True)
    wrong = found.disagreements[-1]
    assert wrong.deadline_ns == pytest.approx((1.1 + 8 * 1.024 + 8 * 1.024 + 1.5) * S, abs=1e6)
    assert wrong.end_ns == found.end_ns


def test_the_bound_of_a_vanished_one_counts_its_own_beacons() -> None:
    fast = [*peering(1, A, B), *beacons(A, 0, 40, peerings=0)]
    fast += beacons(B, 0, 10, interval_tu=100)
    found = judge(Air(fast), shown(1.1, B, "present"), removed(15, B))
    assert kinds(found)[-1] == ("vanished", True)


def test_returned() -> None:
    back = beacons(B, 30, END_S)
    lines = [shown(1.1, B, "present"), removed(18, B), shown(30.4, B, "present")]
    found = judge(air(*back, b_until=10), *lines)
    assert delays(found)[-1] == ("returned", 0.4)
    assert not found.excessive


def test_closed() -> None:
    there = judge(air(closed(10, B, A)), shown(1.1, B, "present"), shown(10.3, B, "heard"))
    assert delays(there)[-1] == ("closed", 0.3)
    assert not there.excessive


def test_a_link_older_than_the_capture_is_closed() -> None:
    gone = Air([*beacons(A, 0, END_S), *beacons(B, 0, END_S), closed(10, B, A)])
    lines = [shown(1, B, "present", llid=1, plid=2), shown(10.3, B, "heard")]
    in_time = judge(gone, *lines)
    assert [(one.kind, one.begin_ns / S) for one in in_time.disagreements] == [("closed", 10)]
    assert not in_time.excessive
    assert kinds(judge(gone, lines[0]))[-1] == ("closed", True)


def test_closed_and_gone() -> None:
    """The row may stay as heard until the silence is long enough, and not longer."""
    gone = air(closed(10, B, A), b_until=9.9)
    lines = [shown(1.1, B, "present"), shown(10.3, B, "heard")]
    in_time = judge(gone, *lines, removed(18, B))
    assert kinds(in_time) == [("established", False), ("closed", False), ("forgotten", False)]
    assert delays(in_time)[-1] == ("closed", 0.3)
    assert kinds(judge(gone, *lines, removed(25, B)))[-1] == ("forgotten", True)
    assert kinds(judge(gone, lines[0], removed(18, B)))[-1] == ("closed", True)
    last_words = air(closed(10, B, A), at(10.05, craft.beacon(B, MESH)), b_until=9.9)
    assert ("closed", 0.3) in delays(judge(last_words, *lines))


def test_a_link_is_told_by_its_ids() -> None:
    again = [closed(10, B, A), *peering(10.1, A, B, 5, 6)]
    stale = judge(air(*again), shown(1.1, B, "present", llid=1, plid=2))
    assert kinds(stale)[-1] == ("established", True)
    fresh = judge(
        air(*again),
        shown(1.1, B, "present", llid=1, plid=2),
        shown(10.6, B, "present", llid=5, plid=6),
    )
    assert not fresh.excessive
    assert delays(fresh)[-1] == ("established", 0.497)


# ---- wrong --------------------------------------------------------------------------------------


def test_a_ghost() -> None:
    found = judge(air(), shown(1.1, B, "present"), shown(20, C, "heard"), removed(20.1, C))
    assert kinds(found)[-1] == ("unfounded", True)
    assert found.excessive[0].neighbor == C


def test_a_false_departure() -> None:
    lines = [shown(1.1, B, "present"), removed(20, B), shown(21, B, "present")]
    found = judge(air(), *lines)
    assert [(one.begin_ns / S, one.end_ns / S) for one in found.excessive] == [(20, 21)]
    assert found.excessive[0].kind == "unfounded"
    generous = judge(air(), *lines, bounds=Bounds().with_("unfounded=1"))
    assert not generous.excessive


def test_ahead_of_the_air() -> None:
    """The observer's kernel tells of its own Close before that is sent."""
    leaving = air(closed(10, A, B))
    early = judge(leaving, shown(1.1, B, "present"), removed(9.97, B))
    assert kinds(early)[-1] == ("ahead", False)
    prophetic = judge(leaving, shown(1.1, B, "present"), removed(9, B))
    assert kinds(prophetic)[-1] == ("ahead", True)
    assert kinds(judge(air(), shown(1.1, B, "present"), removed(35, B)))[-1] == ("unfounded", True)


def test_a_false_doubt() -> None:
    found = judge(air(), shown(1.1, B, "present"), shown(20, B, "quiet"), shown(20.2, B, "present"))
    assert kinds(found)[-1] == ("unfounded", True)


def test_a_link_that_was_never_there() -> None:
    frames = [*beacons(A, 0, END_S, peerings=0), *beacons(B, 0, END_S, peerings=0)]
    found = judge(Air(frames), shown(5, B, "heard"), shown(20, B, "present"))
    assert kinds(found) == [("unfounded", True)]


def test_a_departed_one_that_is_taken_back() -> None:
    lines = [shown(1.1, B, "present"), removed(17, B), shown(25, B, "heard"), removed(26, B)]
    found = judge(air(b_until=10), *lines)
    assert kinds(found)[-2:] == [("vanished", False), ("vanished", True)]


# ---- what cannot be judged ----------------------------------------------------------------------


def test_before_the_first_snapshot_nothing_was_said() -> None:
    news = News([snapshot(30, neighbor(B, "present"))], A)
    found = compare(air(), news)
    assert found.windows == [(30 * S, found.end_ns)]
    assert (found.events, found.disagreements) == ([], [])


def test_nobody_listened() -> None:
    lines = [
        snapshot(0),
        shown(1.1, B, "present"),
        b'9.000000 {"class":"disconnected"}\n',
        snapshot(20),
        shown(20.2, B, "heard"),
        shown(20.5, B, "present"),
    ]
    found = compare(air(), News(lines, A))
    assert [(begin / S, end / S) for begin, end in found.windows] == [
        (0, 9), (20, found.end_ns / S)
    ]  # fmt: skip
    assert kinds(found)[1:] == [("established", False)]


def test_a_snapshot_says_who_is_gone() -> None:
    """Here a subscriber that was slow gets everything anew."""
    news = News([snapshot(0), shown(1.1, B, "present"), snapshot(20, neighbor(C, "heard"))], A)
    assert news.at(B, 20 * S).presence is None
    assert news.at(C, 20 * S).presence == "heard"


def test_a_snapshot_in_parts() -> None:
    rows = [neighbor(B, "present"), neighbor(C, "heard")]
    parts = [
        line(5, "snapshot", interfaces=[], sources=[], neighbors=rows[:1], more=True),
        line(6, "snapshot", interfaces=[interface(A)], sources=[], neighbors=rows[1:]),
    ]
    news = News(parts, A)
    assert news.windows == [(6 * S, None)]
    assert {address for address in news.views if news.at(address, 6 * S).presence} == {B, C}


def test_neighbors_of_others_do_not_count() -> None:
    lines = [
        snapshot(0),
        line(1, "interface", interface=interface(B, 8)),
        shown(2, C, "present", ifindex=8),
        shown(2, C, "present", proximity="mesh"),
    ]
    assert not News(lines, A).views
    moved = line(1, "interface", interface=interface(B))
    assert not News([snapshot(0), moved, shown(2, C, "present")], A).views


@pytest.mark.parametrize(
    "text",
    [b"no stamp", b"1.0 no json", b'1.0 {"class":"changed"}', b"x" + snapshot(0), b"\n"],
)
def test_what_no_follower_writes_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedLog, match="line 2"):
        News([snapshot(0), text], A)


def test_unknown_classes_are_skipped() -> None:
    assert News([snapshot(0), b'1.0 {"class":"weather"}\n'], A).windows


# ---- bounds -------------------------------------------------------------------------------------


def test_bounds() -> None:
    assert Bound.parse("8B+1.5") == Bound(8, 1.5)
    assert Bound.parse("2") == Bound(0, 2)
    assert Bound.parse(".5 + 1.5B") == Bound(1.5, 0.5)
    assert Bound(8, 1.5).ns(102_400_000) == 2_319_200_000
    assert Bounds().with_("closed=3B").closed == Bound(3, 0)
    later = Bounds().but(closed=Bound(3, 0.5)).later(1)
    assert (later.closed, later.vanished, later.ahead) == (
        Bound(3, 1.5),
        Bound(8, 2.5),
        Bounds().ahead,
    )


@pytest.mark.parametrize("text", ["", "x", "closed", "closed=", "closed=-1", "closed=B", "sad=1"])
def test_bad_bounds(text: str) -> None:
    with pytest.raises(ValueError, match=r"not (a bound|KIND)"):
        Bounds().with_(text)
