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
# Who hears the air: somebody who hears all radios, whatever is lost on the way to others; and the
# watching one.
EVERYWHERE, HERE = "hwsim0", "mon0"
# Prints the guest's CLOCK_MONOTONIC in ns, without the start of a Python.
CLOCK = "awk '/^now at/ { print $3; exit }' /proc/timer_list\n"


class Witness:
    """All that tools/harness needs to judge what was published during a scene.

    It hears every radio for the time of a with block, and the daemon from :meth:`follow` on; if
    frames get lost, also what the watching radio hears. What no frame says is noted: whose radio
    gets which group mask, who blocks the link with whom.
    """

    def __init__(self, machine: Machine, name: str, *, lossy: bool = False) -> None:
        self._machine = machine
        self._name = name
        interfaces = (EVERYWHERE, HERE) if lossy else (EVERYWHERE,)
        self._captures = {i: Capture(machine, i, f"{name}-{i}") for i in interfaces}
        self._follower: Process | None = None
        self._notes: dict[str, list[str]] = {REACH: [], BLOCKED: []}

    def __enter__(self) -> Self:
        for capture in self._captures.values():
            capture.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._follower is not None:
            self._follower.kill(signal.SIGKILL)
        for capture in self._captures.values():
            capture.__exit__(None, None, None)

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
        return ", ".join(f"{i} {capture.summary}" for i, capture in self._captures.items())

    def keep(self, directory: Path) -> None:
        """Leave it all in this directory, when the scene is over."""
        directory.mkdir(parents=True, exist_ok=True)
        for interface, capture in self._captures.items():
            shutil.copy(capture.path, directory / f"{interface}.pcap")
        if self._follower is not None:
            shutil.copy(self._follower.log, directory / NEWS)
        for name, lines in self._notes.items():
            (directory / name).write_text("".join(lines))
