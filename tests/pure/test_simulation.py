"""The simulated mesh by which the detector is judged, itself judged by arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import sqrt
from random import Random

import pytest

from meshwatch.model import (
    Change,
    Evidence,
    Key,
    Neighbor,
    Plink,
    Presence,
    Proof,
    Readings,
    Reason,
)
from meshwatch.observations import StationField
from meshwatch.patience import DEPARTED_LEAST
from tools.bench.simulation.agent import Agent
from tools.bench.simulation.air import MS, Air
from tools.bench.simulation.ledger import Ledger
from tools.bench.simulation.neighbor import Neighbor as Simulated
from tools.bench.simulation.neighbor import Radio
from tools.bench.simulation.path import Path
from tools.bench.simulation.setting import SECOND_NS, Form, Setting
from tools.bench.simulation.station import Entry
from tools.bench.simulation.trials import life, vanishes
from tools.bench.simulation.world import MESH0, World

TU_NS = 1_024_000
B_NS = 1000 * TU_NS
PEER = "02:00:00:00:01:00"
CLEAR = Air(0)


def is_near(successes: int, tries: int, chance: float) -> bool:
    """Within four standard deviations."""
    return abs(successes - tries * chance) < 4 * sqrt(tries * chance * (1 - chance))


def simulated(air: Air = CLEAR, interval_tu: int = 1000, radio: Radio | None = None) -> Simulated:
    setting = Setting(Form.TAP, interval_tu, air)
    return Simulated(PEER, setting, radio or Radio(), Random(7), 0)


# ---- the air ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.4])
def test_independent_frames_get_lost_as_often_as_said(loss: float) -> None:
    way = Air(loss).way(B_NS, Random(1))
    lost = [way.loses(number) for number in range(50_000)]
    assert is_near(sum(lost), len(lost), loss)
    pairs = sum(a and b for a, b in itertools.pairwise(lost))
    assert is_near(pairs, len(lost) - 1, loss**2)


@pytest.mark.parametrize("beacons", [3, 10])
def test_bursts_are_as_long_as_said_in_beacons_and_lose_as_much(beacons: int) -> None:
    way = Air(0.2, burst_beacons=beacons).way(B_NS, Random(1))
    lost = [way.loses(number * B_NS) for number in range(200_000)]
    runs = sum(a and not b for a, b in itertools.pairwise(lost))
    assert abs(sum(lost) / len(lost) - 0.2) < 0.01
    assert abs(sum(lost) / runs - beacons) < 0.15 * beacons


def test_frames_a_millisecond_apart_share_a_fate_in_a_burst_and_after_long_do_not() -> None:
    way = Air(0.2, burst_ms=100).way(B_NS, Random(1))
    same, after_long = 0, 0
    for number in range(20_000):
        first = way.loses(number * 10 * SECOND_NS)
        same += first == way.loses(number * 10 * SECOND_NS + MS)
        after_long += first and way.loses(number * 10 * SECOND_NS + SECOND_NS)
    assert same / 20_000 > 0.99
    assert is_near(after_long, 20_000, 0.04)


def test_a_time_before_the_last_one_finds_the_same_state() -> None:
    way = Air(0.2, burst_ms=1).way(B_NS, Random(1))
    for number in range(1, 1000):
        assert way.loses(number * SECOND_NS) == way.loses(number * SECOND_NS - MS)


# ---- the neighbor ----------------------------------------------------------------------------


@pytest.mark.parametrize("interval_tu", [100, 1000])
def test_beacons_come_every_interval_up_to_three_milliseconds_late(interval_tu: int) -> None:
    neighbor = simulated(interval_tu=interval_tu)
    first_ns = neighbor.beacon_ns
    late_ns = []
    for number in range(2000):
        heard_ns = neighbor.beacon()
        assert heard_ns is not None
        late_ns.append(heard_ns - first_ns - number * interval_tu * TU_NS)
    assert min(late_ns) >= -3 * MS and max(late_ns) <= 3 * MS
    assert max(late_ns) - min(late_ns) > 2 * MS


def test_the_kernel_knows_what_was_heard_last_to_four_milliseconds() -> None:
    neighbor = simulated(Air(0.4))
    heard_ns = 0
    for _ in range(500):
        heard_ns = neighbor.beacon() or heard_ns
        now_ns = neighbor.beacon_ns - 1
        inactive_ms = neighbor.entry.told(now_ns).inactive_ms
        assert inactive_ms % 4 == 0
        assert abs(inactive_ms * MS - (now_ns - heard_ns)) < 4 * MS or not heard_ns


@pytest.mark.parametrize("tries", [7, 4])
def test_an_exchange_needs_both_ways_once_in_all_its_tries(tries: int) -> None:
    neighbor = simulated(Air(0.4))
    answers = [neighbor.exchange(number * SECOND_NS, tries) for number in range(20_000)]
    chance = 1 - (1 - 0.6 * 0.6) ** tries
    assert is_near(sum(answer.acknowledged for answer in answers), len(answers), chance)
    for number, answer in enumerate(answers):
        took_ns = answer.ended_ns - number * SECOND_NS
        assert answer.tries * MS <= took_ns <= answer.tries * 2 * MS
    failed = sum(not answer.acknowledged for answer in answers)
    said = neighbor.entry.told(20_000 * SECOND_NS)
    assert (said.tx_packets, said.tx_failed) == (len(answers), failed)
    assert said.tx_retries == sum(answer.tries - 1 for answer in answers)


def silent(neighbor: Simulated, radio: Radio) -> None:
    neighbor.gone = True


def asleep(neighbor: Simulated, radio: Radio) -> None:
    neighbor.asleep = True


def deaf(neighbor: Simulated, radio: Radio) -> None:
    radio.leave(0, 10_000 * SECOND_NS)


@pytest.mark.parametrize(("fate", "beacons"), [(silent, False), (asleep, True), (deaf, False)])
def test_who_gives_no_answer(fate: Callable[[Simulated, Radio], None], beacons: bool) -> None:
    radio = Radio()
    neighbor = simulated(radio=radio)
    fate(neighbor, radio)
    assert not neighbor.exchange(SECOND_NS, 7).acknowledged
    assert not neighbor.replies(SECOND_NS, 7)
    assert neighbor.entry.life_ns == 0
    assert (neighbor.beacon() is not None) == beacons


def test_a_radio_that_leaves_has_heard_what_came_before() -> None:
    radio = Radio()
    neighbor = simulated(radio=radio, interval_tu=100)
    radio.leave(2 * SECOND_NS, 5 * SECOND_NS)
    neighbor.beacons(4 * SECOND_NS)
    assert 2 * SECOND_NS - neighbor.entry.life_ns < 110 * MS
    neighbor.beacons(6 * SECOND_NS)
    assert 6 * SECOND_NS - neighbor.entry.life_ns < 110 * MS


def test_the_station_entry_speaks_only_of_what_it_knows() -> None:
    entry = Entry(0)
    entry.received(5 * SECOND_NS)
    entry.sent(7 * SECOND_NS, 7, False)
    said = entry.told(9 * SECOND_NS)
    assert said.plink == Plink.ESTAB
    assert (said.inactive_ms, said.connected_s, said.rx_packets, said.tx_failed) == (4000, 9, 1, 1)
    for number, field in enumerate(StationField):
        assert said.present & field or said[number + 1] == 0


# ---- the agent and the path ------------------------------------------------------------------


def quiet(presence: Presence = Presence.QUIET, proof: Proof = Proof.LOOK) -> Change:
    row = Neighbor(
        ifindex=MESH0,
        interface="mesh0",
        address=PEER,
        presence=presence,
        reason=Reason.SILENT,
        since_ns=0,
        first_heard_ns=0,
        evidence=Evidence(proof=proof),
        readings=Readings(last_heard_ns=0, beacon_interval_tu=100),
    )
    return Change(row.key, None, row)


def test_an_agent_pokes_three_times_and_then_once_a_minute() -> None:
    agent, now_ns = Agent(), SECOND_NS
    assert agent.news(quiet())
    assert not agent.news(quiet()), "it is at it already"
    assert not Agent().news(quiet(proof=Proof.PROBE))
    sent = 0
    while (next_ns := agent.pokes(PEER, now_ns)) is not None:
        assert next_ns - now_ns == 40 * MS
        now_ns, sent = next_ns, sent + 1
    assert sent == 3
    agent.news(quiet(Presence.PRESENT))
    assert agent.news(quiet())
    assert agent.pokes(PEER, now_ns + 50 * SECOND_NS) is None, "no token is left"
    assert agent.pokes(PEER, now_ns + 60 * SECOND_NS) is not None
    agent.news(quiet(Presence.PRESENT))
    assert agent.pokes(PEER, now_ns + 120 * SECOND_NS) is None, "it is present again"


def test_a_datagram_waits_for_a_path_which_is_forgotten_after_five_seconds() -> None:
    neighbor = simulated()
    path = Path(neighbor, 7)
    asks = path.datagram(SECOND_NS)
    assert asks[0] == SECOND_NS and len(asks) == 3
    assert path.datagram(SECOND_NS + 40 * MS) == (), "it is being asked for"
    assert neighbor.entry.tx_packets == 0
    path.ask(asks[0])
    assert SECOND_NS < neighbor.entry.life_ns <= SECOND_NS + 2 * MS
    assert path.datagram(2 * SECOND_NS) == ()
    assert neighbor.entry.tx_packets == 1
    assert path.datagram(8 * SECOND_NS) != ()


# ---- the world -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", Form)
def test_the_table_has_the_neighbors_and_their_last_sign_of_life(form: Form) -> None:
    world = World(Setting(form, 1000, CLEAR, neighbors=3), Random(1))
    world.run(world.now + 60 * SECOND_NS)
    assert len(world.neighbors) == 3
    for address, neighbor in world.neighbors.items():
        row = world.table.row(Key("neighbor", MESH0, address))
        assert isinstance(row, Neighbor) and row.presence is Presence.PRESENT
        assert abs(row.readings.last_heard_ns - neighbor.entry.life_ns) <= 2 * SECOND_NS


def test_other_frames_come_as_often_as_said_and_are_signs_of_life() -> None:
    world = World(Setting(Form.PASSIVE, 1000, CLEAR, frames_per_minute=30), Random(1))
    begun_ns = world.now
    world.run(begun_ns + 3600 * SECOND_NS)
    frames = world.neighbors[PEER].entry.rx_packets - (world.now - begun_ns) / B_NS
    assert abs(frames - 30 * 60) < 4 * sqrt(30 * 60)


@pytest.mark.parametrize("form", Form)
def test_a_stopped_daemon_learns_afterwards_what_the_kernel_heard_meanwhile(form: Form) -> None:
    world = World(Setting(form, 100, CLEAR), Random(1))
    world.run(world.now + 60 * SECOND_NS)
    world.stop(10 * SECOND_NS, ticks_first=True)
    begun_ns = world.now

    def last_heard_ns() -> int:
        row = world.table.row(Key("neighbor", MESH0, PEER))
        assert isinstance(row, Neighbor)
        return row.readings.last_heard_ns

    world.run(begun_ns + 9_900 * MS)
    assert last_heard_ns() <= begun_ns
    world.run(begun_ns + 11_100 * MS)
    assert last_heard_ns() > begun_ns + 9_800 * MS


def test_a_departure_is_told_after_the_last_sign_of_life_and_of_nobody_else() -> None:
    setting = Setting(Form.PASSIVE, 1000, Air(0.2), neighbors=2)
    world = World(setting, Random(1))
    world.run(world.now + 60 * SECOND_NS)
    world.ledger = Ledger()
    world.neighbors[PEER].gone = True
    world.run(world.now + 300 * SECOND_NS)
    (departure,) = world.ledger.departures
    assert departure.address == PEER
    life_ns = world.neighbors[PEER].entry.life_ns
    assert departure.told_ns > life_ns + B_NS
    assert departure.missed == (departure.told_ns - life_ns) // B_NS >= DEPARTED_LEAST


@pytest.mark.parametrize("form", Form)
def test_the_same_seed_gives_the_same_figures(form: Form) -> None:
    setting = Setting(form, 1000, Air(0.4))
    assert vanishes(setting, 3, 4) == vanishes(setting, 3, 4) != vanishes(setting, 4, 4)
    assert life(setting, 3, 0.01) == life(setting, 3, 0.01)


def test_departures_are_weighed_as_they_are_seen() -> None:
    """A frame is tried once here and fails with 1 - 0.6 * 0.6, so that they can be seen."""
    lived = life(Setting(Form.TAP, 1000, Air(0.4), neighbors=4, tries=1), 1, 0.1)
    assert lived.weighed
    assert abs(lived.departures - lived.weighed) < 4 * sqrt(max(lived.weighed, 1))
