"""The ready-made hooks call what they are for: stand-ins write down how, and wall is real."""

from __future__ import annotations

import os
import pty
import re
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

HOOKS = Path(__file__).parents[2] / "hooks"
DEADLINE_S = 30
ANA = {"MESHWATCH_NAME": "ana.local", "MESHWATCH_DOMAIN": "ana.laptop.example"}
USER_PROCESS = 7  # utmp(5)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Programs that write down their arguments, a line for each call."""
    for name in ("exim4", "postqueue", "uucico", "uuname"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/called\n')
        program.chmod(0o755)
    (tmp_path / "uuname").write_text("#!/bin/sh\necho anabel\necho ana\n")
    (tmp_path / "sleep").symlink_to("/bin/true")
    # On a busy machine it takes a while until who was begun so has a session of its own.
    (tmp_path / "setsid").write_text(
        '#!/bin/sh\nshift\n{ /bin/sleep 0.2; exec /usr/bin/setsid "$@"; } &\n'
    )
    (tmp_path / "setsid").chmod(0o755)
    return tmp_path


def call(hook: str, event: str, place: Path, variables: dict[str, str]) -> None:
    """As the agent does it: what is left of the hook's process group when it ends is killed."""
    command = (str(HOOKS / hook), "mesh0", event)
    environment = {"PATH": f"{place}:/usr/bin:/bin"} | variables
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.killpg(process.pid, signal.SIGKILL)
    if status := process.wait():
        raise subprocess.CalledProcessError(status, command)


def called(place: Path, count: int) -> list[str]:
    """So many calls, as soon as they were made: some in sessions of their own."""
    limit = time.monotonic() + DEADLINE_S
    path = place / "called"
    while not (path.exists() and len(path.read_text().splitlines()) >= count):
        assert time.monotonic() < limit
        os.sched_yield()
    return sorted(path.read_text().splitlines())


@pytest.mark.parametrize("hook", ["exim4", "postfix", "uucp", "wall"])
def test_it_is_a_script_that_packages_can_install(hook: str) -> None:
    assert os.access(HOOKS / hook, os.X_OK)
    subprocess.run(["sh", "-n", HOOKS / hook], check=True)
    assert f"'{hook}'" in (HOOKS / "meson.build").read_text()


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        # Twice: what is being tried the first time is passed over.
        ("exim4", 2 * ["exim4 -Rf @ana.laptop.example"] + 2 * ["exim4 -Rf @ana.local"]),
        ("postfix", 2 * ["postqueue -s ana.laptop.example"] + 2 * ["postqueue -s ana.local"]),
        ("uucp", ["uucico -s ana"]),
    ],
)
@pytest.mark.parametrize("event", ["came", "named"])
def test_queues_are_flushed(hook: str, expected: list[str], event: str, place: Path) -> None:
    call(hook, event, place, ANA)
    assert called(place, len(expected)) == expected


def test_a_domain_that_postfix_does_not_flush_is_no_failure(place: Path) -> None:
    said = "postqueue: fatal: Flush service is not configured for destination"
    (place / "postqueue").write_text(f'#!/bin/sh\necho "{said} \\"$2\\"" >&2\nexit 69\n')
    call("postfix", "named", place, ANA)
    (place / "postqueue").write_text("#!/bin/sh\necho the mail system is down >&2\nexit 69\n")
    with pytest.raises(subprocess.CalledProcessError):
        call("postfix", "named", place, ANA)


@pytest.mark.parametrize("hook", ["exim4", "postfix", "uucp"])
@pytest.mark.parametrize("event", ["quiet", "gone", "changed", "uplink", "no-uplink"])
def test_nothing_is_flushed_for_another_event(hook: str, event: str, place: Path) -> None:
    call(hook, event, place, ANA)
    assert not (place / "called").exists()


