"""The C tests: with two compilers, under the sanitizers, under valgrind, and a little fuzzing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
CLANG = shutil.which("clang") or shutil.which("clang-14") or "clang"
BUILDS = {
    "gcc": ("gcc", ()),
    "clang": (CLANG, ()),
    "sanitizers": ("gcc", ("-Db_sanitize=address,undefined",)),
}


def run(*command: str, **environment: str) -> None:
    """Runs a command in the root of the tree; what it said is shown if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def build(name: str) -> str:
    """Sets a build directory up, warnings being errors; returns it."""
    compiler, options = BUILDS[name]
    directory = f"build/c-{name}"
    if not (ROOT / directory / "build.ninja").exists():
        run("meson", "setup", directory, "--werror", "-Dhost_files=false", *options, CC=compiler)
    return directory


@pytest.mark.parametrize("name", BUILDS)
def test_build(name: str) -> None:
    """Every attribute, every truncation of every recorded datagram."""
    run("meson", "test", "-C", build(name), "--print-errorlogs")


def test_valgrind() -> None:
    """Also uninitialized memory."""
    valgrind = "valgrind --quiet --error-exitcode=9 --leak-check=full"
    run("meson", "test", "-C", build("gcc"), "--wrap", valgrind, "--print-errorlogs")


def test_fuzz_target() -> None:
    """It builds, and finds nothing in five seconds; longer: tools/fuzz SECONDS."""
    run("tools/fuzz", "5")
