"""When the probes for one neighbor, or for all together, are spent, silence has to decide."""

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


def test_who_was_probed_too_often_departs_after_a_silence_of_once_a_year() -> None:
    world = World(Setting(Form.TAP, 1000, Air(0), 1), Random(1))
    world.run(world.now + 60 * SECOND_NS)
    delays_s = []
    for _ in range(20):
        gone_ns = world.now
        told = len(world.ledger.departures)
        world.walk_away(36 * SECOND_NS)
        world.run(world.now + 45 * SECOND_NS)
        delays_s += [(d.told_ns - gone_ns) / SECOND_NS for d in world.ledger.departures[told:]]
    assert len(delays_s) == 20
    assert max(delays_s[:4]) < 2, "eight probes, and eight on credit"
    assert 2 < max(delays_s) < 14
