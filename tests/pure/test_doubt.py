"""How long a neighbor must be silent before its probes decide, by what became of earlier ones."""

from __future__ import annotations

from meshwatch.cadence import TU_NS
from meshwatch.doubt import Doubt
from meshwatch.patience import MOST_MISSED, Patience
from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import Form, Setting
from tools.bench.simulation.trials import life

B_NS = 1000 * TU_NS


def bursty() -> Patience:
    """Loses three beacons in a row of every fifteen."""
    patience = Patience()
    for _ in range(100):
        patience.beacon_after(4 * B_NS)
        for _ in range(11):
            patience.beacon_after(B_NS)
    return patience


def test_nobody_is_doubted_for_answers_that_came() -> None:
    doubt = Doubt()
    for _ in range(100):
        doubt.ended(mistaken=False)
    assert doubt.share == 0


def test_the_share_of_mistakes_is_as_of_late() -> None:
    doubt = Doubt()
    for number in range(1000):
        doubt.ended(mistaken=number % 4 == 0)
    assert 0.24 < doubt.share < 0.25
    for _ in range(10_000):
        doubt.ended(mistaken=False)
    assert doubt.share == 0


def test_two_short_absences_make_no_habit() -> None:
    doubt = Doubt()
    doubt.ended(mistaken=True)
    doubt.ended(mistaken=True)
    assert doubt.share == 0
    doubt.ended(mistaken=True)
    assert doubt.share > 0.5


def test_probes_that_failed_with_the_beacons_wait_for_a_longer_silence() -> None:
    patience = bursty()
    late_ns = patience.late_ns
    patience.asked(5 * B_NS, unanswered=False)
    assert patience.late_ns == late_ns
    for _ in range(3):
        patience.asked(5 * B_NS, unanswered=True)
    once_ns = patience.late_ns
    assert once_ns > late_ns + 2 * B_NS
    for _ in range(20):
        patience.asked(5 * B_NS, unanswered=True)
    assert once_ns < patience.late_ns <= (MOST_MISSED + 1) * B_NS


def test_answers_win_the_trust_back() -> None:
    patience = bursty()
    for _ in range(3):
        patience.asked(5 * B_NS, unanswered=True)
    doubted_ns = patience.late_ns
    for _ in range(100):
        patience.asked(5 * B_NS, unanswered=False)
    patience.learn()
    assert patience.late_ns < doubted_ns


def test_a_link_that_loses_nothing_any_more_is_not_doubted() -> None:
    patience = bursty()
    for _ in range(20):
        patience.asked(5 * B_NS, unanswered=True)
    for _ in range(20_000):
        patience.beacon_after(B_NS)
    assert patience.late_ns == B_NS + B_NS // 4


def test_who_was_away_was_no_mistake() -> None:
    patience = bursty()
    late_ns = patience.late_ns
    patience.asked(100 * B_NS, unanswered=True)
    assert patience.late_ns == late_ns


def test_bursts_of_three_beacons_are_departures_only_until_they_are_known() -> None:
    """All frames are lost for 2.4 s, and none for 9.5 s, in the mean: some 1400 bursts."""
    lived = life(Setting(Form.TAP, 1000, Air(0.2, burst_beacons=3)), 1, 0.2)
    assert lived.quiets > 0
    assert lived.departures <= 4
