"""Two laptops with radios, meshwatchd and Prosody on a real kernel lose sight, but no message."""

from __future__ import annotations

import pytest

from tests.laptops.facts import Fact, of, soon, told

DEPARTURES, MEETINGS, IMPOSTORS = 3, 2, 3
# On an emulated processor, of which these programs want more than there is.
SOON_S, SHOWN_S = 20.0, 4.0
# Departures, in beacon intervals of 1.024 s: the first, and one when no probe is left.
FIRST_S, ANY_S = 5 * 1.024, 28 * 1.024

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> list[Fact]:
    """What came of one journey."""
    output = tmp_path_factory.mktemp("guest")
    words = ("--departures", DEPARTURES, "--meetings", MEETINGS, "--impostors", IMPOSTORS)
    return told("tools.lab.afield", output, 3, *words)


def test_both_doors_of_meshwatchd_tell_of_the_neighbor(facts: list[Fact]) -> None:
    for door in of(facts, "door"):
        assert door["bus"] == 's "present"', door
        assert door["sources"]["frames"] is None, door
    assert len(of(facts, "door")) == 2


def test_who_meets_is_online(facts: list[Fact]) -> None:
    met = of(facts, "first meeting", "cold meeting", "meeting")
    assert [fact["fact"] for fact in met] == ["first meeting", "cold meeting", "meeting"]
    for fact in met:
        assert soon(fact["online_s"], SOON_S), fact


def test_who_walks_away_is_offline(facts: list[Fact]) -> None:
    departures = of(facts, "departure")
    assert len(departures) == DEPARTURES
    assert soon(departures[0]["told_s"], FIRST_S), departures[0]
    for departure in departures:
        assert soon(departure["told_s"], ANY_S), departure
        for told_s, offline_s in zip(departure["told_s"], departure["offline_s"], strict=True):
            assert offline_s is not None and offline_s - told_s < SHOWN_S, departure


def test_who_returns_is_online_and_reads_what_was_held(facts: list[Fact]) -> None:
    for departure in of(facts, "departure"):
        assert soon(departure["online_s"], SOON_S), departure
        assert soon(departure["read_s"], SOON_S), departure


def test_all_messages_come_in_order_none_twice(facts: list[Fact]) -> None:
    written = of(facts, "messages")
    assert [fact["by"] for fact in written] == ["ronaldo", "ana"]
    for fact in written:
        assert len(fact["sent"]) == 12 * DEPARTURES
        assert fact["read"] == fact["sent"]
        assert fact["errors"] == []


def test_what_was_held_outlasts_a_server_that_is_killed(facts: list[Fact]) -> None:
    (kept,) = of(facts, "kept")
    assert soon([kept["read_s"]], SOON_S), kept


def test_an_impostor_is_refused_and_gets_nothing(facts: list[Fact]) -> None:
    (impostor,) = of(facts, "impostor")
    assert len(impostor["refused_s"]) == IMPOSTORS
    assert soon(impostor["refused_s"], 60), impostor
    assert impostor["got"] == []
    assert not impostor["believed"]
    assert soon([impostor["read_s"]], 60), impostor
    assert impostor["errors"] == []
