"""Scans and channel switches: a radio away from its channel hears nobody."""

from __future__ import annotations

import pytest

from meshwatch.nl80211 import Nl80211
from meshwatch.observations import AwaySeen, Observation
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0
from tests.pure.nl80211_turns import settled
from tests.pure.turns import MS, Turns


def absences(seen: list[Observation]) -> list[Observation]:
    return [o for o in seen if isinstance(o, AwaySeen)]


@pytest.mark.parametrize("end", [k.NEW_SCAN_RESULTS, k.SCAN_ABORTED])
def test_a_scan_begins_and_ends(end: int) -> None:
    turns = settled()
    assert turns.at(100, k.scan(k.TRIGGER_SCAN, 1, k.u32(3, MESH0))) == [AwaySeen(1, True)]
    assert turns.at(200, k.scan(end, 1, k.u32(3, MESH0))) == [AwaySeen(1, False)]
    assert turns.deadline_ms() == 1000


def test_a_real_event_is_understood() -> None:
    assert settled().at(100, k.REAL_TRIGGER_SCAN) == [AwaySeen(0, True)]


def test_a_p2p_device_scans_with_the_same_radio() -> None:
    assert settled().at(100, k.scan(k.TRIGGER_SCAN, 2)) == [AwaySeen(2, True)]


def test_a_scan_whose_end_went_by_unheard_is_given_up() -> None:
    turns = Turns(Nl80211())
    turns.at(0, k.family())
    turns.at(0, k.done(k.head(turns.asked[0])[2]))
    turns.at(1000, k.scan(k.TRIGGER_SCAN, 0))
    turns.at(11_000, k.scan(k.TRIGGER_SCAN, 1), k.scan(k.TRIGGER_SCAN, 0))
    turns.at(12_000, k.scan(k.TRIGGER_SCAN, 2))
    assert absences(turns.at(31_000)) == []
    assert absences(turns.at(41_000)) == [AwaySeen(0, False), AwaySeen(1, False)]
    assert turns.deadline_ms() == 42_000
    assert absences(turns.at(42_000)) == [AwaySeen(2, False)]
    assert turns.deadline_ms() is None


def test_a_scan_outlives_a_new_beginning() -> None:
    """Else nobody would say that it is over."""
    turns = settled()
    turns.at(100, k.scan(k.TRIGGER_SCAN, 0))
    nl80211 = turns.conversation
    assert isinstance(nl80211, Nl80211)
    nl80211.begin(200 * MS)
    assert AwaySeen(0, False) in turns.at(30_100)


def test_a_list_of_results_that_somebody_asked_for_is_no_event() -> None:
    turns = settled()
    listed = k.nl80211(k.NEW_SCAN_RESULTS, k.u32(1, 0), k.u32(3, MESH0), flags=k.MULTI, seq=77)
    assert turns.at(100, listed) == []


def switch(command: int, ifindex: int = MESH0) -> bytes:
    return k.nl80211(command, k.u32(3, ifindex))


def test_a_channel_switch_begins_and_ends() -> None:
    turns = settled()
    assert turns.at(100, switch(k.CH_SWITCH_STARTED_NOTIFY)) == [AwaySeen(0, True)]
    assert absences(turns.at(5000, switch(k.CH_SWITCH_NOTIFY))) == [AwaySeen(0, False)]


def test_a_channel_switch_that_came_to_nothing_is_given_up() -> None:
    turns = settled()
    turns.at(100, switch(k.CH_SWITCH_STARTED_NOTIFY))
    assert absences(turns.at(30_000)) == []
    assert absences(turns.at(30_100)) == [AwaySeen(0, False)]


def test_a_switch_of_an_interface_of_no_interest_is_none_of_ours() -> None:
    turns = settled()
    assert absences(turns.at(100, switch(k.CH_SWITCH_STARTED_NOTIFY, ifindex=99))) == []


def test_a_radio_is_back_when_both_scan_and_switch_are_over() -> None:
    turns = settled()
    turns.at(100, k.scan(k.TRIGGER_SCAN, 0))
    assert absences(turns.at(200, switch(k.CH_SWITCH_STARTED_NOTIFY))) == []
    assert absences(turns.at(300, k.scan(k.NEW_SCAN_RESULTS, 0))) == []
    assert absences(turns.at(400, switch(k.CH_SWITCH_NOTIFY))) == [AwaySeen(0, False)]


def test_the_end_of_what_was_not_seen_to_begin_is_nothing() -> None:
    turns = settled()
    assert absences(turns.at(100, switch(k.CH_SWITCH_NOTIFY), k.scan(k.SCAN_ABORTED, 0))) == []
