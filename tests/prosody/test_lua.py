"""The module's Lua is clean: luacheck finds nothing, and every file says what only it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.lab.laptop import MODULES

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
