"""meshwatch watch on a terminal: it draws, follows, and gives the terminal back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.served_table import DEADLINE_S, ServedTable

ANNA, BEN = "02:00:00:00:00:01", "02:00:00:00:00:02"
MESHWATCH = (sys.executable, "-m", "meshwatch.cli")
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Terminal:
    """A pseudo terminal with ``meshwatch watch`` on it."""

    def __init__(self, directory: Path, columns: int, **environment: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        inherited = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS"}}
        self.process = subprocess.Popen(
            # setsid makes the terminal the one whose Ctrl-C interrupts.
            ["setsid", "--ctty", *MESHWATCH, "--runtime-directory", directory, "watch"],
            env={**inherited, "TERM": "xterm", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.shown = ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def await_text(self, *parts: str) -> None:
        """Wait until all parts were written since the last call."""
        end = time.monotonic() + DEADLINE_S
        begin = len(self.shown)
        while not all(part in self.shown[begin:] for part in parts):
            assert self._read(end), f"{parts} did not come, but {self.shown[begin:]!r}"

    def await_end(self) -> int:
        end = time.monotonic() + DEADLINE_S
        while self._read(end):
            pass
        return self.process.wait(DEADLINE_S)

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
        try:
            data = os.read(self.master, 65536) if ready else b""
        except OSError:  # Linux says EIO when the last user of a terminal is gone
            data = b""
        self.shown += data.decode()
        return bool(data)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedTable]:
    with ServedTable(tmp_path) as table:
        table.settle("mesh0")
        table.present(ANNA)
        yield table


def test_the_table_is_live_and_what_it_showed_last_stays(served: ServedTable) -> None:
    terminal = Terminal(served.directory, 80)
    try:
        terminal.await_text(ENTER, "mesh0: mesh, 2412 MHz; 1 neighbor", ANNA, "MARKS")
        assert "LATEST CHANGES" not in terminal.shown
        served.present(BEN)
        terminal.await_text("2 neighbors: 2 present", "LATEST CHANGES", f"+ {BEN}")
        os.write(terminal.master, b"\x03")
        assert terminal.await_end() == 0
    finally:
        terminal.close()
    _, _, after = terminal.shown.partition(LEAVE)
    assert "2 neighbors: 2 present" in after
    assert f"+ {BEN}" in after
    assert "\x1b[32m" in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back(served: ServedTable, number: signal.Signals) -> None:
    terminal = Terminal(served.directory, 80)
    try:
        terminal.await_text(ENTER, ANNA)
        terminal.process.send_signal(number)
        assert terminal.await_end() == 128 + number
    finally:
        terminal.close()
    assert terminal.shown.endswith(LEAVE)


def test_no_color(served: ServedTable) -> None:
    terminal = Terminal(served.directory, 80, NO_COLOR="1")
    try:
        terminal.await_text(ENTER, ANNA)
    finally:
        terminal.close()
    assert "\x1b[32m" not in terminal.shown


def test_another_width(served: ServedTable) -> None:
    terminal = Terminal(served.directory, 140)
    try:
        terminal.await_text("REACH")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("4H", 24, 50, 0, 0))
        begin = len(terminal.shown)
        terminal.await_text("NEIGHBOR")
        terminal.await_text("NEIGHBOR")
        assert "REACH" not in terminal.shown[begin:].split("NEIGHBOR")[-1]
    finally:
        terminal.close()
