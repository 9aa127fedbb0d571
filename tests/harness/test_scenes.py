"""Scenes that were recorded with a tap: what was published agrees with the air, and a daemon that
errs does not.

tools/record/record --keep left them: what hwsim0 heard, what a subscriber read, who was moved and
who was blocked. Their recordings are among those of the replay tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.falsified import about, falsified, late, with_false_departure, with_ghost
from tools.harness.compare import Comparison
from tools.record.judge import compared
from tools.record.witness import NEWS

SCENES = sorted((Path(__file__).parent / "scenes").iterdir())
NEIGHBOR = "02:00:00:00:01:00"
GHOST = "02:de:ad:be:ef:00"
every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def log_of(scene: Path) -> list[bytes]:
    return (scene / NEWS).read_bytes().splitlines(keepends=True)


def judged(scene: Path, log: bytes) -> Comparison:
    return compared(scene, log.splitlines(keepends=True))


@every_scene
def test_what_was_published_was_right(scene: Path) -> None:
    found = compared(scene)
    assert found.excessive == []
    assert found.events, "nothing happened"


@every_scene
def test_a_ghost_is_found(scene: Path) -> None:
    found = judged(scene, with_ghost(log_of(scene), NEIGHBOR, GHOST))
    assert {(one.neighbor, one.kind) for one in found.excessive} == {(GHOST, "unfounded")}


@every_scene
def test_a_departure_of_one_who_is_there_is_found(scene: Path) -> None:
    found = judged(scene, with_false_departure(log_of(scene), NEIGHBOR))
    assert (NEIGHBOR, "unfounded") in {(one.neighbor, one.kind) for one in found.excessive}


@every_scene
def test_a_daemon_that_is_late_is_found(scene: Path) -> None:
    found = judged(scene, late(log_of(scene), NEIGHBOR, 7))
    assert NEIGHBOR in {one.neighbor for one in found.excessive}


def test_a_daemon_that_denies_departures_is_found() -> None:
    """It never says of anybody but that he is present."""
    scene = SCENES[0].with_name("part-6.1")
    log = falsified(
        log_of(scene),
        lambda at, message: (
            []
            if about(message, NEIGHBOR) and message["neighbor"]["presence"] != "present"
            else [(at, message)]
        ),
    )
    found = judged(scene, log)
    assert {(one.neighbor, one.kind) for one in found.excessive} == {(NEIGHBOR, "closed")}
