"""A link that bounces: told a number of times, then held back, and told again when it is calm."""

from __future__ import annotations

import pytest

from meshwatch.entry import NEWS_BURST, NEWS_PERIOD_NS
from meshwatch.model import Neighbor, Plink, Presence
from meshwatch.observations import StationSeen
from tests.pure.scenarios import MESH0, PEER, SECOND, Story, look, station

PERIOD_S = NEWS_PERIOD_NS // SECOND


def bounce(story: Story, seconds: float, times: int) -> list[str]:
    """The link goes up and down, once a second."""
    news = []
    for number in range(times):
        state = Plink.ESTAB if number % 2 == 0 else Plink.LISTEN
        news += story.at(seconds + number, look(state, 10))
    return news


def test_a_bouncing_link_costs_bounded_news() -> None:
    story = Story()
    news = bounce(story, 1, 600)
    assert len(news) <= NEWS_BURST + 2 * 600 // PERIOD_S
    assert story.peer.bouncing
    assert story.peer.presence is Presence.HEARD  # only that it is gone is not held back


def test_what_is_told_when_its_turn_comes_is_how_it_is_then() -> None:
    story = Story()
    bounce(story, 1, 40)
    story.at(41, look(Plink.ESTAB, 10))
    held_back = story.peer.presence is Presence.HEARD
    for second in range(42, 42 + PERIOD_S):
        story.at(second, look(Plink.ESTAB, 10))
    assert held_back
    assert story.peer.presence is Presence.PRESENT
    assert story.peer.bouncing


def test_calm_ends_it() -> None:
    story = Story()
    bounce(story, 1, 41)
    for second in range(42, 42 + NEWS_BURST * PERIOD_S):
        story.at(second, look(Plink.ESTAB, 10))
    assert isinstance(story.peer, Neighbor)
    assert not story.peer.bouncing
    assert story.peer.presence is Presence.PRESENT


def test_who_is_held_back_and_gone_is_not_told_and_not_due() -> None:
    story = Story()
    bounce(story, 1, 40)
    story.at(48, look(Plink.LISTEN, 8_000))
    assert len(story.mirror.rows) == 1
    for second in range(49, 80):  # whatever it has earned meanwhile is spent
        story.at(second, look(Plink.ESTAB if second % 2 else Plink.LISTEN, 10))
    story.at(88, look(Plink.LISTEN, 8_900))
    assert story.at(89, look(Plink.ESTAB, 10)) == [], "its arrival is held back"
    story.at(101, look(Plink.ESTAB, 12_000))
    assert story.at(60 * PERIOD_S) == []
    assert story.table.deadline() is None


@pytest.mark.timeout(20)
def test_readings_that_wait_do_not_hurry_what_is_held_back() -> None:
    """The table once ticked for ever: what was due might not be told."""

    def restarted(ids: int, signal_dbm: int) -> StationSeen:
        seen = station(inactive_ms=10, llid=ids, plid=ids, signal_dbm=signal_dbm)
        return StationSeen(MESH0, PEER, seen)

    story = Story()
    for number in range(NEWS_BURST):
        story.at(1, restarted(number, -30))
    story.at(1.2, restarted(NEWS_BURST - 1, -40))  # to be told at 2 s
    story.at(1.4, restarted(NEWS_BURST, -40))  # to be told at 11 s
    assert story.at(3, restarted(NEWS_BURST, -40)) == []
    assert len(story.at(1 + PERIOD_S)) == 1
