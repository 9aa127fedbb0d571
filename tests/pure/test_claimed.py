"""Claims in the table: what is shown of them, for how long, and when a name is disputed."""

from __future__ import annotations

from typing import Any

from meshwatch.claimed import MOST_CLAIMS, MOST_OF_ONE_USER
from meshwatch.model import Change, Clash, Interface, InterfaceType, Key, Neighbor, Plink, Service
from meshwatch.observations import (
    Beacon,
    BeaconSeen,
    ClaimMade,
    InterfaceSeen,
    LinkSeen,
    Observation,
    StationDeleted,
    StationSeen,
)
from meshwatch.table import Table
from tests.pure.scenarios import MESH0, SECOND, station

MESH1 = MESH0 + 1
ANA, BEN, CID, OWN = (f"02:00:00:00:0{number}:00" for number in (1, 2, 3, 0))


def claim_of(address: str, **words: Any) -> ClaimMade:
    plain: dict[str, Any] = {
        "ifindex": MESH0,
        "address": address,
        "claimant": "names",
        "uid": 994,
        "lifetime_ns": 3600 * SECOND,
    }
    return ClaimMade(**plain | words)


class Room:
    """A table with one or two interfaces, on which Ana and Ben may be neighbors."""

    def __init__(self) -> None:
        self.table = Table()
        self.now = SECOND
        self.interface(MESH0, OWN)
        self.come(ANA)
        self.come(BEN)

    def interface(self, ifindex: int, address: str, frequency_mhz: int = 2412) -> None:
        name = f"mesh{ifindex - MESH0}"
        seen = InterfaceSeen(ifindex, name, InterfaceType.MESH, ifindex, address, frequency_mhz)
        self.observe(seen, LinkSeen(ifindex, name, up=True, running=True))

    def observe(self, *observations: Observation) -> list[Change]:
        return [change for each in observations for change in self.table.observe(each, self.now)]

    def come(self, address: str, ifindex: int = MESH0, llid: int = 1) -> list[Change]:
        seen = station(Plink.ESTAB, inactive_ms=0, llid=llid, plid=2)
        return self.observe(StationSeen(ifindex, address, seen))

    def claim(self, address: str = ANA, **words: Any) -> list[Change]:
        made = claim_of(address, **words)
        assert self.table.takes(made)
        return self.observe(made)

    def refuses(self, address: str = ANA, **words: Any) -> bool:
        made = claim_of(address, **words)
        return not self.table.takes(made) and self.observe(made) == []

    def row(self, address: str = ANA, ifindex: int = MESH0) -> Neighbor:
        row = self.table.row(Key("neighbor", ifindex, address))
        assert isinstance(row, Neighbor)
        return row

    @property
    def disputed(self) -> tuple[bool, bool]:
        return self.row(ANA).disputed, self.row(BEN).disputed


def test_a_claim_is_news_and_said_once_more_is_none() -> None:
    room = Room()
    services = (Service("_ssh._tcp", "ana", None, 22),)
    (change,) = room.claim(name="ana.local", nick="Ana", services=services)
    assert change.news
    row = room.row()
    assert (row.name, row.nick, row.jid, row.disputed) == ("ana.local", "Ana", None, False)
    (claim,) = row.claims
    assert (claim.claimant, claim.uid, claim.claimed_ns) == ("names", 994, SECOND)
    assert claim.services == services
    room.now = 100 * SECOND
    assert [each for each in room.come(ANA) if each.news] == []
    assert room.claim(name="ana.local", nick="Ana", services=services) == []
    assert room.row().claims == (claim,)
    room.claim(name="ana.local", nick="Anna", services=services)
    assert [each.claimed_ns for each in room.row().claims] == [100 * SECOND]


def test_a_claim_ends_with_its_lifetime_or_is_withdrawn() -> None:
    room = Room()
    room.claim(name="ana.local", lifetime_ns=2 * SECOND)
    room.claim(claimant="other", nick="A", lifetime_ns=1)
    room.table.questions()
    assert room.table.deadline() == SECOND + 1
    assert len(room.table.tick(SECOND + 1)) == 1
    assert [each.claimant for each in room.row().claims] == ["names"]
    room.claim(name="ana.local", lifetime_ns=5 * SECOND)  # renewed
    assert room.table.tick(3 * SECOND) == []
    assert room.row().name == "ana.local"
    room.claim(lifetime_ns=0)
    assert (room.row().name, room.row().claims) == (None, ())
    assert room.claim(lifetime_ns=0) == []


def test_claims_go_with_the_row() -> None:
    room = Room()
    room.claim(name="ana.local")
    (gone,) = room.observe(StationDeleted(MESH0, ANA))
    assert isinstance(gone.old, Neighbor)
    assert gone.old.name == "ana.local"
    assert room.refuses(ANA)
    room.come(ANA)
    assert (room.row().name, room.row().claims) == (None, ())
    room.claim(name="another.local")
    assert not room.row().disputed  # it came anew


def test_what_a_claimant_calls_verified_goes_before_what_is_newer() -> None:
    room = Room()
    room.claim(claimant="a", name="first.local", nick="1")
    room.now += SECOND
    room.claim(claimant="b", name="second.local", jid="b@b")
    assert (room.row().name, room.row().nick, room.row().jid) == ("second.local", "1", "b@b")
    assert [each.claimant for each in room.row().claims] == ["b", "a"]
    room.claim(claimant="a", name="first.local", nick="1", verified=True)
    room.now += SECOND
    room.claim(claimant="c", name="third.local")
    assert room.row().name == "first.local"
    assert not room.row().disputed


