"""The conversation about mesh paths: what it asks when, and what it makes of the answers."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshwatch.model import InterfaceType, Plink
from meshwatch.observations import (
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Observation,
    Path,
    PathSeen,
    PathsSwept,
    ProxySeen,
    SourceState,
    Station,
    StationDeleted,
    StationField,
    StationSeen,
    StationsSwept,
)
from meshwatch.paths import Paths
from meshwatch.records import Kind, decode
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0, A, B, C
from tests.pure.turns import MS, Turns

MESH = InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, "42:00:00:00:00:00")
WORKS = SourceState("paths")
HOST = "36:74:57:9d:f1:de"  # bridged to somebody's mesh interface


def begun(*interfaces: InterfaceSeen) -> Turns:
    """nl80211's number is known, and these interfaces (else mesh0)."""
    paths = Paths()
    turns = Turns(paths)
    for interface in interfaces or (MESH,):
        paths.notice(interface, 0)
    turns.at(0)
    (request,) = turns.asked
    assert k.head(request)[0] == 16
    turns.at(0, k.renumbered(k.family(), k.head(request)[2]))
    return turns


def paths_of(turns: Turns) -> Paths:
    assert isinstance(turns.conversation, Paths)
    return turns.conversation


def wanted(turns: Turns) -> tuple[int, int]:
    """Command and interface of the only request of the last turn."""
    (request,) = turns.asked
    (message,) = decode(request, k.FAMILY)
    assert message.kind is Kind.REQUEST
    assert message.flags & k.DUMP == k.DUMP
    return message.command, message.ifindex


def seq_of(turns: Turns) -> int:
    (request,) = turns.asked
    return k.head(request)[2]


def answer(
    turns: Turns, ms: float, paths: Sequence[bytes] = (), proxies: Sequence[bytes] = ()
) -> list[Observation]:
    """Both dumps, just asked for, are answered by these."""
    assert wanted(turns) == (k.GET_MPATH, MESH0)
    seq = seq_of(turns)
    seen = turns.at(ms, *(k.renumbered(part, seq) for part in paths), k.done(seq))
    assert wanted(turns) == (k.GET_MPP, MESH0)
    seq = seq_of(turns)
    return seen + turns.at(ms, *(k.renumbered(part, seq) for part in proxies), k.done(seq))


def looks_ms(turns: Turns, until_ms: float, *paths: bytes) -> list[float]:
    """When paths are looked at until then, if each look is answered at once by these."""
    times = []
    while (due := turns.deadline_ms()) is not None and due <= until_ms:
        turns.at(due)
        if turns.asked:
            times.append(due)
            answer(turns, due, paths)
    return times


def station(address: str, plink: Plink) -> StationSeen:
    values = dict.fromkeys(Station._fields, 0) | {"plink": int(plink)}
    values["present"] = int(StationField.PLINK)
    return StationSeen(MESH0, address, Station(**values))


# ---- what there is ------------------------------------------------------------------------------


def test_paths_then_proxies_then_all_others_are_gone() -> None:
    turns = begun()
    seen = answer(
        turns,
        1,
        [k.path(B, B, seq=0), k.path(C, B, seq=0, active=False, hop_count=2, expiry_ms=0)],
        [k.proxied(HOST, C, seq=0)],
    )
    assert seen == [
        PathSeen(MESH0, B, found(B, expiry_ms=4000)),
        PathSeen(MESH0, C, found(B, active=False, hop_count=2, expiry_ms=0)),
        ProxySeen(MESH0, HOST, C),
        WORKS,
        PathsSwept(MESH0, frozenset({B, C}), frozenset({HOST})),
    ]
    turns.at(30_000)
    assert answer(turns, 30_000) == [PathsSwept(MESH0, frozenset(), frozenset())]


def found(next_hop: str | None, *, active: bool = True, hop_count: int = 1, expiry_ms: int) -> Path:
    return Path(
        next_hop=next_hop, active=active, resolving=False, fixed=False, resolved=True,
        hop_count=hop_count, metric=418, expiry_ms=expiry_ms,
    )  # fmt: skip


