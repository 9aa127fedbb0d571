"""A neighbor that a tap hears: what its beacons, probes and pokes make of it, at literal times."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshwatch.model import (
    Evidence,
    InterfaceType,
    Key,
    Neighbor,
    OneSided,
    Plink,
    PowerMode,
    Presence,
    Proof,
    Proximity,
    Reason,
)
from meshwatch.observations import (
    AwaySeen,
    Beacon,
    BeaconSeen,
    Deaf,
    InterfaceSeen,
    LookWanted,
    Poked,
    ProbeAnswered,
    ProbeWanted,
    ProxySeen,
    SourceState,
    StationSeen,
    Untapped,
)
from meshwatch.port import MOST_STRANGERS
from tests.pure.scenarios import MESH0, MS, PEER, station
from tests.pure.tapped import BEACON, EVERY_S, OWN, Air


def test_a_neighbor_on_the_air_is_heard_at_its_second_beacon() -> None:
    air = Air()
    assert air.beacon(1) == []
    assert air.beacon(2.024) == ["heard candidate"]
    assert air.peer.evidence == Evidence(proof=Proof.BEACON)
    assert air.look(2.03) == ["present established"]
    assert air.peer.readings.signal_dbm == -40
    assert (air.peer.mesh_id, air.peer.security, air.peer.accepting) == ("classroom", "open", True)


def test_frames_alone_make_nobody_present() -> None:
    air = Air()
    for number in range(1, 100):
        air.beacon(number * EVERY_S)
        air.at(air.last_s, ProbeAnswered(MESH0, PEER, True))
    assert air.peer.presence is Presence.HEARD


def test_a_good_link_is_not_probed() -> None:
    air = Air()
    air.met(600)
    assert [q for _, q in air.asked if isinstance(q, ProbeWanted)] == []


def test_a_tap_tries_once_whether_probes_are_answered() -> None:
    """Also one that was opened when the links were there: no answer would say nothing later."""
    air = Air()
    air.met(600)
    assert air.trials == 1


def test_where_no_answer_comes_it_tries_ever_less() -> None:
    air = Air(tells=False)
    air.met(300)
    assert {type(question) for _, question in air.asked} == {ProbeWanted}
    assert len(air.asked) < 12  # twice the time for each: see test_means.py


def test_three_probes_unanswered_are_a_departure() -> None:
    air = Air()
    last_s = air.met()
    assert air.refused(2) == []
    assert air.refused(1) == ["removed silent"]
    assert air.now_s - last_s < 1.5 * EVERY_S + 0.1


def test_an_acknowledged_probe_is_life() -> None:
    air = Air()
    last_s = air.met()
    assert air.refused(1) == []
    air.wait(air.now_s + 0.1)
    assert isinstance(air.asked[-1][1], ProbeWanted)
    air.at(air.now_s, ProbeAnswered(MESH0, PEER, True))
    assert air.wait(last_s + 2.2) == []


def test_who_acknowledges_and_sends_no_beacons_has_left_the_mesh() -> None:
    air = Air()
    air.met()
    news: list[str] = []
    for _ in range(400):
        news += air.wait(air.now_s + 1)
        if any(isinstance(question, ProbeWanted) for _, question in air.asked):
            air.asked = []
            air.last_s = air.now_s  # the kernel, too, takes an acknowledgement for life
            news += air.at(air.now_s, ProbeAnswered(MESH0, PEER, True))
    assert news == ["removed silent"]


def test_a_sleeping_radio_is_not_probed() -> None:
    air = Air()
    air.met()
    air.look(air.last_s, peer_pm=int(PowerMode.DEEP_SLEEP))
    air.asked = []
    assert air.wait(air.last_s + 6 * EVERY_S) in ([], ["quiet silent"])
    assert [q for _, q in air.asked if isinstance(q, ProbeWanted)] == []


def test_a_probe_says_that_we_sleep_if_we_do() -> None:
    air = Air()
    air.met()
    silence_s = 1.3 * EVERY_S
    air.look(air.last_s + silence_s, local_pm=int(PowerMode.DEEP_SLEEP))
    air.wait(air.last_s + silence_s)
    assert air.asked[-1][1] == ProbeWanted(MESH0, PEER, PowerMode.DEEP_SLEEP)


def test_who_is_back_is_looked_at_first() -> None:
    air = Air()
    air.met()
    air.refused(3)
    back_s = air.now_s + 20
    assert air.beacon(back_s) == []
    assert air.table.questions() == []
    assert air.wait(back_s) == ["present returned"]


def test_who_restarted_while_away_is_not_back_before_it_has_peers() -> None:
    air = Air()
    air.met()
    air.refused(3)
    back_s = air.now_s + 20
    air.beacon(back_s, replace(BEACON, peers=0))
    assert air.wait(back_s) == ["heard peering"]
    anew = station(Plink.ESTAB, inactive_ms=0, llid=3, plid=4)
    air.at(back_s + 1, StationSeen(MESH0, PEER, anew))
    assert air.peer.presence is Presence.PRESENT


def test_who_is_back_with_rarer_beacons_is_given_their_time() -> None:
    air = Air()
    for number in range(600):
        air.beacon(1 + number * 0.1024, replace(BEACON, interval_tu=100))
        if number == 1:
            air.look(air.last_s)
    air.look(air.last_s, Plink.LISTEN)
    air.beacon(air.last_s + 60)
    assert air.look(air.last_s) == ["present established"]
    assert air.wait(air.last_s + 1.2 * EVERY_S) == []
    assert air.asked == []


def test_beacons_that_our_tap_lost_are_not_lost_to_the_neighbor() -> None:
    air = Air()
    air.met()
    for number in range(5):
        air.at(air.last_s + 0.5, Deaf("frames", round(air.last_s * 1000) * MS))
        air.look(air.last_s + 0.6, rx_packets=number)  # the kernel lost nothing
        air.last_s += 5 * EVERY_S
        air.now_s = air.last_s
        air.beacon(air.last_s)
    assert air.peer.readings.loss_percent == 0


def test_frames_that_failed_together_are_as_one_probe() -> None:
    """They are lost together in one aggregate, as one beacon may be."""
    air = Air(tells=False)
    air.met()
    air.look(air.last_s + 0.5, tx_failed=0)
    assert air.look(air.last_s + 1.4, tx_failed=64) == []
    assert air.look(air.last_s + 1.5, tx_failed=96) == []
    assert air.look(air.last_s + 1.6, tx_failed=97) == ["removed silent"]
    assert air.removals[-1].evidence == Evidence(
        proof=Proof.LOOK, silence_ms=1600, missed=1, unanswered=3
    )


def test_a_probe_that_failed_counts_once() -> None:
    """Where the kernel sends it, a look shows the failure before the answer is told."""
    air = Air()
    last_s = air.met()
    news = air.look(last_s + 0.5, tx_failed=0)
    for failed in range(1, 4):
        assert news == []
        while not any(isinstance(question, ProbeWanted) for _, question in air.asked):
            air.wait(air.now_s + 0.01)
        air.asked = []
        news += air.look(air.now_s + 0.005, tx_failed=failed)
        news += air.at(air.now_s + 0.005, ProbeAnswered(MESH0, PEER, False))
    assert news == ["removed silent"]
    assert air.removals[-1].evidence and air.removals[-1].evidence.unanswered == 3


def test_our_scan_is_no_silence() -> None:
    air = Air()
    air.met()
    air.at(air.last_s + 0.5, AwaySeen(0, True))
    assert air.wait(air.last_s + 20) == []
    air.at(air.last_s + 20, AwaySeen(0, False))
    assert air.look(air.last_s + 20.1) == []


def test_pokes_without_effect_are_a_departure() -> None:
    air = Air(tells=False)
    for second in range(1, 200):
        air.last_s = second
        air.look(second)
    news: list[str] = []
    while "quiet silent" not in news:
        news += air.look(air.now_s + 1) if air.now_s else air.look(air.last_s + 1)
        air.now_s = max(air.now_s + 1, air.last_s + 1)
    for _ in range(3):
        air.now_s += 0.05
        news += air.at(air.now_s, Poked(MESH0, PEER))
    news += air.wait(air.now_s + 0.2)
    assert news == ["quiet silent", "removed silent"]
    assert air.now_s - air.last_s < 5 * EVERY_S


@pytest.mark.parametrize(
    ("beacon", "reason"),
    [
        (replace(BEACON, mesh_id=b"other"), Reason.OTHER_MESH),
        (replace(BEACON, authentication=1), Reason.SECURITY),
        (replace(BEACON, path_metric=255), Reason.INCOMPATIBLE),
        (replace(BEACON, accepting=False), Reason.FULL),
        (BEACON, Reason.CANDIDATE),
    ],
)
def test_why_a_neighbor_cannot_peer(beacon: Beacon, reason: Reason) -> None:
    air = Air()
    air.beacon(0.5, BEACON, OWN)
    air.beacon(1, beacon)
    air.beacon(2.024, beacon)
    assert (air.peer.presence, air.peer.reason) == (Presence.HEARD, reason)


def test_a_mesh_id_is_shown_as_it_can_be() -> None:
    air = Air()
    for at in (1, 2.024):
        air.beacon(at, replace(BEACON, mesh_id=b"\x1b[2J\xff\xc3\xa4"))
    assert air.peer.mesh_id == "\\x1b[2J\\xffä"


def test_a_neighbor_that_counts_no_peer_has_not_our_link() -> None:
    air = Air()
    air.met()
    alone = replace(BEACON, peers=0)
    for _ in range(2):
        air.beacon(air.last_s + EVERY_S, alone)
        assert air.peer.one_sided is None
    air.beacon(air.last_s + EVERY_S, alone)
    assert air.peer.one_sided is OneSided.OURS
    air.beacon(air.last_s + EVERY_S)
    assert air.peer.one_sided is None


def test_a_neighbor_that_still_counts_us_has_the_link_that_we_lost() -> None:
    air = Air()
    air.met()
    air.look(air.last_s + 0.1, Plink.BLOCKED)
    for _ in range(2):
        air.beacon(air.last_s + EVERY_S)
        assert air.peer.one_sided is None
    air.beacon(air.last_s + EVERY_S)
    assert air.peer.one_sided is OneSided.THEIRS
    air.beacon(air.last_s + EVERY_S, replace(BEACON, peers=0))
    assert air.peer.one_sided is None


def test_without_the_tap_nothing_it_told_remains() -> None:
    air = Air()
    air.beacon(0.5, BEACON, OWN)
    air.met()
    air.at(air.last_s, Untapped(0))
    assert (air.peer.mesh_id, air.peer.readings.peers) == (None, None)
    row = air.table.row(Key("interface", MESH0, ""))
    assert getattr(row, "mesh_id", "") is None


def test_the_tap_of_another_radio_is_another() -> None:
    air = Air()
    air.beacon(0.5, BEACON, OWN)
    air.met()
    assert air.at(air.last_s, Untapped(1)) == []
    assert air.at(air.last_s, SourceState("frames", "mon1 is down")) == ["frames: mon1 is down"]
    assert air.peer.mesh_id == "classroom"


def test_strangers_are_bounded() -> None:
    air = Air()
    for number in range(4 * MOST_STRANGERS):
        address = f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        air.beacon(1 + number / 1e4, BEACON, address)
        air.beacon(1 + number / 1e4, BEACON, address)
    rows = [row for row in air.table.snapshot() if isinstance(row, Neighbor)]
    assert len(rows) == MOST_STRANGERS


def test_strangers_on_the_air_do_not_hide_who_is_beyond_nor_the_other_way_round() -> None:
    air = Air()
    for number in range(2 * MOST_STRANGERS):
        for _ in range(2):
            air.beacon(1, BEACON, f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}")
        proxied = f"0a:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        air.at(1, ProxySeen(MESH0, proxied, PEER))
    rows = [row for row in air.table.snapshot() if isinstance(row, Neighbor)]
    proximities = [row.proximity for row in rows]
    assert proximities.count(Proximity.DIRECT) == MOST_STRANGERS
    assert proximities.count(Proximity.PROXIED) == MOST_STRANGERS


def test_strangers_of_one_beacon_each_are_nobody() -> None:
    air = Air()
    for number in range(3000):
        air.beacon(1 + number / 1e4, BEACON, f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}")
    assert [row for row in air.table.snapshot() if isinstance(row, Neighbor)] == []


def test_forged_short_intervals_do_not_make_a_neighbor_depart_sooner() -> None:
    air = Air()
    last_s = air.met()
    for number in range(50):
        forged = BeaconSeen(
            MESH0, PEER, round((last_s + number / 100) * 1000) * MS, replace(BEACON, interval_tu=10)
        )
        air.at(last_s + number / 100, forged)
    air.last_s = last_s + 0.49
    air.now_s = last_s + 0.49
    assert air.wait(air.last_s + 0.9 * EVERY_S) == []
    assert air.asked == []


def test_another_radio_of_ours_is_not_touched_by_a_scan() -> None:
    air = Air()
    air.met()
    air.at(air.last_s, InterfaceSeen(7, "mesh1", InterfaceType.MESH, 1, "02:00:00:00:09:00"))
    air.at(air.last_s, AwaySeen(1, True))
    air.wait(air.last_s + 1.4)
    assert any(isinstance(question, LookWanted | ProbeWanted) for _, question in air.asked)


def test_a_late_answer_about_probes_brings_nobody_back() -> None:
    """That probes are answered at all puts departures off, and not the one that was told."""
    air = Air(tells=False)
    for second in range(1, 200):
        air.last_s = second
        air.look(second)
    assert air.wait(air.last_s + 20)[-1] == "removed silent"
    assert air.at(air.last_s + 20, ProbeAnswered(MESH0, PEER, False)) == []
    assert air.look(air.last_s + 20.1) == []
