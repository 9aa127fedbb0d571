"""The C tests: with two compilers, under the sanitizers, under valgrind, and a little fuzzing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meshwatch.records import Kind, decode
from tests.c.corpus import CORPUS, FAMILY

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


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_corpus(kernel: str) -> None:
    """Holds, of each kernel, every kind of message that it sends in the recordings."""
    found = {
        message.kind
        for path in CORPUS.glob(f"{kernel}-*.bin")
        for message in decode(path.read_bytes(), FAMILY)
    }
    damage = {Kind.OVERRUN, Kind.MALFORMED}
    # No recording has a station of another network behind a mesh one, or a vanished family; and
    # in those of 6.12 no interface was deleted.
    absent = {Kind.MPP, Kind.FAMILY_DELETED}
    if kernel == "6.12":
        absent.add(Kind.INTERFACE_DELETED)
    assert found == set(Kind) - damage - absent


@pytest.mark.timeout(600)
def test_valgrind() -> None:
    """Also uninitialized memory."""
    valgrind = "valgrind --quiet --error-exitcode=9 --leak-check=full"
    test = ("meson", "test", "-C", build("gcc"), "--print-errorlogs")
    run(*test, "--wrap", valgrind, "--timeout-multiplier", "4")


def test_fuzz_target() -> None:
    """It builds, and finds nothing in five seconds; longer: tools/fuzz SECONDS."""
    run("tools/fuzz", "5")