def test_real_tables_are_understood() -> None:
    """As Linux 6.1 sent them."""
    paths = Paths()
    paths.notice(InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, ""), 0)
    list(paths.receive(k.family(), 0))
    for command, seq in ((k.GET_MPATH, 0x40000005), (k.GET_MPP, 0x4000000A)):
        paths.sent(k.nl80211(command, k.u32(3, 3), flags=0x301, seq=seq), 0)
    heard = k.REAL_PATHS, k.done(0x40000005), k.REAL_PROXIES, k.done(0x4000000A)
    near = Path(
        next_hop=A, active=True, resolving=False, fixed=False, resolved=True,
        hop_count=1, metric=8193, expiry_ms=472, changes=1,
    )  # fmt: skip
    host = "a6:f9:35:fc:d8:e9"
    assert [o for data in heard for o in paths.receive(data, 1)] == [
        PathSeen(3, A, near),
        PathSeen(3, B, replace(near, hop_count=2, metric=16_386)),
        ProxySeen(3, host, B),
        WORKS,
        PathsSwept(3, frozenset({A, B}), frozenset({host})),
    ]


def test_a_path_that_leads_nowhere_yet() -> None:
    turns = begun()
    nowhere = k.path(C, "00:00:00:00:00:00", seq=0, active=False, hop_count=0, expiry_ms=0)
    (first, *_) = answer(turns, 0, [nowhere])
    assert isinstance(first, PathSeen)
    assert first.path.next_hop is None


def test_a_station_that_is_its_own_proxy_is_nobody_behind_it() -> None:
    turns = begun()
    seen = answer(turns, 0, [], [k.proxied(B, B, seq=0), k.proxied(HOST, B, seq=0)])
    assert seen == [
        ProxySeen(MESH0, HOST, B),
        WORKS,
        PathsSwept(MESH0, frozenset(), frozenset({HOST})),
    ]


def test_without_a_mesh_nothing_is_asked_not_even_the_family() -> None:
    paths = Paths()
    turns = Turns(paths)
    paths.begin(0)
    paths.notice(InterfaceSeen(2, "adhoc0", InterfaceType.IBSS, 0, ""), 0)
    paths.notice(InterfaceSeen(3, "mesh0", None, 0, ""), 0)
    assert turns.at(0) == []
    assert (turns.asked, turns.deadline_ms()) == ([], None)


# ---- torn and failed ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [k.GET_MPATH, k.GET_MPP])
@pytest.mark.parametrize("how", ["part", "done", "generations", "malformed"])
def test_a_torn_look_sweeps_nothing_and_is_repeated(command: int, how: str) -> None:
    turns = begun()
    answer(turns, 0, [k.path(B, B, seq=0)])
    turns.at(30_000)
    if command == k.GET_MPP:
        seq = seq_of(turns)
        turns.at(30_000, k.done(seq))
    assert wanted(turns) == (command, MESH0)
    seq = seq_of(turns)
    make = k.path if command == k.GET_MPATH else k.proxied
    broken = k.nl80211(k.NEW_MPATH, k.u32(3, MESH0), b"\xff\xff\x06\x00", flags=2, seq=seq)
    seen = turns.at(
        30_001,
        make(B, C, seq=seq, flags=k.MULTI | (k.DUMP_INTR if how == "part" else 0)),
        broken if how == "malformed" else b"",
        make(A, C, seq=seq, generation=2 if how == "generations" else 1),
        k.done(seq, flags=k.MULTI | (k.DUMP_INTR if how == "done" else 0)),
    )
    assert [type(o) for o in seen] == [PathSeen if command == k.GET_MPATH else ProxySeen] * 2
    assert turns.asked == []
    turns.at(31_000)
    seen = answer(turns, 31_000, [k.path(B, B, seq=0)])
    assert seen[1:] == [PathsSwept(MESH0, frozenset({B}), frozenset())]


@pytest.mark.parametrize(
    ("parts", "flags", "why"),
    [
        ([], k.MULTI | k.DUMP_INTR, "dumps are interrupted"),
        (
            [k.path(B, B, seq=0), k.path(C, B, seq=0, generation=2)],
            k.MULTI,
            "dumps are interrupted",
        ),
        (
            [k.nl80211(k.NEW_MPATH, k.u32(3, MESH0), b"\xff\xff\x06\x00", flags=k.MULTI)],
            k.MULTI,
            "unreadable message: attribute length impossible",
        ),
    ],
)
def test_looks_that_stay_torn_are_a_failure(parts: list[bytes], flags: int, why: str) -> None:
    turns = begun()
    said: list[Observation] = []
    for _ in range(3):
        turns.until_asked()
        seq = seq_of(turns)
        heard = *(k.renumbered(part, seq) for part in parts), k.done(seq, flags=flags)
        said += [o for o in turns.at(turns.now_ms, *heard) if not isinstance(o, PathSeen)]
    assert said == [SourceState("paths", f"paths of mesh0: {why}")]
    turns.until_asked()
    assert answer(turns, turns.now_ms) == [WORKS, PathsSwept(MESH0, frozenset(), frozenset())]
    expected = "" if why == "dumps are interrupted" else "messages that could not be read: 3"
    assert paths_of(turns).summary() == expected


