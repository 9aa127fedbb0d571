"""Who looks and does not ask takes nobody for departed before seven beacons were really missed."""

from __future__ import annotations

from random import Random

from meshwatch.patience import DEPARTED_LEAST
from tools.bench.simulation.air import Air
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.world import World


def test_nobody_departs_on_fewer_beacons() -> None:
    """In bursts, so that some depart soon."""
    world = World(Setting(Form.PASSIVE, 1000, Air(0.2, burst_beacons=10), neighbors=10), Random(1))
    world.run(world.now + 600 * SECOND_NS)
    missed = [departure.missed for departure in world.ledger.departures]
    assert missed
    assert min(missed) >= DEPARTED_LEAST
