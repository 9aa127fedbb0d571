"""The two questions to a detector: how soon a vanish is told, and how often a vanish is told of
somebody who is there.

Where frames are lost independently, a probe fails with a known probability, and three in a row
do too seldom to wait for. So at each first probe of a silence a copy of the world goes another
way, in which all probes to that neighbor fail; a departure that follows counts as much as that
is probable.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from random import Random

from meshwatch.model import Key
from tools.bench.simulation.ledger import Ledger
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
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
        told_ns = copy.ledger.departures[0].told_ns if copy.ledger.departures else limit_ns
        latencies.append(told_ns - neighbor.entry.life_ns)
    return latencies


@dataclass(frozen=True)
class Life:
    """What was said of neighbors who were there all the time."""

    days: float  # of neighbors, together
    quiets: int
    departures: int
    fewest_missed: int | None  # beacons before a departure
    asks: int
    worst_minute: int
    looks: int
    weighed: float | None  # departures to be expected in that time, by probes that failed

    def __add__(self, other: Life) -> Life:
        return Life(
            self.days + other.days,
            self.quiets + other.quiets,
            self.departures + other.departures,
            min(_known(self.fewest_missed, other.fewest_missed), default=None),
            self.asks + other.asks,
            max(self.worst_minute, other.worst_minute),
            self.looks + other.looks,
            None if self.weighed is None else self.weighed + (other.weighed or 0),
        )


def life(setting: Setting, seed: int, days: float, weighs: float = 1.0) -> Life:
    """So many days of neighbors, together, after a warm-up that does not count; ``weighs``: the
    share of first probes of which it is weighed what would be if they failed."""
    lived, random = world(setting, seed), Random(f"{seed} {setting} weighs")
    end_ns = lived.now + int(days * 86_400 / setting.neighbors) * SECOND_NS
    weighed = None
    if setting.form is Form.TAP and setting.air.is_independent:
        weighed, lived.stops_in_doubt = 0.0, True
        while lived.now < end_ns:
            lived.run(end_ns)
            doubts, lived.doubts = lived.doubts, []
            doubts = [each for each in doubts if random.random() < weighs]
            weighed += sum(_if_unlucky(lived, address) for address in doubts) / weighs
    lived.run(end_ns)
    ledger = lived.ledger
    return Life(
        days,
        ledger.quiets,
        len(ledger.departures),
        min((departure.missed for departure in ledger.departures), default=None),
        ledger.asks,
        ledger.worst_minute,
        ledger.looks,
        weighed,
    )


def _if_unlucky(original: World, address: str) -> float:
    """How probable a departure is that rests on the probe just wanted and those after it."""
    copy = deepcopy(original)
    copy.ledger, copy.stops_in_doubt, copy.unlucky = Ledger(), False, {address: 0}
    entry, setting = copy.neighbors[address].entry, copy.setting
    life_ns, limit_ns = entry.life_ns, copy.now + PATIENCE_NS
    while entry.life_ns == life_ns and copy.now < limit_ns:
        copy.run(copy.now + setting.interval_ns // 8)
        for told_ns, who, *_ in copy.ledger.departures:
            if who == address and (entry.life_ns == life_ns or told_ns < entry.life_ns):
                fails = (1 - (1 - setting.air.loss) ** 2) ** setting.tries
                return float(fails ** copy.unlucky[address])
    return 0.0


def _known(*figures: int | None) -> list[int]:
    return [figure for figure in figures if figure is not None]
