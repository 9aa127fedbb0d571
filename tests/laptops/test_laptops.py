"""Two laptops with radios, meshwatchd and Prosody on a real kernel lose sight, but no message."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.vm.machine import REPOSITORY, Machine

PYTHON = str(REPOSITORY / ".venv/bin/python")
DEPARTURES, MEETINGS, IMPOSTORS = 3, 2, 3
JOURNEY_S = 540.0
# On an emulated processor, of which these programs want more than there is.
SOON_S, SHOWN_S = 20.0, 4.0
# Departures, in beacon intervals of 1.024 s: the first, and one when no probe is left.
FIRST_S, ANY_S = 5 * 1.024, 28 * 1.024

Fact = dict[str, Any]

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Fact]]:
    """What came of one journey."""
    kernel = os.environ.get("MESHWATCH_KERNEL", "6.1")
    output = tmp_path_factory.mktemp("guest")
    words = ("--departures", DEPARTURES, "--meetings", MEETINGS, "--impostors", IMPOSTORS)
    command = [PYTHON, "-m", "tools.lab.afield", "tap", *map(str, words)]
    with Machine(kernel=kernel, radios=3, output=output) as machine:
        done = machine.run(command, timeout_s=JOURNEY_S)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{logs(output)}"
    yield [json.loads(line) for line in done.stdout.splitlines()]


def logs(output: Path) -> str:
    """The ends of what everybody wrote."""
    return "".join(
        f"\n--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        for log in sorted(output.glob("tap-*.log"))
    )


def of(facts: list[Fact], *kinds: str) -> list[Fact]:
    """Those of these kinds."""
    return [fact for fact in facts if fact["fact"] in kinds]


def soon(times_s: list[float | None], within_s: float = SOON_S) -> bool:
    """Whether all of it happened, and in time."""
    return all(time_s is not None and time_s < within_s for time_s in times_s)


def test_both_doors_of_meshwatchd_tell_of_the_neighbor(facts: list[Fact]) -> None:
    for door in of(facts, "door"):
        assert door["bus"] == 's "present"', door
        assert door["sources"]["frames"] is None, door
    assert len(of(facts, "door")) == 2


def test_who_meets_is_online(facts: list[Fact]) -> None:
    met = of(facts, "first meeting", "cold meeting", "meeting")
    assert [fact["fact"] for fact in met] == ["first meeting", "cold meeting", "meeting"]
    for fact in met:
        assert soon(fact["online_s"]), fact


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
        assert soon(departure["online_s"]), departure
        assert soon(departure["read_s"]), departure


def test_all_messages_come_in_order_none_twice(facts: list[Fact]) -> None:
    written = of(facts, "messages")
    assert [fact["by"] for fact in written] == ["ronaldo", "ana"]
    for fact in written:
        assert len(fact["sent"]) == 12 * DEPARTURES
        assert fact["read"] == fact["sent"]
        assert fact["errors"] == []


def test_what_was_held_outlasts_a_server_that_is_killed(facts: list[Fact]) -> None:
    (kept,) = of(facts, "kept")
    assert soon([kept["read_s"]]), kept


def test_an_impostor_is_refused_and_gets_nothing(facts: list[Fact]) -> None:
    (impostor,) = of(facts, "impostor")
    assert len(impostor["refused_s"]) == IMPOSTORS
    assert soon(impostor["refused_s"], 60), impostor
    assert impostor["got"] == []
    assert not impostor["believed"]
    assert soon([impostor["read_s"]], 60), impostor
    assert impostor["errors"] == []
