"""Values as meshwatch(1) shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.cli import text
from meshwatch.model import OneSided, Proof, Reason
from meshwatch.protocol import Evidence

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (-5, "0.0s"),
        (449, "0.4s"),
        (9_999, "9.9s"),
        (10 * SECOND, "10s"),
        (MINUTE - 1, "59s"),
        (3 * MINUTE + 5 * SECOND, "3m05s"),
        (10 * MINUTE, "10m"),
        (HOUR - 1, "59m"),
        (2 * HOUR + 10 * MINUTE, "2h10m"),
        (14 * HOUR, "14h"),
        (3 * DAY + 4 * HOUR, "3d04h"),
        (100 * DAY, "100d"),
    ],
)
def test_duration(milliseconds: int, shown: str) -> None:
    assert text.duration(milliseconds) == shown


@given(st.integers(0, 9999 * DAY))
def test_a_duration_fits_its_column(milliseconds: int) -> None:
    assert len(text.duration(milliseconds)) <= 5


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(120, "0.1 s"), (1449, "1.4 s"), (12_900, "12 s"), (3 * MINUTE + 5 * SECOND, "3m05s")],
)
def test_span(milliseconds: int, shown: str) -> None:
    assert text.span(milliseconds) == shown


@pytest.mark.parametrize(
    ("units", "shown"), [(1000, "1000 TU (1.02 s)"), (100, "100 TU (0.102 s)")]
)
def test_interval(units: int, shown: str) -> None:
    assert text.interval(units) == shown


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        (Evidence(proof="look"), "the kernel's station entry"),
        (Evidence(proof="event", silence_ms=0, missed=0), "an event of the kernel"),
        (Evidence(proof="beacon"), "a beacon"),
        (
            Evidence(proof="beacon", missed=2, silence_ms=2100),
            "two beacons missed, silent for 2.1 s",
        ),
        (
            Evidence(proof="probe", silence_ms=1400, unanswered=3),
            "three probes unanswered, silent for 1.4 s",
        ),
        (
            Evidence(proof="probe", silence_ms=61_000, missed=59),
            "probes acknowledged, 59 beacons missed, silent for 1m01s",
        ),
        (
            Evidence(proof="poke", silence_ms=4100, missed=4, unanswered=3),
            "three pokes unanswered, four beacons missed, silent for 4.1 s",
        ),
        (
            Evidence(proof="look", silence_ms=8200, missed=1, unanswered=1),
            "the kernel's station entry, one question unanswered, one beacon missed,"
            " silent for 8.2 s",
        ),
        (Evidence(proof="path", silence_ms=40), "the kernel's path table"),
        (Evidence(proof="a dream\x1b", missed=13), "a dream?, 13 beacons missed"),
    ],
)
def test_evidence(evidence: Evidence, sentence: str) -> None:
    assert text.evidence(evidence) == sentence


@pytest.mark.parametrize("proof", Proof)
def test_every_proof_has_words(proof: Proof) -> None:
    assert text.evidence(Evidence(proof=proof)) not in set(Proof)


@pytest.mark.parametrize(
    ("kbps", "shown"), [(None, "-"), (1000, "1"), (5500, "5.5"), (54000, "54"), (866700, "866.7")]
)
def test_megabits(kbps: int | None, shown: str) -> None:
    assert text.megabits(kbps) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_960, "10 kB"), (999_600, "1.0 MB"),
     (34_000_000, "34 MB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_size(count: int, shown: str) -> None:
    assert text.size(count) == shown


def test_reach_shows_the_oldest_interval_first() -> None:
    assert text.reach(0x000D) == "............**.*"
    assert text.reach(0xFFFF) == "*" * 16


def test_another_day_is_a_date() -> None:
    noon = 1_795_348_800_000
    assert text.moment(noon, noon + 5 * MINUTE).count(":") == 2
    assert text.moment(noon, noon + 3 * DAY).count("-") == 2


def test_every_reason_has_words() -> None:
    assert text.REASONS.keys() == {str(reason) for reason in Reason}


def test_every_side_has_words() -> None:
    assert text.ONE_SIDED.keys() == {str(side) for side in OneSided}


def test_a_terminal_is_not_commanded_by_a_name() -> None:
    assert text.printable("mesh\x1b[2J0") == "mesh?[2J0"
