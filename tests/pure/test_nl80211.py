"""The conversation with nl80211: what it asks when, and what it makes of the answers."""

from __future__ import annotations

import errno
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch import codec
from meshwatch.model import InterfaceType, Plink, Source
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import (
    CandidateSeen,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
)
from meshwatch.records import Kind, decode
from meshwatch.table import Table
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0, A, B, C
from tests.pure.nl80211_turns import (
    ALL,
    STATIONS,
    addresses,
    answer,
    begun,
    looks_ms,
    others,
    seq_of,
    settled,
    swept,
    wanted,
)
from tests.pure.turns import MS, Turns

# ---- the beginning ------------------------------------------------------------------------------


def test_it_begins_with_interfaces_then_their_stations() -> None:
    turns = Turns(Nl80211())
    assert turns.at(0, k.family()) == []
    seq = seq_of(turns)
    seen = turns.at(
        1,
        k.interface(2, "wlan0", k.MANAGED, seq=seq, flags=k.MULTI)
        + k.interface(MESH0, "mesh0", k.MESH, seq=seq, flags=k.MULTI, frequency_mhz=2412),
        k.interface(9, "adhoc0", k.IBSS, seq=seq, flags=k.MULTI),
    )
    assert seen == []  # a list of interfaces counts as a whole
    own = "42:00:00:00:00:00"
    assert turns.at(1, k.done(seq)) == [
        InterfaceSeen(2, "wlan0", None, 0, own),
        InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, own, 2412),
        InterfaceSeen(9, "adhoc0", InterfaceType.IBSS, 0, own),
        InterfacesSwept(frozenset({2, MESH0, 9})),
    ]
    assert wanted(turns.asked) == [STATIONS]  # one dump at a time
    seq = seq_of(turns)
    seen = turns.at(2, k.station(A, seq=seq), k.station(B, seq=seq) + k.done(seq))
    assert addresses(seen) == [A, B]
    assert others(seen) == [swept(A, B)]
    assert wanted(turns.asked) == [(k.GET_STATION, 9)]
    assert turns.at(3, k.done(seq_of(turns))) == [swept(ifindex=9), Settled("nl80211")]


def test_a_real_station_is_understood() -> None:
    turns = begun((MESH0, "mesh0", k.MESH))
    (found, *rest) = answer(turns, 1, k.REAL_STATION)
    assert isinstance(found, StationSeen)
    assert (found.ifindex, found.address) == (MESH0, A)
    assert found.station.plink == Plink.ESTAB
    assert (found.station.inactive_ms, found.station.llid) == (116, 4031)
    assert rest == [swept(A), Settled("nl80211")]


def test_without_a_mesh_all_is_known_at_once_and_nothing_is_polled() -> None:
    turns = begun((2, "wlan0", k.MANAGED))
    assert turns.asked == []
    assert turns.deadline_ms() is None
    fresh = Turns(Nl80211())
    fresh.at(0, k.family())
    assert fresh.at(1, k.done(seq_of(fresh))) == [
        InterfacesSwept(frozenset()),
        Settled("nl80211"),
    ]


def test_others_than_the_named_interfaces_have_no_type() -> None:
    turns = Turns(Nl80211(frozenset({"mesh1"})))
    turns.at(0, k.family())
    seq = seq_of(turns)
    seen = turns.at(
        1,
        k.interface(MESH0, "mesh0", seq=seq, flags=k.MULTI),
        k.interface(9, "mesh1", seq=seq, flags=k.MULTI),
        k.done(seq),
    )
    assert [(o.name, o.type) for o in seen if isinstance(o, InterfaceSeen)] == [
        ("mesh0", None),
        ("mesh1", InterfaceType.MESH),
    ]
    assert wanted(turns.asked) == [(k.GET_STATION, 9)]
    assert turns.at(1, k.station_event(k.DEL_STATION, A)) == []


def test_a_monitor_is_seen_whatever_its_name() -> None:
    turns = Turns(Nl80211(frozenset({"mesh0"})))
    turns.at(0, k.family())
    seq = seq_of(turns)
    seen = turns.at(1, k.interface(9, "mon0", k.MONITOR, seq=seq, flags=k.MULTI), k.done(seq))
    own = "42:00:00:00:00:00"
    assert seen[0] == InterfaceSeen(9, "mon0", None, 0, own, monitor=True)
    assert turns.asked == []  # it has no stations


