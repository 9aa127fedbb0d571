"""Readings, reach and deafness of a single link, at literal times."""

from __future__ import annotations

import pytest

from meshwatch.hearing import Hearing
from meshwatch.link import Link
from meshwatch.model import InterfaceType, Plink, PowerMode, Readings
from meshwatch.observations import Station
from meshwatch.portrait import neighbor
from meshwatch.portrait import readings as readings_of
from tests.pure.scenarios import MESH0, MS, PEER, SECOND, station

BEACON_MS = 1024


def link() -> Link:
    return Link(MESH0, PEER)


def readings(seen: Station) -> Readings:
    one = link()
    one.look(seen, InterfaceType.MESH, SECOND, Hearing())
    return readings_of(one)


def reach(looks: list[tuple[int, int]], *, deaf: tuple[int, int] | None = None) -> str:
    """After looks at (now, inactive), all in ms."""
    one, hearing = link(), Hearing()
    if deaf:
        hearing.deaf(deaf[0] * MS, deaf[1] * MS)
    for now, inactive_ms in looks:
        one.look(station(inactive_ms=inactive_ms), InterfaceType.MESH, now * MS, hearing)
    return f"{readings_of(one).reach:016b}"


def beacons(*, until: int, step: int = 1000, lost: frozenset[int] = frozenset()) -> str:
    """Looks every ``step`` ms at a neighbor that sends beacons only."""
    heard = [n * BEACON_MS for n in range(until // BEACON_MS + 1) if n not in lost]
    return reach(
        [(now, now - max(h for h in heard if h <= now)) for now in range(10, until + 1, step)]
    )


def test_only_what_the_kernel_says_is_known() -> None:
    assert readings(station()) == Readings(last_heard_ns=SECOND, reach=1)


def test_readings_are_what_the_kernel_says() -> None:
    said = {
        "connected_s": 100,
        "signal_dbm": -50,
        "signal_avg_dbm": -51,
        "ack_signal_dbm": -52,
        "airtime_metric": 418,
        "expected_throughput_kbps": 19593,
        "tx_rate_kbps": 54000,
        "rx_rate_kbps": 48000,
        "tx_bytes": 1,
        "rx_bytes": 2,
        "tx_packets": 5,
        "rx_packets": 4,
        "tx_retries": 5,
        "tx_failed": 0,
        "beacon_rx": 6,
        "beacon_loss": 7,
        "local_pm": PowerMode.ACTIVE,
        "peer_pm": PowerMode.LIGHT_SLEEP,
        "nonpeer_pm": PowerMode.UNKNOWN,
    }
    fields: dict[str, int] = {name: int(value) for name, value in said.items()}
    assert readings(station(Plink.ESTAB, inactive_ms=300, **fields)) == Readings(
        last_heard_ns=700 * MS,
        reach=1,
        **said,  # type: ignore[arg-type]
    )


def test_an_unknown_power_mode_is_none() -> None:
    assert readings(station(local_pm=9)).local_pm is None


def measured(plink: Plink | None = Plink.ESTAB, **fields: int) -> Station:
    """A station for which rate control expects something."""
    return station(plink, expected_throughput_kbps=19593, tx_packets=9, **fields)


@pytest.mark.parametrize(
    ("seen", "metric"),
    [
        (measured(airtime_metric=5121), 5121),
        (measured(airtime_metric=8193), 8193),
        (measured(airtime_metric=0xFFFFFFFF), None),
        (measured(Plink.LISTEN, airtime_metric=418), None),
        (measured(None, airtime_metric=418), None),
        (station(airtime_metric=8193, tx_packets=6), None),  # the frames of peering
        (station(airtime_metric=4819, tx_packets=60), None),
        (station(), None),
    ],
)
def test_a_metric_from_before_we_came_counts_if_rate_control_knew_the_link(
    seen: Station, metric: int | None
) -> None:
    found = readings(seen)
    assert found.airtime_metric == metric
    assert found.expected_throughput_kbps == (19593 if metric else None)
    assert found.measured_ns is None, "nobody saw when"


def metrics(*packets: int, first: Plink = Plink.ESTAB, probes: int = 0) -> list[int | None]:
    """The metric after each look, a second apart, at a link that was not measured before."""
    one, hearing, found = link(), Hearing(), []
    for number, sent in enumerate(packets):
        plink = Plink.ESTAB if number else first
        now = number * SECOND
        for _ in range(probes if number else 0):
            one.probed(True, now, hearing)
        seen = station(plink, airtime_metric=900 + sent, tx_packets=sent)
        one.look(seen, InterfaceType.MESH, now, hearing)
        found.append(readings_of(one).airtime_metric)
    return found


def test_a_metric_counts_when_enough_was_seen_to_be_sent() -> None:
    assert metrics(6, 10, 11) == [None, None, 911]
    assert metrics(6, 9, 14, first=Plink.LISTEN) == [None, None, 914]
    assert metrics(6, 10, 14, 16, probes=3) == [None, None, None, None], "probes are no traffic"
    assert metrics(6, 20, 3, 8) == [None, 920, None, 908], "of the new entry nothing yet"


def test_what_rate_control_learned_from_probes_alone_is_no_metric() -> None:
    """It learns of one rate only, the lowest."""
    one, hearing = link(), Hearing()
    one.look(station(tx_packets=3, airtime_metric=8193), InterfaceType.MESH, 0, hearing)
    one.probed(True, SECOND, hearing)
    for sent, metric in [(4, None), (5, 418)]:
        seen = measured(airtime_metric=418)._replace(tx_packets=sent)
        one.look(seen, InterfaceType.MESH, sent * SECOND, hearing)
        assert readings_of(one).airtime_metric == metric


def test_what_rate_control_kept_of_the_link_before_is_void() -> None:
    """The station entry is the same one, and so are its statistics."""
    one, hearing, found = link(), Hearing(), []
    looks = [(Plink.ESTAB, 20), (Plink.LISTEN, 20), (Plink.ESTAB, 24), (Plink.ESTAB, 29)]
    for number, (plink, sent) in enumerate(looks):
        seen = measured(plink, airtime_metric=418)._replace(tx_packets=sent)
        one.look(seen, InterfaceType.MESH, number * SECOND, hearing)
        found.append(readings_of(one).airtime_metric)
    assert found == [418, None, None, 418]


def test_probes_do_not_make_a_metric_younger() -> None:
    one, hearing = link(), Hearing()
    for now, sent in [(0, 6), (SECOND, 20), (2 * SECOND, 23)]:
        for _ in range(3 if sent == 23 else 0):
            one.probed(True, now, hearing)
        one.look(station(tx_packets=sent, airtime_metric=418), InterfaceType.MESH, now, hearing)
    assert readings_of(one).measured_ns == SECOND


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, None, None, None, None, None)),
        ({"connected_to_gate": 1, "connected_to_as": 0}, (True, False, None, None, None, None)),
        ({"flags_mask": 0b110000, "flags_set": 0b100000}, (None, None, True, False, None, None)),
        ({"flags_mask": 0b010000, "flags_set": 0b110000}, (None, None, None, True, None, None)),
        ({"llid": 7, "plid": 8}, (None, None, None, None, 7, 8)),
        ({"llid": 0, "plid": 0}, (None, None, None, None, None, None)),
    ],
)
def test_facts(fields: dict[str, int], expected: tuple[object, ...]) -> None:
    one = link()
    one.look(station(Plink.ESTAB, **fields), InterfaceType.MESH, SECOND, Hearing())
    row = neighbor(one, "mesh0", SECOND)
    facts = (row.gate, row.authentication_server, row.authenticated, row.mfp, row.llid, row.plid)
    assert facts == expected


