"""Desktop notifications are few, and true when they come."""

from __future__ import annotations

import pytest

from meshwatch.discretion import GATHER_NS, PERIOD_NS, Acquaintance, Discretion, Notice

S = 1_000_000_000
ANA = Acquaintance("a", "Ana", True)
BEN = Acquaintance("b", "Ben", True)


def left(who: Acquaintance) -> Acquaintance:
    return who._replace(near=False)


def test_who_comes_is_told_once() -> None:
    discretion = Discretion()
    discretion.see(ANA, 0)
    assert discretion.due(GATHER_NS - 1) == []
    assert discretion.deadline() == GATHER_NS
    assert discretion.due(GATHER_NS) == [Notice(True, ("Ana",))]
    assert discretion.due(10 * PERIOD_NS) == []
    assert discretion.deadline() is None


def test_who_was_there_at_the_start_is_no_news_but_its_leaving_is() -> None:
    discretion = Discretion()
    discretion.begin([ANA], 0)
    assert discretion.deadline() is None
    discretion.gone("a", S)
    assert discretion.due(S + GATHER_NS) == [Notice(False, ("Ana",))]


def test_who_goes_within_a_moment_was_not_there() -> None:
    discretion = Discretion()
    discretion.see(ANA, 0)
    discretion.gone("a", GATHER_NS // 2)
    assert discretion.deadline() is None
    assert discretion.due(PERIOD_NS) == []


def test_one_in_ten_minutes_and_then_what_is_true() -> None:
    discretion = Discretion()
    discretion.see(ANA, 0)
    discretion.due(GATHER_NS)
    for minute in range(1, 9):
        discretion.see(ANA._replace(near=minute % 2 == 0), minute * 60 * S)
        assert discretion.due(minute * 60 * S + GATHER_NS) == []
    assert discretion.deadline() is None  # told that she is near, and so she is
    discretion.gone("a", 540 * S)
    assert discretion.deadline() == GATHER_NS + PERIOD_NS
    assert discretion.due(GATHER_NS + PERIOD_NS) == [Notice(False, ("Ana",))]


def test_who_went_and_comes_back_is_still_held_to_the_ten_minutes() -> None:
    discretion = Discretion()
    discretion.begin([ANA], 0)
    discretion.gone("a", S)
    told_ns = S + GATHER_NS
    assert discretion.due(told_ns)
    discretion.due(60 * S)
    discretion.see(ANA, 61 * S)
    assert discretion.due(120 * S) == []
    assert discretion.due(told_ns + PERIOD_NS) == [Notice(True, ("Ana",))]


def test_a_stranger_is_told_when_its_name_is_known() -> None:
    discretion = Discretion()
    discretion.see(ANA._replace(label=None), 0)
    assert discretion.due(PERIOD_NS) == []
    discretion.see(ANA, PERIOD_NS)
    assert discretion.due(PERIOD_NS) == [Notice(True, ("Ana",))]


def test_a_daemon_that_starts_anew_is_no_news() -> None:
    discretion = Discretion()
    discretion.see(ANA, 0)
    discretion.due(GATHER_NS)
    discretion.begin([BEN], 5 * S)
    assert discretion.deadline() is None


def test_only_favourites() -> None:
    discretion = Discretion(favourites_only=True)
    discretion.see(ANA, 0)
    discretion.see(BEN._replace(favourite=True), 0)
    assert discretion.due(GATHER_NS) == [Notice(True, ("Ben",))]


def test_a_class_that_comes_in_makes_one_notice() -> None:
    discretion = Discretion()
    for number in range(30):
        discretion.see(Acquaintance(str(number), f"laptop{number}", True), number * S // 30)
    [notice] = discretion.due(3 * S)
    assert notice.text == "laptop0, laptop1 and 28 others are near"


@pytest.mark.parametrize(
    ("near", "labels", "text"),
    [
        (True, ("Ana",), "Ana is near"),
        (False, ("Ana",), "Ana has left"),
        (True, ("Ana", "Ben"), "Ana and Ben are near"),
        (False, ("Ana", "Ben", "Eva"), "Ana, Ben and Eva have left"),
        (False, ("Ana", "Ben", "Eva", "Leo"), "Ana, Ben and 2 others have left"),
    ],
)
def test_in_words(near: bool, labels: tuple[str, ...], text: str) -> None:
    assert Notice(near, labels).text == text


def test_those_who_went_are_forgotten() -> None:
    discretion = Discretion()
    discretion.see(ANA._replace(label=None), 0)
    discretion.gone("a", S)
    discretion.due(S)
    discretion.gone("a", 2 * S)  # nobody: would raise if it was still half known
    assert discretion.deadline() is None