def test_a_p2p_device_is_no_interface() -> None:
    turns = Turns(Nl80211())
    turns.at(0, k.family())
    seq = seq_of(turns)
    device = k.nl80211(k.NEW_INTERFACE, k.u32(1, 0), k.u32(5, 10), flags=k.MULTI, seq=seq)
    assert turns.at(1, device, k.done(seq))[0] == InterfacesSwept(frozenset())
    seen = turns.at(2, k.nl80211(k.DEL_INTERFACE, k.u32(1, 0), k.u32(5, 10)))
    assert not [o for o in seen if isinstance(o, InterfaceDeleted)]


# ---- the pace -----------------------------------------------------------------------------------


def test_one_look_a_second_when_nothing_happens() -> None:
    turns = settled(A)
    assert looks_ms(turns, 5000, k.station(A, seq=0)) == [1000, 2000, 3000, 4000, 5000]


def test_a_new_station_is_looked_at_in_a_burst_and_closely_for_ten_seconds() -> None:
    turns = settled(A)
    times = looks_ms(turns, 500, k.station(A, seq=0))
    assert times == []
    turns.at(500, k.REAL_NEW_STATION)
    assert turns.asked == []  # several events come together
    times = looks_ms(turns, 13_000, k.station(A, seq=0), k.station(B, seq=0))
    assert times[:6] == [510, 550, 650, 800, 1050, 1300]
    assert times[-4:] == [10_050, 10_300, 11_300, 12_300]
    assert max(b - a for a, b in pairwise(times[:-2])) == 250


def test_a_new_station_among_many_is_looked_at_alone_and_at_all_soon() -> None:
    known = [f"02:00:00:00:01:{number:02x}" for number in range(8)]
    turns = settled(*known)
    turns.at(500, k.station_event(k.NEW_STATION, A))
    alone, all_ = [], []
    for ms in range(501, 1300):
        turns.at(ms)
        for request in list(turns.asked):
            (message,) = decode(request, k.FAMILY)
            stations = [k.station(A, seq=message.seq)]
            if message.address:
                alone.append(ms)
                turns.at(ms, *stations)
            else:
                all_.append(ms)
                stations += [k.station(each, seq=message.seq) for each in known]
                turns.at(ms, *stations, k.done(message.seq))
    assert alone == [510, 550, 650, 800, 1050]
    assert all_ == [1000]


def test_many_events_do_not_put_off_the_look_nor_make_too_many() -> None:
    turns = settled()
    times = []
    for ms in range(100, 400, 4):
        turns.at(ms, k.station_event(k.NEW_STATION, A))
        if turns.asked:
            times.append(ms)
            answer(turns, ms, k.station(A, seq=0))
    assert times[0] <= 112
    assert all(b - a >= 40 for a, b in pairwise(times))
    assert len(times) >= 6


def test_a_known_neighbor_that_comes_back_to_life_is_watched_closely() -> None:
    turns = settled(A)
    looks_ms(turns, 3000, k.station(A, seq=0, plink=Plink.LISTEN, inactive_ms=9000))
    assert looks_ms(turns, 6000, k.station(A, seq=0, plink=0, inactive_ms=9000))[-1] == 6000
    times = looks_ms(turns, 8000, k.station(A, seq=0, plink=0, inactive_ms=20))
    assert times == [7000, 7250, 7500, 7750, 8000]


def test_a_neighbor_that_never_peers_is_watched_closely_only_at_first() -> None:
    turns = settled()
    listening = k.station(A, seq=0, plink=Plink.LISTEN, inactive_ms=50)
    times = looks_ms(turns, 100_000, listening)
    assert len([time for time in times if time <= 12_000]) > 30
    assert len([time for time in times if time > 12_000]) == 88


def test_one_that_tries_forever_costs_ten_seconds_a_minute() -> None:
    turns = settled()
    times: list[float] = []
    for ms in range(1000, 241_000, 1000):
        plink = Plink.OPN_SNT if ms % 2000 else Plink.HOLDING
        times += looks_ms(turns, ms, k.station(A, seq=0, plink=plink, inactive_ms=50))
    per_minute = [len([t for t in times if m <= t < m + 60_000]) for m in range(0, 240_000, 60_000)]
    assert all(80 <= count <= 95 for count in per_minute)


