"""A wheel holds every file of the package: what meson.build installs is what git tracks."""

from __future__ import annotations

import subprocess

from tools.package_files import ROOT, package_files


def test_nothing_is_forgotten() -> None:
    """Whatever is in meshwatch/ under version control is installed."""
    tracked = subprocess.run(
        ["git", "ls-files", "meshwatch"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert tracked
    assert {file for file in tracked if (ROOT / file).exists()} <= set(package_files())


def test_nothing_of_the_build_is_packed() -> None:
    """The module is installed by meson; bytecode and the module built in place are not."""
    assert not [file for file in package_files() if file.endswith((".so", ".pyc", ".new"))]
