"""`make run` where there is no mesh and no terminal: a recording, labelled as such."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.run import RADIOS

ROOT = Path(__file__).parents[2]
LABEL = "No mesh interface here: meshwatchd replays a recording, tools/demo.pcapng.\n"
DEADLINE_S = 100

pytestmark = pytest.mark.skipif(
    RADIOS.is_dir() and any(RADIOS.iterdir()),
    reason="this machine has radios, and perhaps a mesh of its own to show",
)


@contextmanager
def running(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The program, with a session of its own as a terminal would give it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.run"],
        cwd=ROOT,
        env=os.environ | {"RUN_SECONDS": str(seconds)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # it ends what it started
        process.communicate()


def test_neighbors_of_a_recording() -> None:
    """Both doors say that it is one; Ctrl-C ends all of it, and nothing is left."""
    with running(DEADLINE_S) as shown:
        assert shown.stdout is not None
        assert shown.stdout.readline().endswith(", replaying demo.pcapng\n")
        for line in shown.stdout:
            if re.search(r" \+ mesh0 (\w\w:){5}\w\w: present, peer link established$", line):
                break
        else:
            raise AssertionError("it ended without a neighbor")
        os.killpg(shown.pid, signal.SIGINT)
        _, said = shown.communicate(timeout=DEADLINE_S)
    assert shown.returncode == 0, said
    assert said.startswith(LABEL)
    directory = re.search(r"--runtime-directory (\S+) list\n", said)
    assert directory is not None
    assert not Path(directory[1]).exists()


def test_it_ends_by_itself() -> None:
    """After RUN_SECONDS."""
    with running(1) as shown:
        _, said = shown.communicate(timeout=DEADLINE_S)
    assert shown.returncode == 0, said
    assert said.startswith(LABEL)