def test_proxies_without_paths_sweep_nothing() -> None:
    paths = Paths()
    paths.notice(MESH, 0)
    list(paths.receive(k.family(), 0))
    paths.sent(k.nl80211(k.GET_MPP, k.u32(3, MESH0), flags=0x301, seq=7), 0)
    heard = k.proxied(HOST, C, seq=7), k.done(7)
    assert [o for data in heard for o in paths.receive(data, 1)] == [ProxySeen(MESH0, HOST, C)]


def test_without_the_capability_it_says_so_once_and_is_silent() -> None:
    turns = begun(MESH, InterfaceSeen(9, "mesh1", InterfaceType.MESH, 0, ""))
    seen = turns.at(0, k.refused(seq_of(turns), errno.EPERM))
    assert seen == [SourceState("paths", "needs CAP_NET_ADMIN")]
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    paths_of(turns).notice(station(B, Plink.ESTAB), 500 * MS)
    paths_of(turns).notice(InterfaceSeen(10, "mesh2", InterfaceType.MESH, 0, ""), 500 * MS)
    turns.at(60_000)
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    paths_of(turns).begin(60_000 * MS)
    turns.at(60_000)
    turns.at(60_000, k.renumbered(k.family(), seq_of(turns)))
    assert answer(turns, 60_000) == [WORKS, PathsSwept(MESH0, frozenset(), frozenset())]


@pytest.mark.parametrize("error", [errno.ENODEV, errno.EOPNOTSUPP, errno.EBUSY])
def test_a_refused_look_is_repeated_and_does_not_spin(error: int) -> None:
    turns = begun()
    looks, seen = 0, []
    while turns.now_ms < 300_000:
        while turns.asked:
            looks += 1
            seen += turns.at(turns.now_ms, k.refused(seq_of(turns), error))
        due = turns.deadline_ms()
        assert due is not None
        seen += turns.at(due)
    assert looks <= 25
    why = f"paths of mesh0: {errno.errorcode[error]}"
    assert seen == [SourceState("paths", why)]
    assert answer(turns, turns.now_ms)[0] == WORKS


def test_an_unanswered_look_is_given_up() -> None:
    turns = begun()
    late = seq_of(turns)
    assert turns.at(2000) == []
    assert turns.at(2001, k.path(B, B, seq=late), k.done(late)) == []
    assert turns.at(2050) == []
    assert answer(turns, 2051)[-1] == PathsSwept(MESH0, frozenset(), frozenset())


# ---- the pace -----------------------------------------------------------------------------------


def test_it_looks_every_30_s_when_nothing_moves() -> None:
    turns = begun()
    answer(turns, 0, [k.path(B, B, seq=0)])
    # That a path is older than before is no movement.
    assert looks_ms(turns, 60_000, k.path(B, B, seq=0, expiry_ms=77)) == [30_000, 60_000]


def test_it_looks_every_5_s_while_something_moves() -> None:
    turns = begun()
    answer(turns, 0)
    assert looks_ms(turns, 30_000) == [30_000]
    times = looks_ms(turns, 180_000, k.path(B, B, seq=0))
    assert times == [60_000, 65_000, 70_000, 75_000, 80_000, 85_000, 90_000, 120_000, 150_000,
                     180_000]  # fmt: skip


def test_it_looks_every_5_s_while_a_path_leads_farther() -> None:
    turns = begun()
    far = k.path(C, B, seq=0, hop_count=2)
    answer(turns, 0, [far])
    assert looks_ms(turns, 100_000, far) == [5000 * n for n in range(1, 21)]
    expired = k.path(C, B, seq=0, hop_count=2, active=False)
    assert looks_ms(turns, 1_000_000, expired)[-2:] == [945_000, 975_000]


