"""The conversation with rtnetlink about addresses: who is behind them, and which are ours."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.model import AddressProof, InterfaceType
from meshwatch.neighborhood import Neighborhood
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    OwnAddresses,
    Settled,
    SourceState,
)
from tests.pure import kernel_bytes as k
from tests.pure.turns import MS, Turns

LL_A, LL_B, ULA_A, V4_A = (
    "fe80::4000:ff:fe00:100",
    "fe80::f6d:dbfb:d78c:5691",
    "fd00::a",
    "10.0.0.7",
)
OWN = "fe80::1"
MESH = InterfaceSeen(k.MESH0, "mesh0", InterfaceType.MESH, 0, "42:00:00:00:00:00")
WIRED = InterfaceSeen(3, "wlan0", None, 0, "42:00:00:00:00:03")


def seen(ip: str, address: str = k.A, ifindex: int = k.MESH0) -> AddressSeen:
    return AddressSeen(ifindex, address, ip, AddressProof.KERNEL)


def failed(ip: str) -> AddressFailed:
    return AddressFailed(k.MESH0, ip)


class Talk(Turns):
    """A conversation that knows of the mesh interface."""

    def __init__(self) -> None:
        super().__init__(conversation := Neighborhood())
        conversation.notice(MESH, 0)
        self.neighborhood = conversation

    def seq(self, type_: int) -> int:
        """Number of the only request of the last turn, for all of this type."""
        (request,) = self.asked
        assert k.head(request)[:2] == (type_, 0x301)
        return k.head(request)[2]

    def look(self, ms: float, *entries: bytes, own: tuple[str, ...] = ()) -> list[Observation]:
        """Answer a whole look that begins now, with these entries and these addresses of ours."""
        said = self.at(ms)
        seq = self.seq(k.RTM_GETADDR)
        parts = [k.own_address(ip, flags=k.MULTI, seq=seq) for ip in own]
        said += self.at(ms, *parts, k.done(seq))
        seq = self.seq(k.RTM_GETNEIGH)
        return said + self.at(ms, *(part(entry, seq) for entry in entries), k.done(seq))


def part(entry: bytes, seq: int) -> bytes:
    """The entry as a part of a dump."""
    return entry[:6] + k.MULTI.to_bytes(2, "little") + seq.to_bytes(4, "little") + entry[12:]


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.look(0)
    return talk


def test_nothing_is_asked_without_a_mesh_interface() -> None:
    turns = Turns(neighborhood := Neighborhood())
    neighborhood.notice(WIRED, 0)
    assert turns.at(0) == []
    assert turns.asked == []
    assert turns.deadline_ms() is None
    assert turns.at(1, k.neighbor(LL_A, ifindex=3)) == []


def test_a_look_tells_both_families_and_our_own_addresses() -> None:
    talk = Talk()
    assert talk.deadline_ms() == 0
    entries = k.neighbor(LL_A), k.neighbor(V4_A, state=k.REACHABLE), k.neighbor(ULA_A, k.B)
    assert talk.look(0, *entries, own=(OWN, "fd00::1")) == [
        OwnAddresses(k.MESH0, (OWN,)),
        OwnAddresses(k.MESH0, ("fd00::1", OWN)),
        seen(LL_A),
        seen(V4_A),
        seen(ULA_A, k.B),
        Settled("addresses"),
    ]
    assert talk.deadline_ms() is None


@pytest.mark.parametrize("state", [k.REACHABLE, k.STALE, k.DELAY, k.PROBE, k.PERMANENT])
def test_whoever_the_kernel_found_is_told(talk: Talk, state: int) -> None:
    assert talk.at(1, k.neighbor(LL_A, state=state)) == [seen(LL_A)]


@pytest.mark.parametrize(
    "entry",
    [
        k.neighbor(LL_A, None, k.INCOMPLETE),
        k.neighbor("ff02::1", "33:33:00:00:00:01", k.NOARP),
        k.neighbor(LL_A, state=k.PERMANENT, entry_flags=0x08),  # we answer for it
        k.neighbor(LL_A, ifindex=3),  # another interface's
        k.neighbor(LL_A, family=7),  # a bridge's
        k.neighbor(LL_A, "42:00:00:00"),  # no Ethernet
        k.neighbor(LL_A, None),
    ],
)
def test_what_tells_nobody(talk: Talk, entry: bytes) -> None:
    assert talk.at(1, entry) == []


def test_several_addresses_that_move_and_fail(talk: Talk) -> None:
    assert talk.at(1, k.neighbor(LL_A), k.neighbor(V4_A)) == [seen(LL_A), seen(V4_A)]
    assert talk.at(2, k.neighbor(V4_A, k.B)) == [seen(V4_A, k.B)]
    assert talk.at(3, k.neighbor(LL_A, None, k.FAILED)) == [failed(LL_A)]
    assert talk.at(4, k.neighbor(LL_A, type_=k.RTM_DELNEIGH, state=k.FAILED)) == []


def test_an_address_that_nobody_saw_may_fail(talk: Talk) -> None:
    assert talk.at(1, k.neighbor(LL_A, None, k.FAILED)) == [failed(LL_A)]


def test_a_removed_entry_tells_nothing_of_a_link_local_address(talk: Talk) -> None:
    talk.at(1, *map(k.neighbor, (LL_A, ULA_A, V4_A)))
    removed = [k.neighbor(ip, type_=k.RTM_DELNEIGH) for ip in (LL_A, ULA_A, V4_A)]
    assert talk.at(2, *removed, *removed) == [failed(ULA_A), failed(V4_A)]


def test_after_a_loss_everything_is_looked_at_and_what_went_is_told(talk: Talk) -> None:
    talk.at(1, *map(k.neighbor, (LL_A, ULA_A, V4_A)))
    assert list(talk.conversation.lost(5 * MS)) == []
    assert talk.look(5, k.neighbor(V4_A)) == [seen(V4_A), failed(ULA_A)]


def test_a_mark_in_a_recording_is_a_loss(talk: Talk) -> None:
    talk.at(10, k.overrun())
    talk.seq(k.RTM_GETADDR)


def test_an_event_holds_against_the_dump_under_way() -> None:
    talk = Talk()
    talk.at(0)
    seq = talk.seq(k.RTM_GETADDR)
    assert talk.at(1, k.own_address(OWN)) == [OwnAddresses(k.MESH0, (OWN,))]
    assert talk.at(1, k.done(seq)) == []
    seq = talk.seq(k.RTM_GETNEIGH)
    assert talk.at(2, k.neighbor(LL_A, k.B), k.neighbor(V4_A)) == [seen(LL_A, k.B), seen(V4_A)]
    late = part(k.neighbor(LL_A), seq), part(k.neighbor(ULA_A), seq), k.done(seq)
    assert talk.at(3, *late) == [seen(ULA_A), Settled("addresses")]


@pytest.mark.parametrize("damage", [b"\1\2\3", k.message(k.RTM_NEWNEIGH, b"\0\0\0\0\x08\0\0\0")])
def test_a_torn_dump_removes_nothing_and_is_repeated(talk: Talk, damage: bytes) -> None:
    talk.at(1, k.neighbor(ULA_A))
    talk.conversation.lost(100 * MS)
    assert talk.look(100, damage) == []
    assert talk.deadline_ms() == 150
    assert talk.neighborhood.summary() == "messages that could not be read: 1"
    assert talk.look(150) == [failed(ULA_A)]


@pytest.mark.parametrize(
    ("type_", "damage", "flags", "why"),
    [
        (k.RTM_GETNEIGH, b"", k.DUMP_INTR, "neighbors: dumps are interrupted"),
        (k.RTM_GETNEIGH, b"\1\2\3", 0, "neighbors: unreadable message: cut off"),
        (
            k.RTM_GETNEIGH,
            k.message(k.RTM_NEWNEIGH, b"\0\0\0\0\x08\0\0\0"),
            0,
            "neighbors: unreadable message: no neighbor can be made of it",
        ),
        (
            k.RTM_GETADDR,
            k.message(k.RTM_NEWADDR, b"\x0a\0\0\0\x08\0\0\0\xff\xff\1\0"),
            0,
            "own addresses: unreadable message: no address can be made of it",
        ),
    ],
)
def test_dumps_that_stay_torn_are_a_failure(
    type_: int, damage: bytes, flags: int, why: str
) -> None:
    talk = Talk()
    said: list[Observation] = []
    for _ in range(3):
        talk.until_asked()
        for asked in (k.RTM_GETADDR, k.RTM_GETNEIGH):
            seq = talk.seq(asked)
            torn = asked == type_
            end = k.done(seq, flags=k.MULTI | (flags if torn else 0))
            said += talk.at(talk.now_ms, damage if torn else b"", end)
    assert said[-1] == SourceState("addresses", why)
    assert said.count(said[-1]) == 1
    now_ms = talk.deadline_ms()
    assert now_ms is not None
    assert SourceState("addresses", None) in talk.look(now_ms)


def test_half_a_look_that_fails_is_repeated_ever_later() -> None:
    talk = Talk()
    times: list[float] = []
    while len(times) < 5:
        talk.until_asked()
        times.append(talk.now_ms)
        talk.at(talk.now_ms, k.refused(talk.seq(k.RTM_GETADDR), errno.ENOBUFS))
        talk.at(talk.now_ms, k.done(talk.seq(k.RTM_GETNEIGH)))
    assert times == [0, 50, 150, 350, 750]


def test_an_interrupted_dump_removes_nothing_and_is_repeated(talk: Talk) -> None:
    talk.at(1, k.neighbor(ULA_A))
    talk.conversation.lost(100 * MS)
    talk.at(100)
    talk.at(100, k.done(talk.seq(k.RTM_GETADDR)))
    end = k.done(talk.seq(k.RTM_GETNEIGH), flags=k.MULTI | k.DUMP_INTR)
    assert talk.at(101, end) == []
    assert talk.deadline_ms() == 151


def test_a_refused_dump_is_repeated_and_said(talk: Talk) -> None:
    talk.conversation.lost(100 * MS)
    said: list[Observation] = []
    now = 100.0
    for _ in range(3):
        talk.at(now)
        talk.at(now, k.done(talk.seq(k.RTM_GETADDR)))
        said += talk.at(now, k.refused(talk.seq(k.RTM_GETNEIGH), errno.ENOBUFS))
        due = talk.deadline_ms()
        assert due is not None
        now = due
    assert said == [SourceState("addresses", "neighbors: ENOBUFS")]
    assert talk.look(now) == [SourceState("addresses", None)]


def test_an_unanswered_dump_is_repeated() -> None:
    talk = Talk()
    talk.at(0)
    late = talk.seq(k.RTM_GETADDR)
    assert talk.deadline_ms() == 2000
    talk.at(2000)
    talk.seq(k.RTM_GETNEIGH)
    assert talk.at(2001, k.own_address(OWN, flags=k.MULTI, seq=late), k.done(late)) == []


def test_our_addresses_come_are_checked_and_go(talk: Talk) -> None:
    assert talk.at(1, k.own_address(OWN, 0x40)) == []  # tentative
    assert talk.at(2, k.own_address(OWN)) == [OwnAddresses(k.MESH0, (OWN,))]
    assert talk.at(3, k.own_address("fd00::1", 0x44)) == [
        OwnAddresses(k.MESH0, ("fd00::1", OWN))  # optimistic
    ]
    assert talk.at(4, k.own_address("fd00::1", 0x48)) == [OwnAddresses(k.MESH0, (OWN,))]
    assert talk.at(5, k.own_address(OWN, type_=k.RTM_DELADDR)) == [OwnAddresses(k.MESH0, ())]
    assert talk.at(6, k.own_address(OWN, ifindex=3)) == []


def test_an_address_of_ours_that_went_unheard_is_found_missing(talk: Talk) -> None:
    talk.at(1, k.own_address(OWN))
    talk.conversation.lost(2 * MS)
    assert talk.look(2) == [OwnAddresses(k.MESH0, ())]


@pytest.mark.parametrize(
    "hint",
    [
        InterfaceDeleted(k.MESH0),
        InterfacesSwept(frozenset({3})),
        InterfaceSeen(k.MESH0, "mesh0", None, 0, ""),
    ],
)
def test_an_interface_that_goes_takes_its_entries_with_it(talk: Talk, hint: Observation) -> None:
    talk.at(1, k.neighbor(ULA_A), k.own_address(OWN))
    talk.neighborhood.notice(hint, 2 * MS)
    assert talk.at(2, k.neighbor(LL_A)) == []
    talk.neighborhood.notice(MESH, 3 * MS)
    assert talk.look(41) == []


def test_when_the_link_is_up_again_everything_is_looked_at(talk: Talk) -> None:
    up = LinkSeen(k.MESH0, "mesh0", up=True, running=True)
    talk.neighborhood.notice(up, 50 * MS)
    talk.neighborhood.notice(LinkSeen(k.MESH0, "mesh0", up=True, running=False), 51 * MS)
    assert talk.deadline_ms() is None
    talk.neighborhood.notice(up, 52 * MS)
    assert talk.look(52, k.neighbor(V4_A, state=k.PERMANENT)) == [seen(V4_A)]


def test_interfaces_seen_again_and_again_are_no_reason_to_look(talk: Talk) -> None:
    talk.neighborhood.notice(MESH, MS)
    assert talk.deadline_ms() is None
    talk.neighborhood.notice(InterfaceSeen(9, "mesh1", InterfaceType.IBSS, 1, ""), MS)
    assert talk.deadline_ms() is not None


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    talk = Talk()
    talk.at(0)
    for number, piece in enumerate(pieces):
        type_ = (k.RTM_NEWNEIGH, k.RTM_DELNEIGH, k.RTM_NEWADDR, k.RTM_DELADDR, 3, 2)[number % 6]
        head = b"\x0a\0\0\0" + k.MESH0.to_bytes(4, "little")
        talk.at(number, piece, k.message(type_, head + piece, seq=number % 3))
