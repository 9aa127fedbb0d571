"""What a replay of each recording tells agrees with what its own tap heard.

A tap hears neither what gets lost on the way to it, nor anything while its radio is away, nor who
blocks a link in silence: scenes with that need a witness, as those of tests/harness/scenes. Of a
link that is older than the recording the frames tell only whether its neighbor is on the air.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.falsified import late, with_false_departure, with_ghost
from tools.harness.air import Air
from tools.harness.compare import Comparison, compare
from tools.harness.news import News
from tools.record.bounds import bounds
from tools.record.expect import title
from tools.record.judge import OBSERVER, SILENT_AFTER, recorded

RECORDINGS = Path(__file__).parents[1] / "recordings" / "tap"
NEED_A_WITNESS = re.compile(r"(lossy|lossy-often|scan|blocked)-")
JUDGED = sorted(
    path for path in RECORDINGS.glob("*.pcapng.*") if not NEED_A_WITNESS.match(path.name)
)
# In which the neighbor meets us while the tap hears it, and is there at the end.
MEETINGS = [path for path in JUDGED if path.name.startswith(("meet-", "vanish-", "restart-"))]
NEIGHBOR = "02:00:00:00:01:00"
GHOST = "02:de:ad:be:ef:00"


def judged(path: Path, air: Air, log: list[bytes]) -> Comparison:
    return compare(air, News(log, OBSERVER), bounds(title(path), replay=True), SILENT_AFTER)


def wrong(found: Comparison) -> set[tuple[str, str]]:
    return {(one.neighbor, one.kind) for one in found.excessive}


@pytest.mark.parametrize("path", JUDGED, ids=title)
def test_what_a_replay_tells_is_right(path: Path) -> None:
    air, log = recorded(path)
    found = judged(path, air, log)
    assert found.excessive == []
    assert NEIGHBOR in {lane.neighbor for lane in found.lanes}


@pytest.mark.parametrize("path", MEETINGS, ids=title)
def test_a_daemon_that_errs_is_found(path: Path) -> None:
    air, log = recorded(path)
    haunted = judged(path, air, with_ghost(log, NEIGHBOR, GHOST).splitlines())
    assert wrong(haunted) == {(GHOST, "unfounded")}
    departed = judged(path, air, with_false_departure(log, NEIGHBOR).splitlines())
    assert (NEIGHBOR, "unfounded") in wrong(departed)
    delayed = judged(path, air, late(log, NEIGHBOR, 9).splitlines())
    assert NEIGHBOR in {neighbor for neighbor, _ in wrong(delayed)}
