"""A wheel holds the files of the package and no others: what meson.build installs of the tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.package_files import ROOT, package_files


def test_nothing_is_forgotten() -> None:
    """Whatever is in meshwatch/ under version control is installed, but for dotfiles."""
    tracked = subprocess.run(
        ["git", "ls-files", "meshwatch"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert tracked
    wanted = {file for file in tracked if not Path(file).name.startswith(".")}
    assert {file for file in wanted if (ROOT / file).exists()} <= set(package_files())


def test_nothing_of_the_build_is_packed() -> None:
    """The module is installed by meson; bytecode and the module built in place are not."""
    assert not [file for file in package_files() if file.endswith((".so", ".pyc", ".new"))]


def test_nothing_for_who_works_on_it_is_packed() -> None:
    """Neither the settings of a linter nor a recording to show."""
    assert (ROOT / "meshwatch/adapters/prosody/.luacheckrc").exists()
    names = [Path(file).name for file in package_files()]
    assert not [name for name in names if name.startswith(".") or name.endswith(".pcapng")]
