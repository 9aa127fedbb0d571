"""Nobody departs because we were deaf, or because the neighbor sleeps between its beacons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

import pytest

from meshwatch.model import PowerMode
from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.world import World

TIMES = 5  # that it befalls each neighbor, at any phase of everything
NEIGHBORS = 3


def scan(world: World) -> None:
    world.scan(3 * SECOND_NS)


def stop_and_tick(world: World) -> None:
    world.stop(10 * SECOND_NS, ticks_first=True)


def stop_and_hear(world: World) -> None:
    world.stop(10 * SECOND_NS, ticks_first=False)


def suspend(world: World) -> None:
    world.suspend(10 * SECOND_NS)


@pytest.mark.parametrize("befall", [scan, stop_and_tick, stop_and_hear, suspend])
@pytest.mark.parametrize(("interval_tu", "loss"), [(1000, 0.2), (100, 0.2), (100, 0.0)])
@pytest.mark.parametrize("form", Form)
def test_nobody_departs_while_we_are_deaf(
    form: Form, interval_tu: int, loss: float, befall: Callable[[World], None]
) -> None:
    random = Random(1)
    world = World(Setting(form, interval_tu, Air(loss), NEIGHBORS), random)
    world.run(world.now + 60 * SECOND_NS)
    assert world.ledger.arrivals == NEIGHBORS
    for _ in range(TIMES):
        befall(world)
        world.run(world.now + random.randrange(12 * SECOND_NS, 15 * SECOND_NS))
        assert not world.ledger.departures
    if not loss:
        assert world.ledger.quiets == 0, "and a link without loss is not even called quiet"


@pytest.mark.parametrize(("form", "interval_tu"), list(product(Form, (1000, 100))))
def test_nobody_departs_who_sleeps_between_its_beacons(form: Form, interval_tu: int) -> None:
    world = World(Setting(form, interval_tu, Air(0.2), NEIGHBORS), Random(1))
    for neighbor in world.neighbors.values():
        neighbor.asleep, neighbor.entry.power_mode = True, int(PowerMode.LIGHT_SLEEP)
    world.run(world.now + 600 * world.setting.interval_ns)
    assert world.ledger.arrivals == NEIGHBORS
    assert not world.ledger.departures