def test_no_poll_while_the_interface_is_down() -> None:
    turns = settled(A)
    nl80211 = turns.conversation
    assert isinstance(nl80211, Nl80211)
    nl80211.notice(LinkSeen(MESH0, "mesh0", up=True, running=False), 100 * MS)
    times = looks_ms(turns, 60_000)
    assert times == [110, 150, 250, 400]
    nl80211.notice(LinkSeen(MESH0, "mesh0", up=True, running=False), 60_000 * MS)
    assert looks_ms(turns, 70_000) == []
    nl80211.notice(LinkSeen(MESH0, "mesh0", up=True, running=True), 70_000 * MS)
    assert looks_ms(turns, 71_000) == [70_010, 70_050, 70_150, 70_300, 70_550, 70_800]


def test_it_wants_no_turn_when_a_turn_would_do_nothing() -> None:
    turns = settled(A)
    turns.at(500, k.station_event(k.NEW_STATION, B))
    for _ in range(200):
        due = turns.deadline_ms()
        assert due is not None
        assert due > turns.now_ms
        turns.at(due)


# ---- sweeps -------------------------------------------------------------------------------------


def test_a_dump_in_many_datagrams_sweeps_what_it_does_not_hold() -> None:
    turns = settled(A, B, C)
    turns.at(1000)
    seq = seq_of(turns)
    assert addresses(turns.at(1001, k.station(A, seq=seq))) == [A]
    assert addresses(turns.at(1002, k.station(C, seq=seq))) == [C]
    assert turns.at(1003, k.done(seq)) == [swept(A, C)]


@pytest.mark.parametrize("where", ["first", "last", "done"])
def test_a_torn_dump_sweeps_nothing_and_is_repeated(where: str) -> None:
    turns = settled(A, B)
    turns.at(1000)
    seq = seq_of(turns)
    flags = {name: k.MULTI | (k.DUMP_INTR if name == where else 0) for name in ("first", "last")}
    end = k.MULTI | (k.DUMP_INTR if where == "done" else 0)
    seen = turns.at(
        1001,
        k.station(A, seq=seq, flags=flags["first"]),
        k.station(C, seq=seq, flags=flags["last"]),
        k.done(seq, flags=end),
    )
    assert addresses(seen) == [A, C]
    assert others(seen) == []
    assert looks_ms(turns, 1100, k.station(A, seq=0)) == [1051]


def test_parts_of_different_generations_are_torn() -> None:
    turns = settled(A, B)
    turns.at(1000)
    parts = k.station(A, seq=0, generation=7), k.station(C, seq=0, generation=8)
    assert others(answer(turns, 1001, *parts)) == []
    turns.at(1051)
    assert others(answer(turns, 1052, k.station(A, seq=0, generation=8))) == [swept(A)]


UNREADABLE = k.nl80211(k.NEW_STATION, k.u32(3, MESH0), b"\xff\xff\x06\x00", flags=k.MULTI)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (
            [k.station(A, seq=0), k.station(B, seq=0, generation=2)],
            "stations of mesh0: dumps are interrupted",
        ),
        (
            [k.station(A, seq=0), UNREADABLE],
            "stations of mesh0: unreadable message: attribute length impossible",
        ),
    ],
    ids=["interrupted", "unreadable"],
)
def test_dumps_that_stay_torn_are_a_failure_and_what_they_show_is_told(
    parts: list[bytes], why: str
) -> None:
    turns = begun((MESH0, "mesh0", k.MESH))
    table = Table()
    table.observe(InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, "42:00:00:00:00:00"), 0)
    said: list[Observation] = []
    for _ in range(3):
        assert not table.ready
        turns.until_asked()
        seen = answer(turns, turns.now_ms, *parts)
        said += others(seen)
        for observation in seen:
            table.observe(observation, round(turns.now_ms * MS))
    assert said == [SourceState("nl80211", why)]
    assert table.ready
    shown = {row.key.name: row for row in table.snapshot()}
    assert isinstance(source := shown["nl80211"], Source)
    assert (source.failure, A in shown) == (why, True)
    turns.until_asked()
    seen = answer(turns, turns.now_ms, k.station(A, seq=0))
    assert others(seen) == [SourceState("nl80211", None), swept(A), Settled("nl80211")]