def test_a_candidate_has_a_signal_until_the_station_has_one() -> None:
    one, hearing = link(), Hearing()
    one.candidate(-60, SECOND, hearing)
    assert readings_of(one) == Readings(last_heard_ns=SECOND, reach=1, signal_dbm=-60)
    one.look(station(Plink.LISTEN, signal_dbm=-55), InterfaceType.MESH, SECOND, hearing)
    assert readings_of(one).signal_dbm == -55


def test_an_older_sign_of_life_does_not_replace_a_newer() -> None:
    one, hearing = link(), Hearing()
    one.candidate(-60, 5 * SECOND, hearing)
    seen = station(Plink.LISTEN, inactive_ms=900)
    one.look(seen, InterfaceType.MESH, 5 * SECOND + 100 * MS, hearing)
    assert readings_of(one).last_heard_ns == 5 * SECOND


@pytest.mark.parametrize("step", [250, 1000])
def test_reach_of_a_neighbor_that_loses_nothing(step: int) -> None:
    assert beacons(until=60_000, step=step) == "1" * 16


@pytest.mark.parametrize("step", [250, 1000])
def test_reach_shows_each_lost_beacon(step: int) -> None:
    assert beacons(until=20_010, step=step, lost=frozenset({10, 14, 15})) == "1111110111001111"


def test_reach_of_a_neighbor_that_talks_all_the_time_counts_intervals_not_looks() -> None:
    looks = [(now, 1) for now in range(0, 4_000, 250)]
    assert reach(looks) == "0000000000001111"


def test_reach_runs_out_while_nothing_is_heard() -> None:
    alive = [(now, 0) for now in range(0, 20 * BEACON_MS, BEACON_MS)]
    last = alive[-1][0]
    assert reach([*alive, (last + 1270, 1270)]) == "1" * 16  # the next may still be late
    assert reach([*alive, (last + 1280, 1280)]) == "1" * 15 + "0"
    assert reach([*alive, (last + 4400, 4400)]) == "1" * 12 + "0000"
    assert reach([*alive, (last + 99_000, 99_000)]) == "0" * 16


def test_reach_does_not_count_what_nobody_looked_at() -> None:
    assert reach([(0, 0), (1024, 0), (60_000, 100)]) == "0000000000000111"


def test_reach_does_not_count_deafness() -> None:
    alive = [(now, 0) for now in range(0, 3 * BEACON_MS, BEACON_MS)]
    silent = [(now, now - 2048) for now in range(3000, 9000, 1000)]
    assert reach([*alive, *silent]) == "0000000011100000"
    assert reach([*alive, *silent], deaf=(2100, 8900)) == "0000000000000111"


def test_hearing_joins_spans_that_touch() -> None:
    hearing = Hearing()
    for since, until in [(10, 20), (15, 30), (40, 50), (40, 40), (60, 55), (45, 60), (5, 70)]:
        hearing.deaf(since, until)
    assert hearing.between(0, 100) == 35
    assert hearing.between(0, 5) == 5
    assert hearing.between(6, 69) == 0
    assert hearing.between(70, 100) == 30


def test_hearing_keeps_spans_apart() -> None:
    hearing = Hearing()
    for start in range(0, 10_000, 10):
        hearing.deaf(start, start + 4)
    assert hearing.between(9_950, 10_000) == 30