def test_claims_about_nobody_and_too_many_are_refused() -> None:
    room = Room()
    assert room.refuses("02:00:00:00:09:00")
    for number in range(MOST_OF_ONE_USER):
        room.claim(claimant=str(number))
    assert room.refuses(claimant="more")
    assert room.refuses(ifindex=9)
    room.claim(claimant="0", nick="again")
    for number in range(MOST_CLAIMS - MOST_OF_ONE_USER):
        room.claim(claimant=str(number), uid=1000 + number // 2)
    assert room.refuses(claimant="more", uid=5000)
    assert len(room.row().claims) == MOST_CLAIMS
    room.claim(claimant="0", lifetime_ns=0)
    room.claim(claimant="more", uid=5000)


def test_a_name_that_two_neighbors_have_is_disputed_while_they_do() -> None:
    room = Room()
    room.claim(ANA, name="ana.local")
    changes = room.claim(BEN, name="ANA.local.", lifetime_ns=10 * SECOND)
    assert {change.key.name for change in changes} == {ANA, BEN}
    assert room.disputed == (True, True)
    room.table.tick(11 * SECOND + 1)
    assert room.disputed == (False, False)
    room.now = 12 * SECOND
    room.come(BEN)
    room.claim(BEN, name="ana.local")
    assert room.disputed == (True, True)
    room.observe(StationDeleted(MESH0, BEN))
    assert not room.row(ANA).disputed


def test_whose_name_is_verified_is_not_disputed_by_another_of_its_names() -> None:
    room = Room()
    room.claim(ANA, name="ana.local")
    room.claim(ANA, claimant="prosody", name="ana.example", verified=True)
    room.claim(BEN, name="ana.local")
    assert room.disputed == (False, True)


def test_one_that_changes_its_name_is_disputed_as_long_as_it_is_there() -> None:
    room = Room()
    room.claim(name="ana.local")
    room.claim(claimant="other", name="other.local")
    assert not room.row().disputed
    room.claim(nick="Ana")
    room.claim(name="Ana.local")
    assert not room.row().disputed
    room.claim(name="ben.local")
    assert room.row().disputed
    room.claim(name="ana.local")
    assert room.row().disputed


def test_one_neighbor_on_two_interfaces_does_not_dispute_with_itself() -> None:
    room = Room()
    room.interface(MESH1, "02:00:00:00:00:01")
    room.come(ANA, MESH1)
    room.claim(ANA, name="ana.local")
    room.claim(ANA, ifindex=MESH1, name="ana.local")
    assert not room.row(ANA, MESH0).disputed
    assert not room.row(ANA, MESH1).disputed
    room.claim(BEN, name="ana.local")
    room.claim(ANA, lifetime_ns=0)
    assert room.row(ANA, MESH1).disputed
    assert room.row(BEN).disputed
    room.claim(ANA, ifindex=MESH1, lifetime_ns=0)
    assert not room.row(BEN).disputed


# ---- clashes of addresses, and restarts ---------------------------------------------------------


def test_one_address_on_two_channels_is_a_clash() -> None:
    room = Room()
    room.interface(MESH1, "02:00:00:00:00:01")
    room.come(ANA, MESH1)
    assert room.row(ANA).clash is None  # two radios of ours on one channel hear the same one
    room.interface(MESH1, "02:00:00:00:00:01", 5180)
    assert room.row(ANA, MESH0).clash is room.row(ANA, MESH1).clash is Clash.CHANNELS
    assert room.row(BEN).clash is None
    room.come(BEN, MESH1)
    assert room.row(BEN).clash is Clash.CHANNELS
    room.observe(StationDeleted(MESH0, ANA))
    assert room.row(ANA, MESH1).clash is None


def test_a_neighbor_with_an_address_of_ours_is_a_clash() -> None:
    room = Room()
    room.interface(MESH1, ANA)
    assert room.row(ANA).clash is Clash.OURS
    room.interface(MESH1, "02:00:00:00:00:01")
    assert room.row(ANA).clash is None


def test_who_comes_with_an_address_of_ours_is_told_once() -> None:
    room = Room()
    room.interface(MESH1, CID)
    (came,) = room.come(CID)
    assert isinstance(came.new, Neighbor)
    assert came.new.clash is Clash.OURS


def test_beacons_with_our_address_are_forged_if_they_were_received() -> None:
    room = Room()
    beacon = Beacon(
        interval_tu=1000, mesh_id=b"ours", path_protocol=1, path_metric=1, congestion_control=0,
        synchronization=1, authentication=0, peers=1, gate=False, authentication_server=False,
        accepting=True, forwarding=True, privacy=False,
    )  # fmt: skip
    room.observe(BeaconSeen(MESH0, OWN, room.now, beacon))
    assert interface(room).mesh_id == "ours"
    assert not interface(room).forged
    forged = Beacon(
        **{name: getattr(beacon, name) for name in beacon.__struct_fields__}
        | {"mesh_id": b"theirs", "signal_dbm": -40}
    )
    room.observe(BeaconSeen(MESH0, OWN, room.now, forged))
    assert interface(room).mesh_id == "ours"
    assert interface(room).forged
    room.observe(LinkSeen(MESH0, "mesh0", up=True, running=False))
    assert not interface(room).forged


def interface(room: Room) -> Interface:
    row = room.table.row(Key("interface", MESH0, ""))
    assert isinstance(row, Interface)
    return row


def test_restarts_are_counted() -> None:
    room = Room()
    room.come(ANA, llid=1)
    assert room.row().restarts == 0
    room.come(ANA, llid=7)
    room.come(ANA, llid=7)
    room.come(ANA, llid=8)
    assert room.row().restarts == 2
    room.observe(StationDeleted(MESH0, ANA))
    room.come(ANA)
    assert room.row().restarts == 0
