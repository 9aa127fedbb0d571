"""What is said to be held is on the disk, once: seen in what Prosody asks the kernel for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop
from tools.lab.listening import until


@contextmanager
def traced(laptop: Laptop, trace: Path, calls: str) -> Iterator[None]:
    """Write these calls of Prosody to a file."""
    pid = (laptop.home / "prosody.pid").read_text().strip()
    command = ("strace", "-f", "-y", "-s", "300", "-e", f"trace={calls}", "-o", str(trace))
    with subprocess.Popen((*command, "-p", pid), stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        try:
            yield
        finally:
            strace.terminate()


def seen(trace: Path) -> list[tuple[str, str]]:
    """The calls so far, in order, each with its path."""
    return re.findall(
        r'(mkdir|fsync|openat)\((?:[^<"]*<[^>]*>, )?(?:"|\d+<)([^">]+)', trace.read_text()
    )


def test_a_held_message_is_on_the_disk_with_its_directories(room: Room, tmp_path: Path) -> None:
    ronaldo, trace = room.laptop("ronaldo"), tmp_path / "trace"
    assert ronaldo.person.jid == ronaldo.jid
    with traced(ronaldo, trace, "mkdir,fsync"):
        ronaldo.person.say("ana@ana.laptop.example", "hello")
        until(lambda: any(path.endswith(".xml~") for _, path in seen(trace)[:-1]))
    calls = seen(trace)
    made = [path for call, path in calls if call == "mkdir"]
    ours, theirs = "ronaldo%2elaptop%2eexample", "ana%2elaptop%2eexample"
    assert [Path(path).name for path in made] == ["outbox", ours, theirs]
    for path in made:
        assert ("fsync", str(Path(path).parent)) in calls[calls.index(("mkdir", path)) :]
    file, directory = [path for call, path in calls if call == "fsync"][-2:]
    assert file.endswith(".xml~")
    assert directory == made[-1]


def test_a_request_is_known_again_without_reading_what_is_held(room: Room, tmp_path: Path) -> None:
    ronaldo, trace = room.laptop("ronaldo"), tmp_path / "trace"
    ronaldo.person.say("ana@ana.laptop.example", "hello")
    ronaldo.person.subscribe("ana@ana.laptop.example")
    ronaldo.holds(2)
    ronaldo.log_out()
    with traced(ronaldo, trace, "openat"):
        assert ronaldo.person.jid == ronaldo.jid  # repeats the request
        ronaldo.person.say("ana@ana.laptop.example", "and another")
        ronaldo.holds(3)
        until(lambda: any(path.endswith(".xml~") for _, path in seen(trace)))
    assert [path for _, path in seen(trace) if path.endswith(".xml")] == []
    assert any(path.endswith(".dat") for _, path in seen(trace))  # the roster: reading shows
