"""Delays of those who want to know, from a small air and what they said."""

from __future__ import annotations

import pytest

from tools.lab.delays import Event, Heard, Knower, Verdict, address, filled

OWN, NEIGHBOR = address(0), address(4)
CLOSED = Event("closed", 4, 10.0, 11.0, "gone")
ANEW = Event("re-established", 4, 11.0, 12.0, "here")
VANISHED = Event("vanished", 4, 20.0, 25.0, "gone", 20.5)
RETURNED = Event("returned", 4, 25.0, 26.0, "here", 25.0)
EVENTS = [CLOSED, ANEW, VANISHED, RETURNED]
AIR = Heard({NEIGHBOR: [19.0, 20.0, 25.3]}, [(10.2, 3, NEIGHBOR, OWN), (11.4, 2, OWN, NEIGHBOR)])


def cell(kind: str, *said: Verdict, loss: float = 0.0) -> str:
    knower = Knower("", OWN, lambda who: list(said) if who == NEIGHBOR else [])
    return str(filled(kind, EVENTS, AIR, knower, loss))


@pytest.mark.parametrize(
    ("kind", "verdict", "delay"),
    [
        ("closed", Verdict(10.25, "gone"), "50/50"),
        ("re-established", Verdict(11.5, "here"), "100/100"),
        ("vanished", Verdict(21.5, "gone"), "1500/1500"),
        ("returned", Verdict(25.4, "here"), "100/100"),
    ],
)
def test_from_the_air_to_his_word(kind: str, verdict: Verdict, delay: str) -> None:
    assert cell(kind, verdict) == delay


def test_what_he_said_of_the_next_event_is_no_late_word_of_this_one() -> None:
    """A slow poller that missed the Close sees the neighbor vanish, minutes later."""
    assert cell("closed", Verdict(21.5, "gone")) == "never"
    assert cell("vanished", Verdict(21.5, "gone")) == "1500/1500"


def test_where_frames_get_lost_only_who_says_himself_how_long_can_be_timed() -> None:
    assert cell("closed", Verdict(10.3, "gone"), loss=0.2) == "-"
    assert cell("closed", loss=0.2) == "never"
    assert cell("vanished", Verdict(21.5, "gone"), loss=0.2) == "-"
    assert cell("vanished", Verdict(21.5, "gone", 1.4), loss=0.2) == "1400/1400"


def test_the_worst_the_median_and_who_never_knew() -> None:
    knower = Knower("", OWN, lambda _: [Verdict(10.25, "gone")])
    events = [CLOSED, CLOSED._replace(began=10.5), CLOSED._replace(radio=5)]
    air = Heard(
        {NEIGHBOR: [], address(5): []}, [(10.2, 3, NEIGHBOR, OWN), (10.0, 3, address(5), OWN)]
    )
    assert str(filled("closed", events[::2], air, knower, 0)) == "150/250"
    assert str(filled("closed", events, air, knower, 0)) == "150/250 (1 never)"
