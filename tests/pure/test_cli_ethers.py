"""Names for hardware addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwatch.cli.ethers import NamesError, address_of, load


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("02:00:00:00:01:0A", "02:00:00:00:01:0a"),
        ("2:0:0:0:1:a", "02:00:00:00:01:0a"),
        ("02-00-00-00-01-0a", "02:00:00:00:01:0a"),
        ("02:00:00:00:01", None),
        ("anna", None),
        ("002:00:00:00:01:0a", None),
    ],
)
def test_addresses(written: str, address: str | None) -> None:
    assert address_of(written) == address


def test_the_chosen_file_wins(tmp_path: Path) -> None:
    ethers, bats, chosen = tmp_path / "ethers", tmp_path / "bat-hosts", tmp_path / "names"
    ethers.write_text("# ours\n02:00:00:00:00:01 anna\n2:0:0:0:0:2 ben # his old one\nnonsense\n")
    bats.write_text("02:00:00:00:00:02 benny\n02:00:00:00:00:03 carla\n")
    chosen.write_text("02:00:00:00:00:03 school\n")
    assert load(chosen, (ethers, bats, tmp_path / "absent")) == {
        "02:00:00:00:00:01": "anna",
        "02:00:00:00:00:02": "benny",
        "02:00:00:00:00:03": "school",
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"02:00:00:00:00:01 anna\nben 02:00:00:00:00:02\n", ":2: expected"),
        (b"02:00:00:00:00:01\n", ":1: expected"),
        (b"02:00:00:00:00:01 a\x1b[2J\n", ":1: expected"),
        (b"\xff\xfe\n", "not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_chosen_file_is_said(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    chosen = tmp_path / "names"
    chosen.write_bytes(content)
    with pytest.raises(NamesError, match=complaint):
        load(chosen, ())


def test_an_absent_chosen_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NamesError, match="No such file"):
        load(tmp_path / "names", ())
