"""The module's Lua is clean, and its manual says what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.lab.server import MODULES

MANUAL = (MODULES / "README.md").read_text()
FILES = sorted((MODULES / "mod_meshwatch").glob("*.lua"))


def test_luacheck_finds_nothing() -> None:
    done = subprocess.run(
        ("luacheck", "--no-color", "--codes", "mod_meshwatch"),
        cwd=MODULES,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_opens_with_what_only_it_does(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("-- ")
    assert len(lines) <= 310


def test_the_manual_has_every_setting_with_its_default() -> None:
    main = (MODULES / "mod_meshwatch/mod_meshwatch.lua").read_text()
    options = re.findall(r'get_option\w*\("(\w+)"(?:, (.+?))?\)(?: \* DAY_S)?\n', main)
    described = dict(re.findall(r"^\| `(meshwatch_\w+)` \| (.+?) \|", MANUAL, re.MULTILINE))
    assert {name for name, _ in options} == set(described)
    for name, default in options:
        value = default.replace("16 * 1024 * 1024", str(16 << 20))
        assert described[name] == (f"`{value}`" if value else "none")


def test_the_manual_has_every_command() -> None:
    shell = (MODULES / "mod_meshwatch/shell.lib.lua").read_text()
    commands = set(re.findall(r"^function commands[.:](\w+)", shell, re.MULTILINE))
    assert set(re.findall(r"^prosodyctl shell meshwatch (\w+)", MANUAL, re.MULTILINE)) == commands


def test_the_manual_has_every_file() -> None:
    table = MANUAL.partition("## How it is made")[2]
    assert set(re.findall(r"`(\w+(?:\.lib)?\.lua)`", table)) == {path.name for path in FILES}
