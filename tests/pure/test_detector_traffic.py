"""Nobody departs for what the neighbor sends besides its beacons."""

from __future__ import annotations

from random import Random

import pytest

from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.world import World


@pytest.mark.parametrize(
    ("form", "loss", "frames_per_minute"),
    [(Form.PASSIVE, 0.0, 6.0), (Form.PASSIVE, 0.2, 6.0), (Form.BARE, 0.0, 6.0)],
)
def test_a_few_frames_are_not_taken_for_beacons(
    form: Form, loss: float, frames_per_minute: float
) -> None:
    setting = Setting(form, 1000, Air(loss), 10, frames_per_minute=frames_per_minute)
    world = World(setting, Random(1))
    world.run(world.now + 600 * SECOND_NS)
    assert world.ledger.arrivals >= 10
    assert not world.ledger.departures


def test_a_link_that_just_came_up_is_not_judged_by_its_first_frames() -> None:
    """The frames of peering come at any time, and the first beacons after them."""
    for seed in range(4):
        world = World(Setting(Form.PASSIVE, 1000, Air(0.2), 5), Random(seed))
        world.run(world.now + 60 * SECOND_NS)
        assert not world.ledger.departures