@pytest.mark.parametrize("how", ["interrupted", "overtaken"])
def test_lists_of_interfaces_that_stay_torn_are_a_failure(how: str) -> None:
    turns = Turns(Nl80211())
    turns.at(0, k.family())
    said: list[Observation] = []
    flags = k.MULTI | (k.DUMP_INTR if how == "interrupted" else 0)
    overtaking = k.interface(9, "mesh1") if how == "overtaken" else b""
    for _ in range(3):
        turns.until_asked()
        seq = seq_of(turns)
        parts = k.interface(seq=seq, flags=flags), k.done(seq)
        said += turns.at(turns.now_ms, overtaking, *parts)
    assert said == [SourceState("nl80211", "interfaces: dumps are interrupted")]
    turns.until_asked()
    seq = seq_of(turns)
    seen = turns.at(turns.now_ms, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
    assert seen[0] == SourceState("nl80211", None)


def test_a_dump_whose_end_cannot_be_read_tells_why() -> None:
    turns = settled(A)
    said: list[Observation] = []
    while not said:
        seen = turns.until_asked()
        seq = seq_of(turns)
        if wanted(turns.asked) == [ALL]:
            turns.at(turns.now_ms, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
        else:
            turns.at(turns.now_ms, k.done(seq)[:-4])
        said += [o for o in seen if isinstance(o, SourceState)]
    why = "stations of mesh0: unreadable message: message length impossible"
    assert said == [SourceState("nl80211", why)]


def test_dumps_that_stay_torn_are_repeated_no_faster_than_a_poll() -> None:
    turns = settled(A)
    torn = k.station(A, seq=0, generation=1), k.station(B, seq=0, generation=2)
    times = looks_ms(turns, 60_000, *torn)
    assert len(times) <= 66


@pytest.mark.parametrize("command", [k.NEW_STATION, k.DEL_STATION])
def test_an_event_during_a_dump_forbids_its_sweep_and_the_next_one_sweeps(command: int) -> None:
    turns = settled(A, B)
    turns.at(1000)
    seq = seq_of(turns)
    turns.at(1001, k.station(A, seq=seq))
    turns.at(1002, k.station_event(command, C))
    assert turns.at(1003, k.done(seq)) == []
    assert turns.at(1040) == []
    assert others(answer(turns, 1041, k.station(A, seq=0))) == [swept(A)]


def test_an_event_of_another_interface_forbids_nothing() -> None:
    turns = settled(A)
    turns.at(1000)
    seq = seq_of(turns)
    turns.at(1001, k.station_event(k.NEW_STATION, C, ifindex=77))
    assert turns.at(1002, k.done(seq)) == [swept()]


def test_a_deleted_station_is_gone_at_once_and_stays_so_during_the_dump() -> None:
    turns = settled(A, B)
    turns.at(1000)
    seq = seq_of(turns)
    assert turns.at(1001, k.station_event(k.DEL_STATION, A)) == [StationDeleted(MESH0, A)]
    seen = turns.at(1002, k.station(A, seq=seq), k.station(B, seq=seq), k.done(seq))
    assert addresses(seen) == [B]
    turns.at(1040)
    seen = answer(turns, 1041, k.station(A, seq=0), k.station(B, seq=0))
    assert addresses(seen) == [A, B]  # asked for after the event: it is back


def test_a_message_that_cannot_be_read_forbids_the_sweep() -> None:
    turns = settled(A, B)
    turns.at(1000)
    seq = seq_of(turns)
    seen = turns.at(1001, k.station(A, seq=seq), k.renumbered(UNREADABLE, seq), k.done(seq))
    assert others(seen) == []
    assert isinstance(turns.conversation, Nl80211)
    assert turns.conversation.summary() == "messages that could not be read: 1"


def test_answers_that_nobody_here_asked_for_are_ignored() -> None:
    turns = settled(A)
    strangers = 4_000_000_000
    assert (
        turns.at(
            500,
            k.station(B, seq=strangers),
            k.interface(seq=strangers, flags=k.MULTI),
            k.done(strangers),
            k.refused(strangers, errno.ENOENT),
        )
        == []
    )
    assert turns.deadline_ms() == 1000


# ---- other events -------------------------------------------------------------------------------


def test_a_candidate_is_told_each_time_but_a_hint_once_a_minute() -> None:
    turns = settled()
    assert turns.at(500, k.candidate(A, -30)) == [CandidateSeen(MESH0, A, -30)]
    assert looks_ms(turns, 11_500)[:4] == [510, 550, 650, 800]
    assert turns.at(11_600, k.candidate(A, -31)) == [CandidateSeen(MESH0, A, -31)]
    assert (turns.deadline_ms() or 0) > 11_650
    turns.at(11_610, k.candidate(B, -32))
    assert turns.deadline_ms() == 11_620


def test_peering_in_user_space() -> None:
    turns = settled()
    turns.at(500, k.candidate(A, -30), k.station_event(k.NEW_STATION, A))
    turns.at(510)
    answer(turns, 511, k.station(A, seq=0, plink=Plink.LISTEN))
    turns.at(550)
    seen = answer(turns, 551, k.station(A, seq=0, plink=Plink.ESTAB))
    assert addresses(seen) == [A]
    assert turns.at(900, k.station_event(k.DEL_STATION, A))[0] == StationDeleted(MESH0, A)


def test_transmit_statuses_and_unknown_commands_are_nothing() -> None:
    turns = settled()
    for command in (k.FRAME_TX_STATUS, 200):
        assert turns.at(500, k.nl80211(command, k.u32(3, MESH0), k.mac(A))) == []
        assert turns.deadline_ms() == 1000


@pytest.mark.parametrize("command", [k.CH_SWITCH_NOTIFY, k.CH_SWITCH_STARTED_NOTIFY])
def test_a_channel_switch_is_a_reason_to_look_at_the_interfaces(command: int) -> None:
    turns = settled()
    turns.at(500, k.nl80211(command, k.u32(3, MESH0)))
    turns.at(510)
    assert wanted(turns.asked) == [ALL]


# ---- interfaces ---------------------------------------------------------------------------------


def test_a_new_interface_is_looked_at() -> None:
    turns = begun((2, "wlan0", k.MANAGED))
    assert turns.at(500, k.interface(MESH0)) == []
    turns.at(510)
    assert wanted(turns.asked) == [ALL]
    seq = seq_of(turns)
    turns.at(511, k.interface(MESH0, seq=seq, flags=k.MULTI), k.done(seq))
    assert wanted(turns.asked) == [STATIONS]


def test_a_deleted_interface_is_gone_at_once() -> None:
    turns = settled(A)
    turns.at(1000)
    seq = seq_of(turns)
    seen = turns.at(1001, k.interface(command=k.DEL_INTERFACE), k.station(A, seq=seq))
    assert seen == [InterfaceDeleted(MESH0)]
    assert turns.at(1002, k.refused(seq, errno.ENODEV)) == []
    turns.at(1011)
    assert wanted(turns.asked) == [ALL]
    assert turns.at(1012, k.done(seq_of(turns))) == [InterfacesSwept(frozenset())]
    assert turns.deadline_ms() == 1301
    turns.at(1301)
    turns.at(1302, k.done(seq_of(turns)))
    assert turns.deadline_ms() is None


def test_a_list_of_interfaces_that_an_event_overtook_counts_for_nothing() -> None:
    turns = settled(A)
    turns.at(100, k.interface(9, "mesh1"))
    turns.at(110)
    seq = seq_of(turns)
    turns.at(111, k.interface(9, "mesh1", seq=seq, flags=k.MULTI))
    turns.at(112, k.interface(9, "mesh1", command=k.DEL_INTERFACE))
    assert turns.at(113, k.done(seq)) == []


def test_what_rtnetlink_says_of_a_known_interface_is_a_reason_to_look() -> None:
    turns = settled(A)
    nl80211 = turns.conversation
    assert isinstance(nl80211, Nl80211)
    link = LinkSeen(MESH0, "mesh0", up=True, running=True)
    nl80211.notice(link, 100 * MS)
    looks_ms(turns, 900, k.station(A, seq=0))
    nl80211.notice(link, 900 * MS)  # nothing new
    assert turns.deadline_ms() != 910
    nl80211.notice(LinkSeen(MESH0, "blub", up=True, running=True), 1000 * MS)
    turns.at(1010)
    assert wanted(turns.asked) == [ALL]
    nl80211.notice(InterfaceDeleted(MESH0), 1011 * MS)  # moved to another namespace
    turns.at(1012, k.done(seq_of(turns)))
    turns.at(1062)
    assert wanted(turns.asked) == [ALL]


def test_an_unknown_link_may_be_an_interface_that_came_from_elsewhere() -> None:
    turns = begun()
    nl80211 = turns.conversation
    assert isinstance(nl80211, Nl80211)
    nl80211.notice(LinkSeen(33, "mesh9", up=False, running=False), 500 * MS)
    assert looks_at(turns, 500) == ALL
    nl80211.notice(LinkSeen(33, "mesh9", up=True, running=False), 5000 * MS)
    assert turns.deadline_ms() is None  # it was no radio


def looks_at(turns: Turns, since_ms: float) -> tuple[int, int]:
    """What the next looks, answered by nothing, are at; until no more are due."""
    found = set()
    while (due := turns.deadline_ms()) is not None:
        assert since_ms < due < since_ms + 1000
        turns.at(due)
        if turns.asked:
            found.update(wanted(turns.asked))
            turns.at(due, k.done(seq_of(turns)))
    (only,) = found
    return only


# ---- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [errno.ENODEV, errno.ENOLINK, errno.EOPNOTSUPP, errno.EBUSY, errno.ENOBUFS]
)
@pytest.mark.parametrize("by", [k.refused, k.done])
def test_a_refused_look_is_repeated_and_does_not_spin(error: int, by: object) -> None:
    assert callable(by)
    turns = settled(A)
    looks, failures = 0, []
    while turns.now_ms < 300_000:
        due = turns.deadline_ms()
        assert due is not None
        turns.at(due)
        while turns.asked:
            seq = seq_of(turns)
            if wanted(turns.asked) == [ALL]:
                turns.at(due, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
            else:
                looks += 1
                failures += turns.at(due, by(seq, error))
    assert looks <= 25
    assert [o for o in failures if isinstance(o, SourceState)] == [
        SourceState("nl80211", f"stations of mesh0: {errno.errorcode[error]}")
    ]
    while wanted(turns.asked) != [STATIONS]:
        due = turns.deadline_ms()
        assert due is not None
        turns.at(due)
        if wanted(turns.asked) == [ALL]:
            seq = seq_of(turns)
            turns.at(due, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
    seen = answer(turns, turns.now_ms, k.station(A, seq=0))
    assert others(seen) == [SourceState("nl80211", None), swept(A)]


def test_an_unanswered_look_is_given_up_and_its_late_answer_ignored() -> None:
    turns = settled(A)
    turns.at(1000)
    late = seq_of(turns)
    turns.at(2500, k.station(A, seq=late))  # every part counts as an answer
    assert turns.at(4499) == []
    assert turns.asked == []
    assert turns.at(4500) == []
    assert turns.at(4501, k.station(B, seq=late), k.done(late)) == []
    looks: list[tuple[int, int]] = []
    while not looks:
        due = turns.deadline_ms()
        assert due is not None
        turns.at(due)
        looks = [w for w in wanted(turns.asked) if w == STATIONS]
        if wanted(turns.asked) == [ALL]:
            seq = seq_of(turns)
            turns.at(due, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
            looks = [w for w in wanted(turns.asked) if w == STATIONS]
    assert turns.now_ms < 4600


def test_three_unanswered_looks_are_a_failure() -> None:
    turns = Turns(Nl80211())
    turns.at(0, k.family())
    seen: list[Observation] = []
    while not seen:
        due = turns.deadline_ms()
        assert due is not None
        seen = turns.at(due)
    assert seen == [SourceState("nl80211", "interfaces: no answer")]
    assert 6000 <= turns.now_ms < 7000


@pytest.mark.parametrize("how", ["lost", "mark"])
def test_after_a_loss_everything_is_looked_at_again(how: str) -> None:
    turns = settled(A)
    turns.at(1000)
    old = seq_of(turns)
    nl80211 = turns.conversation
    assert isinstance(nl80211, Nl80211)
    if how == "lost":
        seen = list(nl80211.lost(1400 * MS))
    else:
        seen = list(nl80211.receive(k.overrun(), 1400 * MS))
    assert seen == [Deaf("nl80211", 1000 * MS)]
    assert turns.at(1405, k.station(B, seq=old), k.done(old)) == []
    turns.at(1410)
    assert wanted(turns.asked) == [ALL]
    seq = seq_of(turns)
    turns.at(1411, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
    assert others(answer(turns, 1412, k.station(A, seq=0))) == [swept(A)]


# ---- the family ---------------------------------------------------------------------------------


def test_without_the_family_it_says_so_once_and_waits() -> None:
    turns = Turns(Nl80211())
    assert turns.at(0) == [
        SourceState("nl80211", "nl80211 is not in the kernel"),
        InterfacesSwept(frozenset(), family_removed=True),
    ]
    assert turns.at(1000) == []
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    assert turns.at(2000, k.family(7, "other")) == []
    assert turns.at(3000, k.family()) == [SourceState("nl80211", None)]
    assert wanted(turns.asked) == [ALL]
    assert turns.at(3001, k.done(seq_of(turns)))[-1] == Settled("nl80211")


def test_the_family_goes_and_comes_back_under_another_number() -> None:
    turns = settled(A)
    turns.at(1000)
    assert turns.at(1001, k.family(7, "other", gone=True)) == []
    assert turns.at(1001, k.family(gone=True)) == [
        SourceState("nl80211", "nl80211 left the kernel"),
        InterfacesSwept(frozenset(), family_removed=True),
    ]
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    assert turns.at(5000, k.family(35)) == [SourceState("nl80211", None)]
    assert wanted(turns.asked, 35) == [ALL]
    assert isinstance(turns.conversation, Nl80211)
    assert turns.conversation.family == 35


def test_a_family_that_left_unheard_is_noticed_and_asked_for() -> None:
    turns = settled(A)
    turns.at(1000)
    seen = turns.at(1001, k.refused(seq_of(turns), errno.ENOENT))
    assert seen[0] == SourceState("nl80211", "nl80211 left the kernel")
    (request,) = turns.asked
    assert k.head(request)[0] == 16
    assert b"nl80211\0" not in request  # the kernel would load it
    turns.at(1002, k.family(7, "other"), k.done(k.head(request)[2]))
    assert (turns.asked, turns.deadline_ms()) == ([], None)
    list(turns.conversation.lost(2000 * MS))
    turns.at(2001)
    assert k.head(turns.asked[0])[0] == 16


def test_the_same_family_again_changes_nothing() -> None:
    turns = settled(A)
    assert turns.at(100, k.family()) == []
    assert turns.deadline_ms() == 1000


# ---- replays ------------------------------------------------------------------------------------


def test_in_a_replay_only_what_was_recorded_counts_as_asked() -> None:
    nl80211 = Nl80211()
    list(nl80211.receive(k.family(), 0))
    recorded = k.nl80211(k.GET_INTERFACE, flags=0x301, seq=900)
    list(nl80211.wake(0))
    assert nl80211.outgoing() != []
    nl80211.sent(recorded, 1)
    answers = k.interface(seq=900, flags=k.MULTI), k.done(900)
    seen = [o for data in answers for o in nl80211.receive(data, 2)]
    assert seen[-1] == InterfacesSwept(frozenset({MESH0}))
    assert nl80211.outgoing() == []
    nl80211.sent(k.nl80211(k.GET_STATION, k.u32(3, MESH0), flags=0x301, seq=901), 3)
    one = k.nl80211(k.GET_STATION, k.u32(3, MESH0), k.mac(B), flags=0x1, seq=902)
    nl80211.sent(one, 3)
    seen = list(nl80211.receive(k.station(B, seq=902, flags=0), 4))
    assert addresses(seen) == [B]
    answers = k.station(A, seq=901), k.done(901)
    seen = [o for data in answers for o in nl80211.receive(data, 5)]
    assert others(seen) == [swept(A), Settled("nl80211")]
    list(nl80211.wake(3_000_000_000))
    assert nl80211.outgoing() != []  # ignored by whoever replays
    assert (nl80211.deadline() or 0) > 3_000_000_000


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 2))
def test_no_bytes_make_it_fail(pieces: list[bytes], known: int) -> None:
    turns = Turns(Nl80211()) if known == 0 else settled(A)
    for number, piece in enumerate(pieces):
        type_ = (k.FAMILY, 16, 3)[known]
        turns.at(1000 + number, piece, k.message(type_, piece, seq=number % 3))


def test_a_look_at_one_station_asks_for_that_one() -> None:
    for address in (A, "ff:ff:ff:ff:ff:fe", B):
        (message,) = decode(codec.get_station(k.FAMILY, MESH0, address), k.FAMILY)
        assert (message.kind, message.command) == (Kind.REQUEST, k.GET_STATION)
        assert (message.ifindex, message.address, message.flags & k.DUMP) == (MESH0, address, 0)
