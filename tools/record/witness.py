"""What others than the recording tell of a scene: the air, a subscriber, and our own hand."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Self

from tools.harness.guest import Capture
from tools.vm.machine import REPOSITORY, Machine, Process

FOLLOW = REPOSITORY / "tests/kernel/follow.py"
NEWS, REACH, BLOCKED = "news.log", "reach", "blocked"
# Who hears the air: all radios at once, whatever arrives elsewhere, or only the watching one's.
EVERYWHERE, HERE = "hwsim0", "mon0"
# Prints the guest's CLOCK_MONOTONIC in ns, without the start of a Python.
CLOCK = "awk '/^now at/ { print $3; exit }' /proc/timer_list\n"


class Witness:
    """All that tools/harness needs to judge what was published during a scene.

    It hears an interface, EVERYWHERE or HERE, for the time of a with block, and the daemon from
    :meth:`follow` on. What no frame says is noted: whose radio gets which group mask, who blocks
    the link with whom.
    """

    def __init__(self, machine: Machine, name: str, hears: str = EVERYWHERE) -> None:
        self._machine = machine
        self._name = name
        self._hears = hears
        self._capture = Capture(machine, hears, f"{name}-air")
        self._follower: Process | None = None
        self._notes: dict[str, list[str]] = {REACH: [], BLOCKED: []}

    def __enter__(self) -> Self:
        self._capture.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._follower is not None:
            self._follower.kill(signal.SIGKILL)
        self._capture.__exit__(None, None, None)

    def follow(self, runtime_directory: str) -> None:
        """Subscribe to the news of the daemon that has this directory."""
        self._follower = self._machine.spawn(
            ["python3", str(FOLLOW), f"{runtime_directory}/news.sock"],
            log=f"{self._name}-news.log",
        )

    def note(self, kind: str, clock: str, *words: str) -> None:
        """REACH or BLOCKED, what CLOCK printed just before, and the words that belong to it."""
        self._notes[kind].append(f"{int(clock) / 1e9:.6f} {' '.join(words)}\n")

    @property
    def summary(self) -> str:
        """How many frames were heard, and how many the kernel dropped; when it is over."""
        return self._capture.summary

    def keep(self, directory: Path) -> None:
        """Leave it all in this directory, when the scene is over."""
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._capture.path, directory / f"{self._hears}.pcap")
        if self._follower is not None:
            shutil.copy(self._follower.log, directory / NEWS)
        for name, lines in self._notes.items():
            (directory / name).write_text("".join(lines))
