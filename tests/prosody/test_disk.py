"""What is said to be held is on the disk: seen in what Prosody asks the kernel for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop
from tools.lab.listening import until


def calls(trace: Path) -> list[tuple[str, str]]:
    """The mkdir(2) and fsync(2) so far, in order, each with its path."""
    return re.findall(r'(mkdir|fsync)\((?:"|\d+<)([^">]+)', trace.read_text())


def trace_first_message(laptop: Laptop, trace: Path) -> None:
    """Follow Prosody while it holds a message, until the file is on the disk and one call more."""
    assert laptop.person.jid == laptop.jid
    pid = (laptop.home / "prosody.pid").read_text().strip()
    command = ("strace", "-f", "-y", "-s", "300", "-e", "trace=mkdir,fsync", "-o", str(trace))
    with subprocess.Popen((*command, "-p", pid), stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        laptop.person.say("ana@ana.laptop.example", "hello")
        until(lambda: any(path.endswith(".xml~") for _, path in calls(trace)[:-1]))
        strace.terminate()


def test_a_held_message_is_on_the_disk_with_its_directories(room: Room, tmp_path: Path) -> None:
    ronaldo, trace = room.laptop("ronaldo"), tmp_path / "trace"
    trace_first_message(ronaldo, trace)
    seen = calls(trace)
    made = [path for call, path in seen if call == "mkdir"]
    ours, theirs = "ronaldo%2elaptop%2eexample", "ana%2elaptop%2eexample"
    assert [Path(path).name for path in made] == ["outbox", ours, theirs]
    for path in made:
        assert ("fsync", str(Path(path).parent)) in seen[seen.index(("mkdir", path)) :]
    file, directory = [path for call, path in seen if call == "fsync"][-2:]
    assert file.endswith(".xml~")
    assert directory == made[-1]
