"""What the kernel does in each situation, and what the table makes of it, at literal times."""

from __future__ import annotations

import pytest

from meshwatch.link import BEACON_INTERVAL_NS, DEPARTED_AFTER_NS, QUIET_AFTER_NS
from meshwatch.model import (
    CandidateSeen,
    Change,
    Deaf,
    Interface,
    InterfaceDeleted,
    InterfacesSwept,
    InterfaceType,
    Key,
    LinkSeen,
    Neighbor,
    Observation,
    Plink,
    Presence,
    Settled,
    Source,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.table import Table
from tests.pure.scenarios import MESH0, MS, PEER, SECOND, Story, look, mesh, station

LISTEN, OPN_SNT, CNF_RCVD, ESTAB, HOLDING, BLOCKED = (
    Plink.LISTEN,
    Plink.OPN_SNT,
    Plink.CNF_RCVD,
    Plink.ESTAB,
    Plink.HOLDING,
    Plink.BLOCKED,
)
CANDIDATE = CandidateSeen(MESH0, PEER, -60)
DELETED = StationDeleted(MESH0, PEER)
OTHER = "02:00:00:00:02:00"
Step = tuple[float, Observation | None, list[str]]


def up(up: bool = True, running: bool = True, name: str = "mesh0") -> LinkSeen:
    return LinkSeen(MESH0, name, up, running)


# One scenario per situation measured on real kernels; looks are 1 s apart where nothing happens.
KERNEL: dict[str, list[Step]] = {
    "joins, first time": [
        (1.0, look(LISTEN, 4), ["heard peering"]),
        (1.25, look(ESTAB, 8), ["present established"]),
        (2.25, look(ESTAB, 1008), []),
    ],
    "joins between two looks": [(1.0, look(ESTAB, 4), ["present established"])],
    "leaves": [
        (1.0, look(ESTAB, 4), ["present established"]),
        (2.0, look(HOLDING, 12), ["heard closed"]),
        (2.25, look(LISTEN, 262), ["heard closed"]),  # the plink is news, the reason stays
        (3.25, look(LISTEN, 1262), []),
        (10.0, look(LISTEN, 8012), []),
        (11.0, look(LISTEN, 9012), ["removed silent"]),
        (12.0, look(LISTEN, 10012), []),
        (1800.0, look(LISTEN, 1798012), []),  # the entry stays; it brings nobody back
        (1801.0, DELETED, []),
    ],
    "joins again after it left": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(LISTEN, 12), ["heard closed"]),
        (15.0, look(LISTEN, 13012), ["removed silent"]),
        (16.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "joins again at once": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(LISTEN, 12), ["heard closed"]),
        (3.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "leaves and joins between two looks": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(ESTAB, 12, 3, 4), ["present restarted"]),
        (3.0, look(ESTAB, 12, 3, 4), []),
    ],
    "goes down (it still says goodbye)": [
        (1.0, look(ESTAB, 4), ["present established"]),
        (2.0, look(HOLDING, 500), ["heard closed"]),
        (3.0, look(LISTEN, 1500), ["heard closed"]),
        (11.0, look(LISTEN, 9500), ["removed silent"]),
    ],
    "goes out of range": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, look(ESTAB, 1000), []),
        (4.0, look(ESTAB, 3000), []),
        (4.584, look(ESTAB, 3584), []),
        (4.585, look(ESTAB, 3585), ["quiet silent"]),
        (9.192, look(ESTAB, 8192), []),
        (9.193, look(ESTAB, 8193), ["removed silent"]),
        (10.0, look(ESTAB, 9000), []),
    ],
    "comes back, not restarted, from quiet": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (6.0, look(ESTAB, 5000), ["quiet silent"]),
        (7.0, look(ESTAB, 300), ["present returned"]),
        (8.0, look(ESTAB, 200), []),
    ],
    "comes back, not restarted, from afar": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (13.0, look(ESTAB, 12172), ["removed silent"]),
        (14.0, look(ESTAB, 13172), []),
        (15.0, look(ESTAB, 700), ["present returned"]),
    ],
    "restarted while away, comes back": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (13.0, look(ESTAB, 12000, 1, 2), ["removed silent"]),
        (14.0, look(ESTAB, 100, 1, 2), ["present returned"]),  # its Opens are ignored as yet
        (14.6, look(LISTEN, 10), ["heard closed"]),
        (15.0, look(ESTAB, 50, 3, 4), ["present established"]),
    ],
    "restarted while away, comes back between two looks": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (13.0, look(ESTAB, 12000, 1, 2), ["removed silent"]),
        (14.0, look(ESTAB, 100, 3, 4), ["present restarted"]),
    ],
    "restarted while quiet": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (6.0, look(ESTAB, 5000, 1, 2), ["quiet silent"]),
        (7.0, look(ESTAB, 100, 3, 4), ["present restarted"]),
    ],
    "we block it, then open": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (2.0, look(BLOCKED, 500), ["heard blocked"]),
        (3.0, look(BLOCKED, 600), []),
        (4.0, look(OPN_SNT, 600, 3, 0), ["heard peering"]),
        (5.0, look(HOLDING, 600, 3, 0), ["heard peering"]),
        (6.0, look(LISTEN, 600), ["heard peering"]),
        (6.5, look(ESTAB, 10, 5, 6), ["present established"]),
    ],
    "blocked and out of range": [
        (1.0, look(BLOCKED, 500), ["heard blocked"]),
        (9.0, look(BLOCKED, 8500), ["removed silent"]),
        (10.0, look(BLOCKED, 100), ["heard blocked"]),
    ],
    "we delete the station": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (2.0, DELETED, ["removed deleted"]),
        (2.7, look(LISTEN, 0), ["heard peering"]),
        (2.75, look(ESTAB, 0, 3, 4), ["present established"]),
    ],
    "we leave, or go down: rtnetlink is heard first": [
        (1.0, up(), []),
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, up(True, False), ["mesh0 up", "removed interface_down"]),
        (2.0, DELETED, []),
        (3.0, up(False, False), ["mesh0 down"]),
        (9.0, up(), ["mesh0 running"]),
        (9.5, look(ESTAB, 10, 3, 4), ["present established"]),
    ],
    "we leave, or go down: nl80211 is heard first": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, DELETED, ["removed deleted"]),
        (2.0, up(True, False), ["mesh0 up"]),
    ],
    "too weak to peer: it cycles": [
        (1.0, look(CNF_RCVD, 4, 1, 2), ["heard peering"]),
        (2.0, look(HOLDING, 4, 1, 2), ["heard peering"]),
        (3.0, look(LISTEN, 4), ["heard peering"]),
        (4.0, look(LISTEN, 4), []),
    ],
    "expires while out of range": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (10.0, look(ESTAB, 9000), ["removed silent"]),
        (64.7, DELETED, []),
        (66.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "expires after it left": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, look(LISTEN, 1000), ["heard closed"]),
        (10.0, look(LISTEN, 9000), ["removed silent"]),
        (43.7, DELETED, []),
    ],
    "a user-space peering manager: candidate, station, link, goodbye": [
        (1.0, CANDIDATE, ["heard candidate"]),
        (1.1, look(LISTEN, 0), ["heard peering"]),
        (2.0, look(ESTAB, 20, 0, 0), ["present established"]),
        (3.0, look(ESTAB, 20, 0, 0), []),
        (4.0, DELETED, ["removed deleted"]),
        (4.9, CANDIDATE, ["heard candidate"]),
    ],
    "a wrong password: listening for ever": [
        (1.0, CANDIDATE, ["heard candidate"]),
        (1.1, look(LISTEN, 0), ["heard peering"]),
        (2.1, look(LISTEN, 900), []),
        (60.0, look(LISTEN, 900), []),
    ],
    "an overrun: a complete look does not find it": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (5.0, StationsSwept(MESH0, frozenset({OTHER})), ["removed absent"]),
        (6.0, look(ESTAB, 0, 3, 4), ["present established"]),
    ],
    "a sweep that lists it": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (1.0, StationsSwept(MESH0, frozenset({PEER})), []),
    ],
    "first seen long silent": [
        (1.0, look(ESTAB, 60000), []),
        (2.0, look(LISTEN, 61000), []),
        (3.0, look(LISTEN, 100), ["heard peering"]),
    ],
    "first seen quiet": [
        (1.0, look(ESTAB, 5000), ["quiet silent"]),
        (2.0, look(ESTAB, 100), ["present returned"]),
    ],
    "no plink in the entry yet": [
        (1.0, look(None, 0), ["heard peering"]),
        (2.0, look(ESTAB, 100), ["present established"]),
    ],
    "the kernel does not say how long it was silent": [
        (1.0, StationSeen(MESH0, PEER, station(ESTAB)), ["present established"]),
        (4.0, StationSeen(MESH0, PEER, station(ESTAB)), []),
        (5.0, StationSeen(MESH0, PEER, station(ESTAB)), ["quiet silent"]),
        (10.0, StationSeen(MESH0, PEER, station(ESTAB)), ["removed silent"]),
        (11.0, StationSeen(MESH0, PEER, station(LISTEN)), []),
    ],
}


