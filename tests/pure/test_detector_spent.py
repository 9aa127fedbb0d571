"""When the probes for all neighbors are spent, they wait for the next, and the table goes on."""

from __future__ import annotations

from random import Random

from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.world import World

CROWD = 40  # three probes each are more than all may cost at once


def test_a_crowd_that_vanishes_at_once_is_told_in_time() -> None:
    world = World(Setting(Form.TAP, 100, Air(0), CROWD), Random(1))
    world.run(world.now + 20 * SECOND_NS)
    for neighbor in world.neighbors.values():
        neighbor.gone = True
    asks = world.ledger.asks
    world.run(world.now + 5 * SECOND_NS)
    assert len(world.ledger.departures) == CROWD
    assert 30 <= world.ledger.asks - asks <= 30 + 10


def test_who_cannot_be_asked_departs_when_mere_silence_says_so() -> None:
    world = World(Setting(Form.TAP, 1000, Air(0), CROWD), Random(1))
    world.run(world.now + 60 * SECOND_NS)
    for neighbor in world.neighbors.values():
        neighbor.gone = True
    world.run(world.now + 3 * SECOND_NS)
    assert 5 <= len(world.ledger.departures) < CROWD, "those who were probed"
    world.run(world.now + 6 * SECOND_NS)
    assert len(world.ledger.departures) == CROWD
