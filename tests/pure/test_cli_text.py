"""Values as meshwatch(1) shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.cli import text
from meshwatch.model import Reason

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


def test_a_terminal_is_not_commanded_by_a_name() -> None:
    assert text.printable("mesh\x1b[2J0") == "mesh?[2J0"
