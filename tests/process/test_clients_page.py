"""The programs of meshwatch-clients(7) are taken from the page, run, and see who comes and goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from tests.bus.harness import DEADLINE_S, MessageDaemon

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "man" / "meshwatch-clients.7.scd"
RECORDING = ROOT / "tests" / "recordings" / "part-6.1.pcapng"
# Slowly, so that whoever starts on a busy machine is there in time to see somebody leave.
MESHWATCHD = [
    sys.executable,
    "-m",
    "meshwatch.daemon",
    "--replay",
    str(RECORDING),
    "--speed",
    "0.4",
]
LEAVES = "02:00:00:00:02:00"
SYSTEM_PYTHON = "/usr/bin/python3"  # the bindings of GLib are a package of the distribution


def program(section: str) -> str:
    """The program in a section of the page."""
    text = PAGE.read_text().partition(f"\n# {section}\n")[2].partition("\n# ")[0]
    (found,) = re.findall(r"^```\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


class Running:
    """A program and the lines it writes."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, wanted: str) -> list[str]:
        """Its lines up to the one that is wanted."""
        lines: list[str] = []
        while not lines or lines[-1] != wanted:
            try:
                lines.append(self._lines.get(timeout=DEADLINE_S))
            except Empty:
                raise AssertionError(f"no {wanted!r} after {lines}") from None
        return lines

    def end(self) -> None:
        """End it and all it started."""
        os.killpg(self._process.pid, 9)
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.strip())


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[MessageDaemon]:
    """A bus that programs take for the system's."""
    daemon = MessageDaemon(tmp_path)
    daemon.start()
    yield daemon
    daemon.kill()


def command(section: str, folder: Path) -> list[str]:
    """How to run a program of the page; built where it has to be."""
    source = folder / f"near-{section.replace(' ', '-')}"
    source.write_text(program(section))
    if section == "SHELL":
        return ["sh", str(source), str(folder / "news.sock")]
    if section == "PYTHON":
        return [sys.executable, str(source), str(folder)]
    if section == "A DESKTOP APPLET":
        return [SYSTEM_PYTHON, str(source)]
    source = source.rename(source.with_suffix(".c"))
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libsystemd"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    built = str(source.with_suffix(""))
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *warnings, "-o", built, str(source), *flags], check=True)
    return [built]


def test_each_sees_who_comes_and_goes(tmp_path: Path, bus: MessageDaemon) -> None:
    environment = dict(bus.environment(), DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    commands = {name: command(name, tmp_path) for name in ("SHELL", "PYTHON", "C")}
    daemon = [*MESHWATCHD, "--runtime-directory", str(tmp_path), "--bus", bus.address]
    running: list[Running] = []
    with subprocess.Popen(daemon, stderr=subprocess.DEVNULL) as replaying:
        try:
            while not (tmp_path / "news.sock").exists():
                assert replaying.poll() is None
            for name in ("C", "PYTHON", "SHELL"):
                running.append(Running(commands[name], environment))
            for each in running:
                assert f"- {LEAVES}" not in each.until(f"+ {LEAVES}")
                each.until(f"- {LEAVES}")
        finally:
            replaying.terminate()
            for each in running:
                each.end()


def test_the_applet_lists_who_is_there(tmp_path: Path, bus: MessageDaemon) -> None:
    if subprocess.run([SYSTEM_PYTHON, "-c", "import gi"], check=False).returncode:
        pytest.skip("needs python3-gi and gir1.2-glib-2.0")
    environment = dict(bus.environment(), DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    assert len(program("A DESKTOP APPLET").splitlines()) < 40
    applet = Running(command("A DESKTOP APPLET", tmp_path), environment)
    daemon = [*MESHWATCHD, "--runtime-directory", str(tmp_path), "--bus", bus.address]
    with subprocess.Popen(daemon, stderr=subprocess.DEVNULL) as replaying:
        try:
            lines = applet.until(f"{LEAVES}  present")
            assert lines[0] == "-- in reach"
            while LEAVES in " ".join(lines):  # until a whole list is without it
                lines = applet.until("")
        finally:
            replaying.terminate()
            applet.end()


def test_what_it_needs_is_here() -> None:
    """Programs that the page names are there, or the test above could not fail."""
    for name in ("socat", "jq", "cc", "pkg-config"):
        assert shutil.which(name), name
