"""The two questions to a detector: how soon a vanish is told, and how often a vanish is told of
somebody who is there."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from random import Random

from meshwatch.model import Key
from tools.bench.simulation.ledger import Ledger
from tools.bench.simulation.setting import SECOND_NS, Setting
from tools.bench.simulation.world import BEGIN_NS, MESH0, World

WARM_UP_NS = 600 * SECOND_NS
PATIENCE_NS = 600 * SECOND_NS  # then a vanish counts as never told
APART_NS = (5 * SECOND_NS, 15 * SECOND_NS)  # from one vanish to the next, of one life


def world(setting: Setting, seed: int) -> World:
    """A world that has gone on for ten minutes."""
    made = World(setting, Random(f"{seed} {setting}"))
    made.run(BEGIN_NS + WARM_UP_NS)
    made.ledger = Ledger()
    return made


def vanishes(setting: Setting, seed: int, count: int) -> list[int]:
    """Latencies of so many departures, ns, from the last sign of life to the table's word.

    One world lives on; at random times a copy of it goes another way, in which the neighbor
    vanishes. So what the detector has learned is worth ten minutes and more.
    """
    original, random = world(setting, seed), Random(f"{seed} {setting} vanishes")
    latencies: list[int] = []
    while len(latencies) < count:
        original.run(original.now + random.randrange(*APART_NS))
        copy = deepcopy(original)
        copy.ledger = Ledger()
        address, neighbor = next(iter(copy.neighbors.items()))
        if copy.table.row(Key("neighbor", MESH0, address)) is None:
            continue  # at this time it is falsely thought departed
        neighbor.beacons(copy.now)
        neighbor.gone = True
        limit_ns = copy.now + PATIENCE_NS
        while not copy.ledger.departures and copy.now < limit_ns:
            copy.run(copy.now + SECOND_NS)
        told_ns = copy.ledger.departures[0][0] if copy.ledger.departures else limit_ns
        latencies.append(told_ns - neighbor.entry.life_ns)
    return latencies


@dataclass(frozen=True)
class Life:
    """What was said of neighbors who were there all the time."""

    days: float  # of neighbors, together
    quiets: int
    departures: int
    asks: int
    worst_minute: int
    looks: int

    def __add__(self, other: Life) -> Life:
        return Life(
            self.days + other.days,
            self.quiets + other.quiets,
            self.departures + other.departures,
            self.asks + other.asks,
            max(self.worst_minute, other.worst_minute),
            self.looks + other.looks,
        )


def life(setting: Setting, seed: int, days: float) -> Life:
    """So many days of neighbors, together, after a warm-up that does not count."""
    lived = world(setting, seed)
    lived.run(lived.now + int(days * 86_400 / setting.neighbors) * SECOND_NS)
    ledger = lived.ledger
    return Life(
        days,
        ledger.quiets,
        len(ledger.departures),
        ledger.asks,
        ledger.worst_minute,
        ledger.looks,
    )
