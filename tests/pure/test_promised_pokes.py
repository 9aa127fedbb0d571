"""What the promise of an agent to poke does to how often stations are looked at, and how soon a
vanish is told."""

from __future__ import annotations

import pytest

from meshwatch.means import POKED_NS, Means
from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.trials import vanishes


@pytest.mark.parametrize("interval_tu", [1000, 100])
def test_the_first_silence_already_is_told_within_four_beacons(interval_tu: int) -> None:
    setting = Setting(Form.BARE, interval_tu, Air(0))
    assert max(vanishes(setting, 1, 5)) < 4 * setting.interval_ns


def test_a_promise_ends_when_it_was_said_to_or_is_taken_back() -> None:
    means = Means()
    assert not means.pokes(SECOND_NS)
    means.promised(SECOND_NS, 600 * SECOND_NS)
    assert means.pokes(600 * SECOND_NS)
    assert not means.pokes(602 * SECOND_NS)
    means.promised(700 * SECOND_NS, 600 * SECOND_NS)
    means.promised(701 * SECOND_NS, 0)
    assert not means.pokes(702 * SECOND_NS)


def test_who_pokes_without_a_promise_is_reckoned_with_for_a_while() -> None:
    means = Means()
    means.poked(SECOND_NS)
    assert means.pokes(POKED_NS)
    assert not means.pokes(SECOND_NS + POKED_NS)
