"""Looks at single stations: when somebody wants to know, and after peering frames."""

from __future__ import annotations

import errno

from meshwatch.glances import GLANCES_PER_SPAN, WISHES_PER_SPAN, Glances
from meshwatch.model import Plink
from meshwatch.observations import (
    LookWanted,
    PeeringAction,
    PeeringSeen,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.records import decode
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0, A, B
from tests.pure.nl80211_turns import (
    STATIONS,
    Kernel,
    addresses,
    begun,
    others,
    seq_of,
    settled,
    wanted,
)
from tests.pure.turns import MS


def kernel() -> Kernel:
    """Peer A is established, nothing is under way."""
    return Kernel(settled(A), A)


def frame(address: str, ms: float, action: PeeringAction = PeeringAction.CLOSE) -> PeeringSeen:
    return PeeringSeen(MESH0, address, round(ms * MS), action, outgoing=False)


# ---- when they are due --------------------------------------------------------------------------


def test_one_look_for_all_who_want_to_know() -> None:
    glances = Glances()
    glances.want(A, 10)
    glances.want(A, 10)
    glances.want(B, 12)
    assert glances.due() == 10
    assert glances.take(12) == [A, B]
    assert glances.due() is None
    assert glances.take(13) == []


def test_a_look_at_once_does_not_end_a_burst() -> None:
    glances = Glances()
    glances.want(A, 0, (0, 5, 20))
    glances.want(A, 1)
    taken = [time for time in range(30) if glances.take(time)]
    assert taken == [0, 1, 5, 20]


def test_too_many_are_given_up_for_a_second() -> None:
    glances = Glances()
    for number in range(GLANCES_PER_SPAN):
        glances.want(f"{number}", number)
        assert glances.take(number) == [f"{number}"]
    glances.want(A, 30, (0, 5))
    assert glances.take(30) is None
    assert glances.due() is None
    glances.want(A, 30 + 999 * MS)
    assert glances.due() is None
    glances.want(A, 30 + 1000 * MS)
    assert glances.take(30 + 1000 * MS) == [A]


def test_looks_of_the_past_second_count() -> None:
    glances = Glances()
    for number in range(3 * GLANCES_PER_SPAN):
        now = number * 40 * MS
        glances.want(A, now)
        assert glances.take(now) == [A]


# ---- the conversation ---------------------------------------------------------------------------


def test_a_wanted_look_is_one_request_before_any_dump() -> None:
    talk = kernel()
    talk.run(1000)
    talk.notice(1000, LookWanted(MESH0, A), LookWanted(MESH0, A))
    assert talk.looks_ms == [(1000, A)]
    assert addresses(talk.seen[-1:]) == [A]
    turns = settled(A)
    assert not turns.at(990)
    Kernel(turns).hint(1000, LookWanted(MESH0, B), LookWanted(99, A))
    turns.at(1000)
    (request,) = turns.asked
    (asked,) = decode(request, k.FAMILY)
    assert (asked.command, asked.ifindex, asked.address) == (*STATIONS, B)
    assert asked.flags & k.DUMP == 0
    turns.at(1000, k.refused(asked.seq, errno.ENOENT))
    assert wanted(turns.asked) == [STATIONS]  # it was due, too


def test_a_look_waits_for_a_dump_under_way() -> None:
    turns = settled(A)
    talk = Kernel(turns, A)
    turns.at(1000)
    seq = seq_of(turns)
    talk.notice(1001, LookWanted(MESH0, A))
    assert talk.looks_ms == []
    talk.turn(1002, k.station(A, seq=seq), k.done(seq))
    assert talk.looks_ms == [(1002, A)]


def test_a_look_goes_before_another_interfaces_dump() -> None:
    turns = begun((MESH0, "mesh0", k.MESH), (9, "mesh1", k.MESH))
    first = seq_of(turns)  # a dump of mesh0; that of mesh1 waits
    Kernel(turns).hint(1, LookWanted(9, A))
    turns.at(1)
    turns.at(2, k.done(first))
    (request,) = turns.asked
    (asked,) = decode(request, k.FAMILY)
    assert (asked.ifindex, asked.address) == (9, A)


def test_whoever_wants_many_looks_gets_dumps_as_soon() -> None:
    names = [f"02:00:00:00:01:{number:02x}" for number in range(40)]
    talk = Kernel(settled(*names), *names)
    for number, name in enumerate(names[:WISHES_PER_SPAN]):
        talk.run(200 + number)
        talk.notice(200 + number, LookWanted(MESH0, name))
        assert talk.looks_ms.pop() == (200 + number, name)
    for ms in (220, 220, 320, 321, 420, 421):
        talk.run(ms)
        talk.notice(ms, LookWanted(MESH0, names[0]))
    assert talk.dumps_ms == [220, 320, 420]
    assert talk.looks_ms == [(220, names[0]), (321, names[0]), (421, names[0])]  # all were seen
    talk.looks_ms.clear()
    talk.run(1600)
    talk.dumps_ms.clear()
    talk.notice(1600, LookWanted(MESH0, names[0]))
    assert (talk.looks_ms, talk.dumps_ms) == ([(1600, names[0])], [])


def test_a_look_that_is_wanted_while_forged_frames_come_is_a_dump() -> None:
    talk = kernel()
    talk.run(1000)
    talk.notice(1000, *(frame(f"02:00:00:00:01:{n:02x}", 1000) for n in range(100)))
    talk.run(1600)
    talk.dumps_ms.clear()
    talk.notice(1621, LookWanted(MESH0, A))
    assert (talk.looks_ms, talk.dumps_ms) == ([], [1621])


def test_a_peering_frame_is_a_burst_of_looks() -> None:
    talk = kernel()
    talk.notice(100, frame(A, 100))
    talk.run(900)
    assert [ms for ms, _ in talk.looks_ms] == [100, 105, 120, 135, 160, 250, 450]
    talk.run(2900)
    assert len(talk.looks_ms) == 7


def test_an_open_frame_keeps_the_next_moment_free_of_dumps() -> None:
    quiet, busy = kernel(), kernel()
    for talk in (quiet, busy):
        talk.run(20_000)
    dump_ms = quiet.dumps_ms[-1] + 1000
    for talk in (quiet, busy):
        talk.run(dump_ms - 30)
    busy.notice(dump_ms - 30, frame(A, dump_ms - 30, PeeringAction.OPEN))
    for talk in (quiet, busy):
        talk.run(dump_ms + 300)
    assert busy.looks_ms == quiet.looks_ms
    assert quiet.dumps_ms[-1] == dump_ms
    assert busy.dumps_ms[-1] == dump_ms + 170


def test_a_close_that_the_first_look_does_not_show_yet() -> None:
    talk = kernel()
    talk.notice(100, frame(A, 100))
    talk.run(105)
    talk.entries[A].plink = Plink.HOLDING
    talk.run(120)
    found = [o.station.plink for o in talk.seen if isinstance(o, StationSeen)]
    assert found == [Plink.ESTAB, Plink.ESTAB, Plink.HOLDING]


def test_forged_frames_cannot_make_it_ask_for_ever() -> None:
    talk = kernel()
    talk.run(1000)
    for number in range(10_000):
        ms = 1000 + number
        talk.run(ms)
        talk.notice(ms, frame(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", ms))
    assert 200 <= len(talk.looks_ms) <= 10 * GLANCES_PER_SPAN
    assert len(talk.dumps_ms) <= 10 * 10
    # Whoever is real is looked at all the same: soon after it was too much, then 4 times a second.
    gaps = [b - a for a, b in zip(talk.dumps_ms[1:], talk.dumps_ms[2:], strict=False)]
    assert max(gaps) <= 250
    many = [frame(f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}", 20_000) for n in range(1000)]
    talk.run(20_000)
    talk.looks_ms.clear()
    talk.notice(20_000, *many)
    talk.run(20_500)
    assert talk.looks_ms == []
    assert [ms for ms in talk.dumps_ms if ms > 20_000][:3] == [20_010, 20_050, 20_150]


# ---- absence ------------------------------------------------------------------------------------


def test_a_station_that_is_not_there_any_more_is_swept_by_a_dump() -> None:
    talk = kernel()
    del talk.entries[A]
    talk.notice(500, LookWanted(MESH0, A))
    assert talk.seen == []
    talk.run(510)
    assert talk.seen == [StationsSwept(MESH0, frozenset())]
    talk.notice(600, LookWanted(MESH0, A))  # it is not known any more
    before = len(talk.dumps_ms)
    talk.run(640)
    assert len(talk.dumps_ms) == before


def test_that_nobody_has_that_name_is_no_reason_to_dump() -> None:
    talk = kernel()
    talk.notice(500, LookWanted(MESH0, B))
    assert talk.looks_ms == [(500, B)]
    assert talk.turns.deadline_ms() == 1000


def test_looks_that_fail_are_no_failure_of_the_source() -> None:
    turns = settled(A)
    talk = Kernel(turns, A)
    for error in (errno.ENODEV, errno.EBUSY, errno.ENOLINK, errno.ENOBUFS, errno.EPERM):
        talk.hint(500, LookWanted(MESH0, A))
        turns.at(500)
        assert turns.at(500, k.refused(seq_of(turns), error)) == []
        assert turns.deadline_ms() == 1000
    talk.run(1000)
    assert others(talk.seen) == [StationsSwept(MESH0, frozenset({A}))]


def test_a_look_that_a_deletion_overtook_says_nothing() -> None:
    turns = settled(A)
    Kernel(turns).hint(500, LookWanted(MESH0, A))
    turns.at(500)
    seq = seq_of(turns)
    assert turns.at(501, k.station_event(k.DEL_STATION, A)) == [StationDeleted(MESH0, A)]
    late = k.station(A, seq=seq, plink=Plink.LISTEN, inactive_ms=1, flags=0)
    assert turns.at(502, late) == []


def test_looks_of_a_removed_interface_are_forgotten() -> None:
    turns = settled(A)
    talk = Kernel(turns, A)
    talk.notice(500, frame(A, 500))
    talk.looks_ms.clear()
    talk.turn(501, k.interface(command=k.DEL_INTERFACE))
    assert turns.deadline_ms() == 511
    talk.run(600)  # the interfaces are listed, and mesh0 is there again
    assert talk.looks_ms == []
