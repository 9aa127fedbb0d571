"""The conversation with rtnetlink: links as dumped, links as events describe them."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.observations import (
    Deaf,
    InterfaceDeleted,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
)
from meshwatch.rtnetlink import Rtnetlink
from tests.pure import kernel_bytes as k
from tests.pure.turns import MS, Turns

AF_BRIDGE = 7
LO = LinkSeen(1, "lo", up=True, running=True)


def seq_of(turns: Turns) -> int:
    """Sequence number of the only request of the last turn, which is for all links."""
    (request,) = turns.asked
    type_, flags, seq = k.head(request)
    assert (type_, flags) == (k.RTM_GETLINK, 0x301)
    return seq


def part(ifindex: int, name: str, state: int = k.UP | k.RUNNING, *, seq: int) -> bytes:
    """A link in a dump."""
    return k.link(ifindex, name, state, seq=seq, flags=k.MULTI)


def settled(**links: int) -> Turns:
    """These links are known."""
    turns = Turns(Rtnetlink())
    turns.at(0)
    seq = seq_of(turns)
    turns.at(0, *(part(ifindex, name, seq=seq) for name, ifindex in links.items()), k.done(seq))
    return turns


def test_it_begins_with_all_links() -> None:
    turns = Turns(Rtnetlink())
    assert turns.at(0) == []
    seq = seq_of(turns)
    assert turns.at(1, part(1, "lo", seq=seq) + part(8, "mesh0", k.UP, seq=seq)) == [
        LO,
        LinkSeen(8, "mesh0", up=True, running=False),
    ]
    assert turns.at(2, k.done(seq)) == [Settled("rtnetlink")]
    assert turns.deadline_ms() is None


def test_links_come_change_and_go() -> None:
    turns = settled(lo=1)
    assert turns.at(10, k.link(8, "mesh0", 0), k.link(8, "mesh0")) == [
        LinkSeen(8, "mesh0", up=False, running=False),
        LinkSeen(8, "mesh0", up=True, running=True),
    ]
    assert turns.at(20, k.link(8, "mesh0", type_=k.RTM_DELLINK)) == [InterfaceDeleted(8)]


def test_a_bridge_port_removed_from_its_bridge_is_still_a_link() -> None:
    turns = settled(lo=1, mesh0=8)
    assert turns.at(10, k.link(8, "mesh0", type_=k.RTM_DELLINK, family=AF_BRIDGE)) == []
    assert turns.at(10, k.link(8, "mesh0", 0, family=AF_BRIDGE)) == []


def test_links_that_went_unheard_are_found_missing() -> None:
    turns = settled(lo=1, mesh0=8, mesh1=9)
    assert list(turns.conversation.lost(500 * MS)) == [Deaf("rtnetlink", 0)]
    turns.at(500)
    seq = seq_of(turns)
    assert turns.at(501, part(1, "lo", seq=seq), k.done(seq)) == [
        LO,
        InterfaceDeleted(8),
        InterfaceDeleted(9),
    ]


def test_a_mark_in_a_recording_is_a_loss() -> None:
    turns = settled(lo=1)
    assert turns.at(10, k.overrun()) == [Deaf("rtnetlink", 0)]
    assert seq_of(turns) > 1


def test_an_event_holds_against_the_dump_under_way() -> None:
    turns = Turns(Rtnetlink())
    turns.at(0)
    seq = seq_of(turns)
    turns.at(1, part(1, "lo", seq=seq))
    assert turns.at(2, k.link(8, "mesh0", 0)) == [LinkSeen(8, "mesh0", up=False, running=False)]
    assert turns.at(2, k.link(9, "mesh1", type_=k.RTM_DELLINK)) == [InterfaceDeleted(9)]
    late = part(8, "mesh0", seq=seq), part(9, "mesh1", seq=seq)
    assert turns.at(3, *late, k.done(seq)) == [Settled("rtnetlink")]


def test_an_event_caused_under_our_sequence_number_is_no_answer() -> None:
    turns = Turns(Rtnetlink())
    turns.at(0)
    seq = seq_of(turns)
    assert turns.at(1, k.link(1, "lo", seq=seq)) == [LO]
    assert turns.at(2, part(1, "lo", 0, seq=seq), k.done(seq)) == [Settled("rtnetlink")]


def test_a_dump_that_somebody_else_asked_for_is_ignored() -> None:
    turns = settled(lo=1)
    assert turns.at(1, part(5, "eth0", seq=99), k.done(99)) == []


@pytest.mark.parametrize("flags", [k.MULTI | k.DUMP_INTR, k.MULTI])
def test_a_torn_dump_removes_nothing_and_is_repeated(flags: int) -> None:
    turns = settled(lo=1, mesh0=8)
    list(turns.conversation.lost(100 * MS))
    turns.at(100)
    seq = seq_of(turns)
    seen = turns.at(101, k.link(1, "lo", seq=seq, flags=flags), b"\1\2\3")  # the rest is damaged
    assert seen == [LO]
    assert turns.at(102, k.done(seq)) == []
    assert turns.deadline_ms() == 152
    turns.at(152)
    seq = seq_of(turns)
    assert turns.at(153, part(1, "lo", seq=seq), k.done(seq)) == [LO, InterfaceDeleted(8)]


@pytest.mark.parametrize(
    ("parts", "flags", "why"),
    [
        (b"", k.MULTI | k.DUMP_INTR, "dumps are interrupted"),
        (b"\1\2\3", k.MULTI, "unreadable message: cut off"),
        (k.message(k.RTM_NEWLINK, b"\0"), k.MULTI, "unreadable message: no link can be made of it"),
    ],
)
def test_dumps_that_stay_torn_are_a_failure(parts: bytes, flags: int, why: str) -> None:
    turns = Turns(Rtnetlink())
    said: list[Observation] = []
    for _ in range(3):
        turns.until_asked()
        said += turns.at(turns.now_ms, parts, k.done(seq_of(turns), flags=flags))
    assert said == [SourceState("rtnetlink", f"links: {why}")]
    turns.until_asked()
    seen = turns.at(turns.now_ms, k.done(seq_of(turns)))
    assert seen == [SourceState("rtnetlink", None), Settled("rtnetlink")]


def test_a_refused_dump_is_repeated_ever_later_and_said() -> None:
    turns = Turns(Rtnetlink())
    turns.at(0)
    times: list[float] = []
    seen: list[Observation] = []
    while turns.now_ms < 120_000:
        times.append(turns.now_ms)
        seen += turns.at(turns.now_ms, k.refused(seq_of(turns), errno.ENOBUFS))
        due = turns.deadline_ms()
        assert due is not None
        turns.at(due)
    assert times[:4] == [0, 50, 150, 350]
    assert len(times) <= 14
    assert seen == [SourceState("rtnetlink", "links: ENOBUFS")]
    seq = seq_of(turns)
    assert turns.at(turns.now_ms, k.done(seq)) == [
        SourceState("rtnetlink", None),
        Settled("rtnetlink"),
    ]


def test_an_unanswered_dump_is_repeated() -> None:
    turns = Turns(Rtnetlink())
    turns.at(0)
    assert turns.deadline_ms() == 2000
    late = seq_of(turns)
    turns.at(2000)
    turns.at(2050)
    assert seq_of(turns) != late
    assert turns.at(2051, part(1, "lo", seq=late), k.done(late)) == []


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    turns = settled(lo=1)
    for number, piece in enumerate(pieces):
        turns.at(number, piece, k.message((16, 17, 2, 3)[number % 4], piece, seq=number % 3))
