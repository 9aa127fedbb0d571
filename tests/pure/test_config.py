"""Settings: the file, the command line above it, and a clear error for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwatch.config import Config, ConfigError, load


def test_command_line_wins_over_file(tmp_path: Path) -> None:
    file = tmp_path / "meshwatch.toml"
    file.write_text('bus = "none"\ninterfaces = ["mesh1"]\nruntime_directory = "/run/a"\n')
    config = load(["--config", str(file), "--runtime-directory", "/run/b"])
    assert config == Config(bus="none", interfaces=("mesh1",), runtime_directory="/run/b")


def test_interface_may_be_repeated() -> None:
    assert load(["--interface", "a", "--interface", "b"]).interfaces == ("a", "b")
    assert load(["--monitor", "a", "--monitor", "b"]).monitors == ("a", "b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bus = 3\n", "bus"),
        ("buss = 'none'\n", "buss"),
        ("bus = 'nonsense'\n", "nonsense"),
        ("bus = \n", "Invalid value"),
        ("speed = 3.0\n", "belongs on the command line"),
        ("receive_buffer_bytes = 12\n", "2048"),
        ("interfaces = 'mesh0'\n", "interfaces"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "meshwatch.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load(["--config", str(file)])


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    file = tmp_path / "meshwatch.toml"
    file.write_bytes(b'bus = "\xff"\n')
    with pytest.raises(ConfigError, match="utf-8"):
        load(["--config", str(file)])


def test_missing_file_is_an_error_only_when_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(["--config", str(tmp_path / "absent.toml")])
    assert load([]) == Config()


@pytest.mark.parametrize(
    "argv",
    [
        ["--record", "a", "--replay", "b"],
        ["--speed", "-1"],
        ["--speed", "nan"],
        ["--family", "32"],
        ["--replay", "a", "--family", "16"],
        ["--replay", "a", "--family", "1024"],
    ],
)
def test_mistakes_on_the_command_line_are_named(argv: list[str]) -> None:
    with pytest.raises(ConfigError):
        load(argv)