@pytest.mark.parametrize("hook", ["exim4", "postfix", "uucp"])
@pytest.mark.parametrize(
    ("event", "reason", "flushes"),
    [("came", "silent", True), ("came", "expired", False), ("named", "expired", True)],
)
def test_who_was_quiet(hook: str, event: str, reason: str, flushes: bool, place: Path) -> None:
    """Mail may have failed while nothing was heard, but not because a path was idle."""
    was = {"MESHWATCH_WAS": "quiet", "MESHWATCH_WAS_REASON": reason}
    call(hook, event, place, ANA | was)
    if flushes:
        called(place, 1)
    else:
        assert not (place / "called").exists()


@pytest.mark.parametrize("hook", ["exim4", "postfix", "uucp", "wall"])
def test_nobody_has_a_name(hook: str, place: Path) -> None:
    call(hook, "came", place, {"MESHWATCH_ADDRESS": "02:00:00:00:00:01"})
    assert not (place / "called").exists()


def test_a_system_that_is_not_known_is_not_called(place: Path) -> None:
    call("uucp", "named", place, {"MESHWATCH_NAME": "an.local"})
    assert not (place / "called").exists()


@pytest.mark.parametrize("hook", ["exim4", "postfix", "uucp"])
def test_without_the_program_there_is_nothing_to_do(hook: str, tmp_path: Path) -> None:
    for program in ("sh", "uname"):
        (tmp_path / program).symlink_to(f"/bin/{program}")
    done = subprocess.run(
        ["/bin/sh", HOOKS / hook, "mesh0", "came"],
        env={"PATH": str(tmp_path)} | ANA,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- wall ---------------------------------------------------------------------------------------


def utmp(line: str) -> bytes:
    """A user at this terminal (utmp(5))."""
    head = struct.pack(
        "=hxxi32s4s32s256s", USER_PROCESS, os.getpid(), line.encode(), b"1", b"u", b""
    )
    return head.ljust(384, b"\0")


def told(event: str, variables: dict[str, str], place: Path) -> str:
    """What appears on the terminal of a user who is logged in."""
    ours, terminal = pty.openpty()
    try:
        name = os.ttyname(terminal).removeprefix("/dev/")
        (place / "utmp").write_bytes(utmp(name))
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        script = (
            'mount -t tmpfs none /run; cp "$1/utmp" /run/utmp; shift; exec "$@"'  # wall reads it
        )
        inside = ["unshare", *as_root, "--mount", "sh", "-e", "-c", script, "sh", str(place)]
        subprocess.run(
            [*inside, HOOKS / "wall", "mesh0", event],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"} | variables,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=DEADLINE_S,
        )
        os.write(terminal, b"END")
        text = b""
        while not text.endswith(b"END"):
            text += os.read(ours, 4096)
        return text.decode()
    finally:
        os.close(ours)
        os.close(terminal)


@pytest.mark.parametrize(
    ("event", "variables", "expected"),
    [
        ("named", {"MESHWATCH_NICK": "Ana", "MESHWATCH_NAME": "ana.local"}, "Ana is near"),
        ("came", {"MESHWATCH_NAME": "ana.local"}, "ana.local is near"),
        ("gone", {"MESHWATCH_NICK": "Ana"}, "Ana has left"),
        ("came", {"MESHWATCH_NICK": "Ana", "MESHWATCH_WAS": "quiet"}, None),
        ("quiet", {"MESHWATCH_NICK": "Ana"}, None),
        ("named", {"MESHWATCH_NICK": r"A\033[2J\nna"}, r"A\033[2J\nna is near"),
        ("named", {"MESHWATCH_NICK": "$(touch /tmp/x) `id`; \"'"}, "$(touch /tmp/x) `id`; \"' is"),
    ],
)
def test_wall(event: str, variables: dict[str, str], expected: str | None, tmp_path: Path) -> None:
    text = told(event, variables, tmp_path)
    if expected is None:
        assert text == "END"
    else:
        assert "Broadcast message" in text
        assert expected in re.sub(r"\s+", " ", text)
