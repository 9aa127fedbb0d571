"""Interfaces, sources and single rows in the table, at literal times."""

from __future__ import annotations

import pytest

from meshwatch.model import Interface, InterfaceType, Key, Plink, Presence, Source
from meshwatch.observations import (
    InterfaceDeleted,
    InterfacesSwept,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.table import Table
from tests.pure.scenarios import MESH0, PEER, SECOND, Story, look, mesh, station

ESTAB = Plink.ESTAB
OTHER = "02:00:00:00:02:00"


def up(up: bool = True, running: bool = True, name: str = "mesh0") -> LinkSeen:
    return LinkSeen(MESH0, name, up, running)


def test_a_rename_is_news_of_the_interface_and_its_neighbors() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    assert story.at(2, up(name="backhaul")) == ["backhaul running", "present established"]
    assert story.peer.interface == "backhaul"
    assert story.at(3, mesh("mesh0")) == ["mesh0 running", "present established"]
    assert story.at(3, up(name="backhaul")) == ["backhaul running", "present established"]


@pytest.mark.parametrize(
    "gone",
    [
        InterfaceDeleted(MESH0),
        InterfacesSwept(frozenset()),
        mesh(type_=None),
    ],
)
def test_an_interface_takes_its_neighbors_along(gone: Observation) -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    assert story.at(2, gone) == ["removed interface_removed"] * 2
    assert story.at(3, look(ESTAB, 0)) == []  # not until nl80211 says that it is a mesh again
    assert story.at(4, mesh()) == ["mesh0 running"]
    assert story.at(5, look(ESTAB, 0)) == ["present established"]


def test_another_type_means_other_stations() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    ibss = mesh(type_=InterfaceType.IBSS)
    assert story.at(2, ibss) == ["removed interface_removed", "mesh0 running"]


def test_nl80211_leaves_the_kernel_and_comes_back() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    failure = "nl80211 is not in the kernel"
    assert story.at(2, SourceState("nl80211", failure)) == [f"nl80211: {failure}"]
    swept = InterfacesSwept(frozenset(), family_removed=True)
    assert story.at(2, swept) == ["removed family_removed"] * 2
    assert story.at(9, Settled("nl80211")) == ["nl80211: works"]


def test_an_interface_that_goes_while_nl80211_fails_is_gone_by_itself() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    failure = "stations of mesh0: dumps are interrupted"
    assert story.at(2, SourceState("nl80211", failure)) == [f"nl80211: {failure}"]
    assert story.at(3, InterfaceDeleted(MESH0)) == ["removed interface_removed"] * 2


def test_other_network_devices_are_none_of_ours() -> None:
    story = Story()
    assert story.at(1, LinkSeen(2, "eth0", True, True)) == []
    assert story.at(1, InterfacesSwept(frozenset({MESH0}))) == []
    assert story.at(2, InterfaceDeleted(2)) == []
    assert story.at(2, InterfaceDeleted(77)) == []
    assert story.at(2, StationDeleted(77, PEER)) == []
    assert story.at(2, StationsSwept(77, frozenset())) == []
    assert story.at(2, StationSeen(2, PEER, station())) == []


def test_a_link_that_never_was_does_not_go_down() -> None:
    story = Story()
    assert story.at(1, up(False, False)) == ["mesh0 down"]
    assert story.at(2, up(False, False)) == []


def test_evidence_from_before_an_interface_came_up_is_void() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(2, up(True, False))
    assert story.at(3, look(ESTAB, 2000)) == []
    assert story.at(4, up()) == ["mesh0 running"]
    assert story.at(5, look(ESTAB, 100, 3, 4)) == ["present restarted"]
    assert story.peer.first_heard_ns == story.peer.since_ns == 5 * SECOND


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_look_at_the_instant_of_a_bounce_counts(place: int) -> None:
    story = Story()
    bounce: list[Observation] = [up(True, False), up()]
    for observation in [*bounce[:place], look(ESTAB, 0), *bounce[place:]]:
        story.at(1, observation)
    assert story.peer.presence is Presence.PRESENT


def test_ready() -> None:
    table = Table()
    table.observe(Settled("rtnetlink"), 1)
    table.observe(SourceState("nl80211", None), 1)
    assert not table.ready
    table.observe(Settled("nl80211"), 2)
    assert table.ready
    failed = Table()
    failed.observe(SourceState("nl80211", "nl80211 is not in the kernel"), 1)
    assert failed.ready


def test_sources_change_only_when_their_state_does() -> None:
    table = Table()
    assert len(table.observe(SourceState("nl80211", "why"), 1)) == 1
    assert table.observe(SourceState("nl80211", "why"), 2) == []
    assert len(table.observe(Settled("nl80211"), 3)) == 1
    assert table.observe(Settled("nl80211"), 4) == []
    assert table.snapshot() == (Source(source="nl80211", since_ns=3),)


def test_the_order_of_a_snapshot_is_stable() -> None:
    table = Table()
    for address in (OTHER, PEER):
        table.observe(mesh(), 1)
        table.observe(StationSeen(MESH0, address, station()), 1)
    table.observe(Settled("nl80211"), 1)
    kinds = [(row.key.kind, row.key.name) for row in table.snapshot()]
    assert kinds == [
        ("interface", ""),
        ("source", "nl80211"),
        ("neighbor", PEER),
        ("neighbor", OTHER),
    ]


def test_single_rows() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(1, Settled("nl80211"))
    for row in story.table.snapshot():
        assert story.table.row(row.key) == row
    assert isinstance(story.table.row(Key("interface", MESH0, "")), Interface)
    for key in [
        Key("neighbor", MESH0, OTHER),
        Key("neighbor", 77, PEER),
        Key("interface", 77, ""),
        Key("source", 0, "rtnetlink"),
    ]:
        assert story.table.row(key) is None