@pytest.mark.parametrize(
    "went",
    [
        station(B, Plink.HOLDING),
        StationDeleted(MESH0, B),
        StationsSwept(MESH0, frozenset({C})),
    ],
)
def test_when_the_link_to_a_station_comes_or_goes_it_looks_once_at_once(went: Observation) -> None:
    turns = begun()
    answer(turns, 0)
    turns.at(15_000)
    assert turns.asked == []
    paths = paths_of(turns)
    paths.notice(station(B, Plink.LISTEN), 15_000 * MS)
    assert turns.deadline_ms() == 30_000
    paths.notice(station(B, Plink.ESTAB), 15_000 * MS)
    assert looks_ms(turns, 19_000) == [15_010]
    paths.notice(station(B, Plink.ESTAB), 19_000 * MS)
    paths.notice(StationsSwept(MESH0, frozenset({B, C})), 19_000 * MS)
    assert turns.deadline_ms() == 20_010
    paths.notice(went, 19_000 * MS)
    assert looks_ms(turns, 19_999) == [19_010]
    paths.notice(went, 20_000 * MS)  # nothing new
    assert looks_ms(turns, 23_000) == []


def test_many_hints_are_one_look_a_second() -> None:
    turns = begun()
    answer(turns, 0)
    times: list[float] = []
    for ms in range(10_000, 15_000, 50):
        paths_of(turns).notice(station(B, Plink.ESTAB if ms % 100 else Plink.LISTEN), ms * MS)
        times += looks_ms(turns, ms)
    assert 4 <= len(times) <= 6


# ---- interfaces and the family ------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone",
    [
        InterfaceDeleted(MESH0),
        InterfacesSwept(frozenset({2})),
        InterfaceSeen(MESH0, "mesh0", None, 0, ""),
    ],
)
def test_an_interface_that_is_gone_is_not_asked_about(gone: Observation) -> None:
    turns = begun()
    first = seq_of(turns)
    paths_of(turns).notice(gone, 0)
    assert turns.at(1, k.path(B, B, seq=first), k.done(first)) == []
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    paths_of(turns).notice(MESH, 1000 * MS)
    turns.at(1000)
    assert k.head(turns.asked[0])[0] == 16  # the module may have come anew, too


def test_the_family_comes_back_under_another_number() -> None:
    turns = begun()
    turns.at(0, k.refused(seq_of(turns), errno.ENOENT))
    (request,) = turns.asked
    assert k.head(request)[0] == 16
    turns.at(1, k.renumbered(k.family(35), k.head(request)[2]))
    (request,) = turns.asked
    (message,) = decode(request, 35)
    assert (message.command, message.ifindex) == (k.GET_MPATH, MESH0)


def test_a_family_that_stays_away() -> None:
    turns = begun()
    turns.at(0, k.refused(seq_of(turns), errno.ENOENT))
    assert turns.at(1, k.refused(seq_of(turns), errno.ENOENT)) == []
    assert (turns.asked, turns.deadline_ms()) == ([], None)


def test_after_a_loss_it_looks_again() -> None:
    turns = begun()
    old = seq_of(turns)
    assert turns.at(100, k.overrun()) == []
    assert turns.at(105, k.path(B, B, seq=old), k.done(old)) == []
    assert turns.at(110) == []
    turns.at(1000)
    assert answer(turns, 1000)[-1] == PathsSwept(MESH0, frozenset(), frozenset())


# ---- replays ------------------------------------------------------------------------------------


def test_its_numbers_are_not_those_of_the_other_conversation() -> None:
    """Both may have a request in flight, and a recording knows no sockets."""
    assert seq_of(begun()) > 0x3FFFFFFF


def test_in_a_replay_only_what_was_recorded_counts_as_asked() -> None:
    turns = begun()
    paths = paths_of(turns)
    paths.begin(0)
    list(paths.receive(k.family(), 0))
    for command, seq in ((k.GET_MPATH, 900), (17, 901), (k.GET_MPP, 902)):
        paths.sent(k.nl80211(command, k.u32(3, MESH0), flags=0x301, seq=seq), 0)
    heard = (k.path(B, B, seq=900), k.station(A, seq=901), k.done(901), k.done(900), k.done(902))
    seen = [o for data in heard for o in paths.receive(data, 1)]
    assert seen[1:] == [WORKS, PathsSwept(MESH0, frozenset({B}), frozenset())]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    turns = begun()
    for number, piece in enumerate(pieces):
        turns.at(1000 + number, piece, k.message(k.FAMILY, piece, seq=number % 3))
