"""A real kernel and a real meshwatchd: their samples are judged right, and falsified ones wrong.

tests/harness/record.py made them: three radios meet on Linux 6.1, one leaves and returns, one is
out of reach and returns, restarts while it is away, one is switched off. hwsim0 heard every
radio; mon0 what the first one heard, so that it needs to know nothing of who is within reach.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.harness.falsified import Line, about, falsified, late, with_ghost, without_removals
from tools.harness.__main__ import main
from tools.harness.air import Air
from tools.harness.capture import Frame, read
from tools.harness.compare import Comparison, compare
from tools.harness.dissect import Peering, dissect
from tools.harness.layers import CONFIRM
from tools.harness.news import News
from tools.harness.reach import Reach

SAMPLE = Path(__file__).parent / "sample"
ROOT = Path(__file__).parents[2]
OBSERVERS = [f"02:00:00:00:{number:02x}:00" for number in range(3)]
FIRST, SECOND, THIRD = OBSERVERS
LOG = (SAMPLE / "news.log").read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def everybody() -> Air:
    return Air(read(SAMPLE / "hwsim0.pcap"), Reach.read(SAMPLE / "reach"))


def judge(air: Air, observer: str, log: list[bytes] = LOG) -> Comparison:
    return compare(air, News(log, observer))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_the_table_was_right(everybody: Air, observer: str) -> None:
    found = judge(everybody, observer)
    assert found.excessive == []
    assert {lane.neighbor for lane in found.lanes} == set(OBSERVERS) - {observer}
    counted = [event.kind for event in found.events]
    for kind, count in {"established": 3, "returned": 1, "closed": 2, "vanished": 1}.items():
        assert counted.count(kind) >= count, kind


def test_what_the_first_radio_heard_tells_the_same(everybody: Air) -> None:
    """From two captures of one air, of which only one shows acknowledgements and needs reach."""
    own = Air(read(SAMPLE / "mon0.pcap"))
    from_all, from_own = judge(everybody, FIRST), judge(own, FIRST)
    assert from_own.excessive == []
    events = [[(e.neighbor, e.kind) for e in found.events] for found in (from_all, from_own)]
    assert events[0] == events[1]
    for one, other in zip(from_all.events, from_own.events, strict=True):
        assert one.time_ns == pytest.approx(other.time_ns, abs=50_000_000)


# ---- falsified on purpose -----------------------------------------------------------------------


def test_a_dropped_removal_is_found(everybody: Air) -> None:
    log = without_removals(LOG, THIRD).splitlines()
    found = judge(everybody, FIRST, log)
    assert [(one.neighbor, one.kind) for one in found.excessive] == [(THIRD, "vanished")]
    assert judge(everybody, SECOND, log).excessive == []


def test_a_ghost_is_found(everybody: Air) -> None:
    ghost = "02:de:ad:be:ef:00"
    found = judge(everybody, FIRST, with_ghost(LOG, SECOND, ghost).splitlines())
    assert {(one.neighbor, one.kind) for one in found.excessive} == {(ghost, "unfounded")}


def test_a_late_arrival_is_found(everybody: Air) -> None:
    found = judge(everybody, FIRST, late(LOG, SECOND, 2).splitlines())
    assert "established" in {one.kind for one in found.excessive}


def test_a_link_confused_with_another_is_found(everybody: Air) -> None:
    def confuse(at: float, message: dict[str, Any]) -> list[Line]:
        if about(message, SECOND) and "llid" in message["neighbor"]:
            row = message["neighbor"] | {"llid": 1}
            return [(at, message | {"neighbor": row})]
        return [(at, message)]

    found = judge(everybody, FIRST, falsified(LOG, confuse).splitlines())
    assert {one.neighbor for one in found.excessive} == {SECOND}


def test_frames_that_are_missing_in_the_capture_are_found() -> None:
    """The table followed them; the air without them belies it."""

    def confirms(frame: Frame) -> bool:
        said = dissect(frame)
        return (
            said is not None
            and {said.sender, said.receiver} == {FIRST, SECOND}
            and isinstance(said.body, Peering)
            and said.body.action == CONFIRM
        )

    frames = [frame for frame in read(SAMPLE / "hwsim0.pcap") if not confirms(frame)]
    found = judge(Air(frames, Reach.read(SAMPLE / "reach")), FIRST)
    assert {(one.neighbor, one.kind) for one in found.excessive} == {(SECOND, "unfounded")}


# ---- the command --------------------------------------------------------------------------------

COMMAND = [str(SAMPLE / "hwsim0.pcap"), str(SAMPLE / "news.log"), "--observer", FIRST]
REACH = ["--reach", str(SAMPLE / "reach")]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.svg"
    assert main([*COMMAND, *REACH, "--svg", str(picture)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1].endswith(" 0 longer than allowed: right")
    assert "TOO LONG" not in text
    root = ElementTree.parse(picture).getroot()
    titles = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("vanished: air silent, table present, quiet") for title in titles)


def test_a_tighter_bound_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    assert main([*COMMAND, *REACH, "--bound", "vanished=2B", "--svg", str(picture)]) == 1
    assert "TOO LONG" in capsys.readouterr().out
    assert "#d00000" in picture.read_text().split("longer")[-1]


def test_without_reach_hwsim0_shows_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 1
    assert "unfounded" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["/nowhere.pcap", *COMMAND[1:]],
        [COMMAND[1], *COMMAND[1:]],
        [COMMAND[0], COMMAND[0], *COMMAND[2:]],
        [*COMMAND, "--reach", COMMAND[1]],
        [*COMMAND, "--blocked", COMMAND[1]],
    ],
    ids=["no capture", "not a capture", "not a log", "not a reach", "not blocks"],
)
def test_bad_files(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("harness: ")


@pytest.mark.parametrize("wrong", [["--observer", "mesh0"], ["--bound", "sad=1"], ["--nonsense"]])
def test_bad_arguments(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([*COMMAND, *wrong])
    assert refused.value.code == 2
    assert "error" in capsys.readouterr().err


def test_as_a_program() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tools.harness", "--help"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "--observer" in run.stdout
