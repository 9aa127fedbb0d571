"""How much silence is late, quiet, a departure, for neighbors with different pasts."""

from __future__ import annotations

from random import Random

import pytest

from meshwatch.cadence import TU_NS
from meshwatch.loss import Loss
from meshwatch.patience import DEPARTED_LEAST, MOST_MISSED, Patience

SECOND_NS = 10**9


def after(beacons: int, loss: float, interval_tu: int, seed: int = 1) -> Patience:
    """After so many beacons, heard by a tap."""
    patience, chance = Patience(), Random(seed)
    patience.claim(interval_tu, 0)
    missed = 0
    for _ in range(beacons):
        if chance.random() < loss:
            missed += 1
        else:
            patience.beacon_after((missed + 1) * interval_tu * TU_NS)
            missed = 0
    return patience


def limits(patience: Patience) -> tuple[int, int, int]:
    """Late, quiet and departed, in beacons missed."""
    every_ns = patience.cadence.ns
    return (
        patience.late_ns // every_ns,
        patience.quiet_ns // every_ns,
        patience.departed_ns // every_ns,
    )


@pytest.mark.parametrize("interval_tu", [100, 1000])
def test_one_late_beacon_is_unusual_for_a_good_neighbor(interval_tu: int) -> None:
    late, quiet, departed = limits(after(2000, 0, interval_tu))
    assert (late, departed) == (1, DEPARTED_LEAST)
    assert quiet in {2, 3}


@pytest.mark.parametrize(
    ("interval_tu", "late", "departed"), [(1000, {3}, {7, 8}), (100, {4, 5}, {8, 9, 10})]
)
def test_a_neighbor_that_loses_one_in_five(
    interval_tu: int, late: set[int], departed: set[int]
) -> None:
    for seed in range(20):
        found = limits(after(3000, 0.2, interval_tu, seed))
        assert found[0] in late
        assert found[2] in departed


@pytest.mark.parametrize(
    ("interval_tu", "most_ns"), [(1000, 34 * SECOND_NS), (100, 31 * SECOND_NS)]
)
def test_the_worst_neighbor_is_given_up_in_the_end(interval_tu: int, most_ns: int) -> None:
    assert after(3000, 0.99, interval_tu).departed_ns <= most_ns
    assert after(3000, 0.9, interval_tu).departed_ns > 5 * SECOND_NS


@pytest.mark.parametrize(("before_tu", "after_tu"), [(100, 1000), (1000, 100)])
def test_limits_follow_the_interval_that_is_claimed(before_tu: int, after_tu: int) -> None:
    patience = after(2000, 0, before_tu)
    patience.claim(after_tu, 200 * SECOND_NS)
    assert limits(patience) == limits(after(2000, 0, after_tu))


def test_an_absence_is_no_loss() -> None:
    patience = after(2000, 0, 100)
    before = limits(patience)
    patience.beacon_after(10 * MOST_MISSED * patience.cadence.ns)
    assert limits(patience) == before
    patience.looked_after(10 * MOST_MISSED * patience.cadence.ns)
    patience.returned()
    assert limits(patience) == before


def test_a_silence_counts_once_when_it_has_ended() -> None:
    patience = after(200, 0, 1000)
    before = patience.loss_percent
    for quarter in range(5, 25):
        patience.looked_after(quarter * patience.cadence.ns // 4)
    assert patience.loss_percent == before
    patience.returned()
    assert patience.loss_percent == 2  # five of 206


def test_bursts_are_learned() -> None:
    bursts, alone = Loss(), Loss()
    for _ in range(40):
        for loss, pattern in ((bursts, (5, *[0] * 19)), (alone, (1,) * 5 + (0,) * 15)):
            for missed in pattern:
                loss.heard_after(missed)
    assert bursts.percent == alone.percent == 20
    assert bursts.unusual(1e-5) > 2 * alone.unusual(1e-5)
