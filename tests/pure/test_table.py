"""Time, deafness, candidates and readings in the table, at literal times."""

from __future__ import annotations

from meshwatch.model import Change, InterfaceType, Neighbor, Plink, Presence
from meshwatch.observations import CandidateSeen, Deaf, LinkSeen, StationSeen, StationsSwept
from tests.pure.scenarios import MESH0, MS, PEER, SECOND, Story, look, mesh, station

LISTEN, ESTAB, HOLDING = Plink.LISTEN, Plink.ESTAB, Plink.HOLDING
CANDIDATE = CandidateSeen(MESH0, PEER, -60)
OTHER = "02:00:00:00:02:00"


def up(up: bool = True, running: bool = True) -> LinkSeen:
    return LinkSeen(MESH0, "mesh0", up, running)


def test_an_ibss_has_no_peer_links() -> None:
    story = Story()
    story.at(0, mesh(type_=InterfaceType.IBSS))
    assert story.at(1, look(None, 0)) == ["present established"]
    assert story.peer.plink is None
    assert story.at(7.5, look(None, 6500)) == ["quiet silent"]
    assert story.at(8, look(None, 100)) == ["present returned"]


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
    assert story.at(3600) == []
    assert story.at(3601, look(ESTAB, 700)) == []
    assert story.peer.presence is Presence.PRESENT


def test_a_late_answer_is_no_sign_of_life() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    assert story.at(10, look(ESTAB, 9000)) == ["removed silent"]
    assert story.at(13, look(ESTAB, 9500)) == []  # measured at 10.5, read at 13


def test_a_late_answer_does_not_move_the_last_sign_of_life() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(4, look(ESTAB, 3000))
    story.at(6, look(ESTAB, 3300))  # measured at 4.3, read at 6
    assert story.peer.readings.last_heard_ns == 1 * SECOND
    story.at(7, look(ESTAB, 200))
    assert story.peer.readings.last_heard_ns == 6800 * MS


def test_deafness_excuses_silence_but_proves_no_life() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(7, Deaf("nl80211", 2 * SECOND))
    assert story.at(7, look(ESTAB, 6000)) == []
    assert story.at(12.5, look(ESTAB, 11500)) == ["quiet silent"]
    story.at(14, Deaf("nl80211", 7 * SECOND))
    assert story.at(14, look(ESTAB, 13000)) == []
    assert story.at(15, look(ESTAB, 100)) == ["present returned"]


def test_the_deafness_of_another_source_excuses_nothing() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(7.5, Deaf("rtnetlink", 0))
    assert story.at(7.5, look(ESTAB, 6500)) == ["quiet silent"]


def test_candidates_alone_leave_by_time() -> None:
    story = Story()
    assert story.at(1, CANDIDATE) == ["heard candidate"]
    assert story.table.deadline() == 8424 * MS
    assert story.at(2.024, CANDIDATE) == []  # each beacon repeats it
    assert story.table.deadline() == 9448 * MS
    assert story.at(9.447) == []
    assert story.at(9.448) == ["removed silent"]
    assert story.table.deadline() is None
    assert story.at(11, CANDIDATE) == ["heard candidate"]


def test_a_candidate_that_is_not_shown_is_not_due() -> None:
    story = Story()
    story.at(1, CANDIDATE)
    story.at(2, up(False, False))
    assert story.table.deadline() is None
    assert story.at(20) == []
    assert story.at(21, up()) == ["mesh0 running"]


def test_what_is_due_for_one_candidate_does_not_wait_for_another() -> None:
    story = Story()
    story.at(1, CandidateSeen(MESH0, OTHER))  # given up at 8.424
    story.at(2, CANDIDATE)  # given up at 9.424 as yet
    story.at(8, CANDIDATE)
    story.at(8.1, CANDIDATE)  # a reading, due at 9; given up at 15.524
    dues = []
    while (due := story.table.deadline()) is not None:
        dues.append(due // MS)
        story.at(due / SECOND)
    assert dues == [8424, 9000, 15524]


def test_deafness_keeps_candidates() -> None:
    story = Story()
    story.at(1, CANDIDATE)
    assert story.at(20, Deaf("nl80211", 5 * SECOND)) == []
    assert story.table.deadline() == 23424 * MS
    assert story.at(23.424) == ["removed silent"]


def test_a_dump_lists_no_candidates() -> None:
    story = Story()
    story.at(1, CANDIDATE)
    assert story.at(1, StationsSwept(MESH0, frozenset())) == []
    story.at(1.1, look(LISTEN, 0))
    assert story.at(2, StationsSwept(MESH0, frozenset())) == ["removed absent"]


def test_a_candidate_does_not_mend_a_link() -> None:
    story = Story()
    story.at(1, look(ESTAB, 0))
    story.at(7.5, look(ESTAB, 6500))
    assert story.at(7.6, CANDIDATE) == []
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
    story.at(5)
    assert story.readings == []


def heard_ms(change: Change) -> int:
    assert isinstance(change.new, Neighbor)
    return change.new.readings.last_heard_ns // MS