@pytest.mark.parametrize("steps", KERNEL.values(), ids=KERNEL)
def test_what_the_kernel_does(steps: list[Step]) -> None:
    story = Story()
    assert [(at, seen, story.at(at, seen)) for at, seen, _ in steps] == steps


def test_the_limits_are_those_of_the_scenarios() -> None:
    assert BEACON_INTERVAL_NS == 1024 * MS
    assert QUIET_AFTER_NS == 3584 * MS
    assert DEPARTED_AFTER_NS == 8192 * MS


def test_an_ibss_has_no_peer_links() -> None:
    story = Story()
    story.at(0, mesh(type_=InterfaceType.IBSS))
    assert story.at(1, look(None, 0)) == ["present established"]
    assert story.peer.plink is None
    assert story.at(5, look(None, 4000)) == ["quiet silent"]
    assert story.at(6, look(None, 100)) == ["present returned"]


def test_since_and_first_heard() -> None:
    story = Story()
    times = []
    for at, plink, inactive_ms, llid in [
        (1, LISTEN, 100, 0),
        (2, ESTAB, 100, 1),
        (3, ESTAB, 100, 1),
        (4, ESTAB, 100, 9),  # restarted: the link that is there now has come up since
        (5, HOLDING, 100, 9),
        (6, LISTEN, 100, 0),
    ]:
        story.at(at, look(plink, inactive_ms, llid))
        times.append((story.peer.first_heard_ns // SECOND, story.peer.since_ns // SECOND))
    assert times == [(1, 1), (1, 2), (1, 2), (1, 4), (1, 5), (1, 5)]


def test_time_without_looks_is_no_silence() -> None:
    story = Story()
    story.at(1, look(ESTAB, 100))
    assert story.table.deadline() is None
    assert story.at(3600) == []
    assert story.at(3601, look(ESTAB, 700)) == []
    assert story.peer.presence is Presence.PRESENT


def test_a_late_answer_is_no_sign_of_life() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    assert story.at(10, look(ESTAB, 9000)) == ["removed silent"]
    assert story.at(13, look(ESTAB, 9500)) == []  # measured at 10.5, read at 13


def test_deafness_excuses_silence_but_proves_no_life() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(7, Deaf("nl80211", 2 * SECOND))
    assert story.at(7, look(ESTAB, 6000)) == []
    assert story.at(10, look(ESTAB, 9000)) == ["quiet silent"]
    story.at(12, Deaf("nl80211", 7 * SECOND))
    assert story.at(12, look(ESTAB, 11000)) == []
    assert story.at(13, look(ESTAB, 100)) == ["present returned"]


def test_the_deafness_of_another_source_excuses_nothing() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(7, Deaf("rtnetlink", 0))
    assert story.at(7, look(ESTAB, 6000)) == ["quiet silent"]


def test_candidates_alone_leave_by_time() -> None:
    story = Story()
    assert story.at(1, CANDIDATE) == ["heard candidate"]
    assert story.table.deadline() == 9192 * MS
    assert story.at(2.024, CANDIDATE) == []  # each beacon repeats it
    assert story.table.deadline() == 10216 * MS
    assert story.at(10.215) == []
    assert story.at(10.216) == ["removed silent"]
    assert story.table.deadline() is None
    assert story.at(11, CANDIDATE) == ["heard candidate"]


def test_deafness_keeps_candidates() -> None:
    story = Story()
    story.at(1, CANDIDATE)
    assert story.at(20, Deaf("nl80211", 5 * SECOND)) == []
    assert story.table.deadline() == 24192 * MS
    assert story.at(24.192) == ["removed silent"]


def test_a_dump_lists_no_candidates() -> None:
    story = Story()
    story.at(1, CANDIDATE)
    assert story.at(1, StationsSwept(MESH0, frozenset())) == []
    story.at(1.1, look(LISTEN, 0))
    assert story.at(2, StationsSwept(MESH0, frozenset())) == ["removed absent"]


def test_a_candidate_does_not_mend_a_link() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(6, look(ESTAB, 5000))
    assert story.at(6.5, CANDIDATE) == []
    assert story.peer.presence is Presence.QUIET


def test_readings_are_paced() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(1.3, look(ESTAB, 0))
    story.at(1.6, look(ESTAB, 0))
    assert story.readings == []
    assert story.table.deadline() == 2 * SECOND
    assert story.at(1.999) == []
    assert story.readings == []
    story.at(2.2)
    assert [heard_ms(change) for change in story.readings] == [1600]
    story.at(
        2.9, look(ESTAB, 0)
    )  # the pace is kept from when it was due, not from when it was done
    assert story.table.deadline() == 3 * SECOND
    story.at(5, look(ESTAB, 0))
    assert [heard_ms(change) for change in story.readings] == [1600, 2900, 5000]


def test_news_do_not_wait_and_carry_the_newest_readings() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(1.3, look(ESTAB, 0))
    assert story.at(1.5, look(HOLDING, 0)) == ["heard closed"]
    assert story.peer.readings.last_heard_ns == 1500 * MS
    assert story.table.deadline() is None
    assert story.readings == []


def test_readings_that_are_taken_back_are_not_published() -> None:
    story = Story()
    weak, strong = (station(ESTAB, inactive_ms=0, signal_dbm=dbm) for dbm in (-80, -40))
    story.at(1, StationSeen(MESH0, PEER, weak))
    story.at(1, StationSeen(MESH0, PEER, strong))
    assert story.table.deadline() == 2 * SECOND
    story.at(1, StationSeen(MESH0, PEER, weak))
    assert story.table.deadline() is None


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
    assert story.at(2, InterfacesSwept(frozenset())) == ["removed family_removed"] * 2
    assert story.at(9, Settled("nl80211")) == ["nl80211: works"]


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


def heard_ms(change: Change) -> int:
    assert isinstance(change.new, Neighbor)
    return change.new.readings.last_heard_ns // MS
