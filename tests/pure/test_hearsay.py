"""Beacons in a neighbor's name that are not its own: what they cost and change."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshwatch.entry import NEWS_BURST
from meshwatch.model import Plink, Presence, Reason
from meshwatch.observations import Beacon
from tests.pure.scenarios import PEER
from tests.pure.tapped import BEACON, EVERY_S, OWN, Air

CONTRADICTIONS = [
    replace(BEACON, mesh_id=b"other"),
    replace(BEACON, authentication=1),
    replace(BEACON, path_metric=255),
    replace(BEACON, synchronization=255),
]


def claims(number: int) -> Beacon:
    """Something else each time, about which our own beacons say nothing."""
    return replace(BEACON, accepting=number % 2 == 0, mesh_id=b"%d" % number)


@pytest.mark.parametrize("beacon", CONTRADICTIONS)
def test_what_speaks_against_an_established_link_counts_for_nothing(beacon: Beacon) -> None:
    air = Air()
    air.beacon(0.5, BEACON, OWN)
    air.met()
    before, last_s = air.peer, air.last_s
    for number in range(1, 50):
        assert air.beacon(last_s + number / 50, beacon) == []
    assert air.wait(last_s + 1.1) == []
    assert air.peer == before, "not even a sign of life"


def test_who_is_in_another_mesh_without_a_farewell_departs() -> None:
    """As in the kernel: its link falls silent, whatever its beacons say of another mesh."""
    air = Air()
    air.beacon(0.5, BEACON, OWN)
    last_s = air.met()
    news = []
    for number in range(1, 20):
        news += air.beacon(last_s + number * EVERY_S, replace(BEACON, mesh_id=b"other"))
        air.last_s = last_s  # the kernel takes it for no life, either
    assert news == ["removed silent"]


def test_our_beacons_of_before_do_not_speak_against_a_link_in_another_mesh() -> None:
    air = Air()
    air.beacon(0.5, replace(BEACON, mesh_id=b"before"), OWN)
    air.join(False)
    air.join(True)
    last_s = air.met()
    assert air.peer.mesh_id == "classroom"
    assert air.peer.readings.last_heard_ns == round(last_s * 1000) * 1_000_000


def test_forged_beacons_do_not_spend_what_the_links_news_needs() -> None:
    """Without beacons of ours nothing speaks against them."""
    air = Air()
    last_s = air.met()
    for number in range(200):
        air.beacon(last_s + number / 500, claims(number))
    assert air.wait(last_s + 0.5) == []
    assert not air.peer.bouncing
    assert air.look(last_s + 0.5, Plink.LISTEN) == ["heard closed"]
    assert air.look(last_s + 0.6) == ["present established"]
    assert air.look(last_s + 0.7, llid=7) == ["present restarted"]


def test_what_they_claim_is_told_at_a_pace_of_its_own() -> None:
    air = Air()
    last_s = air.met()
    told = [air.beacon(last_s + number / 500, claims(number)) for number in range(200)]
    assert sum(map(len, told)) <= NEWS_BURST
    assert air.peer.accepting is False
    air.wait(last_s + 1.2)
    assert air.peer.readings.last_heard_ns == round((last_s + 199 / 500) * 1000) * 1_000_000
    for number in range(1, 20):
        air.beacon(last_s + number * EVERY_S)
    assert air.peer.accepting is True, "when its turn came, as it is then"


def test_who_was_forged_before_it_came_arrives_at_once() -> None:
    air = Air()
    for number in range(200):
        air.beacon(1 + number / 100, CONTRADICTIONS[number % 3])
        air.beacon(1 + number / 100 + 0.005)
    air.beacon(1, BEACON, OWN)
    assert air.look(air.last_s + 0.01) == ["present established"]


def test_beacons_between_its_own_do_not_make_a_link_one_sided() -> None:
    air = Air()
    last_s = air.met()
    for number in range(500):
        air.beacon(last_s + number / 50, replace(BEACON, peers=0))
        assert air.peer.one_sided is None
        if number % 50 == 49:
            air.beacon(last_s + (number + 1) / 50 - 0.01)


def test_the_kernel_says_which_security_an_established_link_has() -> None:
    mfp = {"flags_mask": 1 << 4, "flags_set": 1 << 4}
    air = Air()
    air.met()
    air.beacon(air.last_s + 0.1, replace(BEACON, authentication=1))
    assert (air.peer.presence, air.peer.security) == (Presence.PRESENT, "open")
    air.look(air.last_s + 0.1, Plink.ESTAB, llid=0, plid=0, **mfp)
    air.beacon(air.last_s + 0.1)
    assert air.peer.security == "sae"
    air.look(air.last_s + 0.1, llid=0, plid=0)
    assert air.peer.security is None, "a user-space peering manager, and no key is seen"
    air.look(air.last_s + 0.1, Plink.LISTEN)
    assert (air.peer.reason, air.peer.security) == (Reason.CLOSED, "open"), "what its beacons say"
    assert air.peer.address == PEER
