"""Shows the neighbor table live: this machine's, or that of a recording where it has no mesh.

A meshwatchd of its own runs for as long as one looks, in a private directory. RUN_SECONDS in the
environment ends it after so many seconds of showing; without a terminal a replay ends with its
recording.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from meshwatch.client import DaemonAbsent, look
from meshwatch.pcap import MalformedCapture
from meshwatch.recording import open_recording

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "tools/demo.pcapng"
RADIOS = Path("/sys/class/ieee80211")
SYSTEM_BUS = Path("/run/dbus/system_bus_socket")
BUS_POLICIES = (
    Path("/usr/share/dbus-1/system.d/org.meshwatch.conf"),
    Path("/etc/dbus-1/system.d/org.meshwatch.conf"),
)
START_S = 30.0  # the first start compiles every module that is imported
REST_S = 3.0  # the end of a recording stays on the screen so long before it is played again


class CannotRun(Exception):
    """Why, for people."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Let a program run for the length of a block."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def bus_for(directory: Path) -> Iterator[str]:
    """The system bus if it lets us own the name, otherwise a bus of our own, otherwise none."""
    if os.geteuid() == 0 and SYSTEM_BUS.exists() and any(p.exists() for p in BUS_POLICIES):
        yield "system"
    elif program := shutil.which("dbus-daemon"):
        socket = directory / "bus"
        command = [program, "--session", "--nofork", "--nopidfile", f"--address=unix:path={socket}"]
        with (directory / "dbus-daemon.log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log, start_new_session=True)
        with ended(process):
            await_path(socket)
            yield f"unix:path={socket}"
    else:
        yield "none"


def await_path(path: Path) -> None:
    deadline = time.monotonic() + START_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise CannotRun(f"{path} does not appear")
        time.sleep(0.01)


@contextmanager
def daemon(directory: Path, bus: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A meshwatchd that has looked around; its log is in the directory."""
    log = directory / "meshwatchd.log"
    command = [sys.executable, "-m", "meshwatch.daemon", "--runtime-directory", str(directory)]
    with log.open("ab") as sink:
        # In a session of its own Ctrl-C reaches the viewer first, and it is ended in order.
        process = subprocess.Popen(
            [*command, "--bus", bus, *options], stderr=sink, cwd=ROOT, start_new_session=True
        )
    with ended(process):
        deadline = time.monotonic() + START_S
        while not (directory / "news.sock").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun(f"meshwatchd does not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield process


def has_mesh() -> bool:
    """Whether this machine has a mesh or IBSS interface; meshwatchd knows."""
    if not RADIOS.is_dir() or not any(RADIOS.iterdir()):
        return False
    with tempfile.TemporaryDirectory(prefix="meshwatch-") as name, daemon(Path(name), "none"):
        try:
            return bool(look(name, START_S).interfaces)
        except DaemonAbsent:
            return False


def length_s(recording: Path) -> float:
    """How long it plays."""
    try:
        times = [packet.time_ns for packet in open_recording(recording)]
    except (OSError, MalformedCapture) as error:
        raise CannotRun(f"the recording cannot be used: {error}") from error
    return (times[-1] - times[0]) / 1e9 if times else 0.0


def introduce(directory: Path, bus: str, live: bool) -> None:
    """What one can try from another terminal."""
    if live:
        say("meshwatchd watches this machine's mesh.")
    else:
        say(f"No mesh interface here: meshwatchd replays a recording, {DEMO.relative_to(ROOT)}.")
    say("Ctrl-C ends it. Meanwhile, in another terminal:")
    say(f"    .venv/bin/meshwatch --runtime-directory {directory} list")
    say(f"    socat -u UNIX-CONNECT:{directory}/news.sock - | jq -c .")
    if bus.startswith("unix:"):
        say(f"    gdbus introspect --address {bus} --dest org.meshwatch -o /org/meshwatch -r")
    elif bus == "system":
        say("    gdbus introspect --system --dest org.meshwatch -o /org/meshwatch -r")


def show(directory: Path, bus: str) -> int:
    """Run the viewer, and a meshwatchd behind it, until one of the reasons to end."""
    live = has_mesh()
    options = () if live else ("--replay", str(DEMO))
    lasts_s = float("inf") if live else length_s(DEMO) + REST_S
    end_s = float("inf")
    viewer = None
    with ExitStack() as stack:
        while True:
            with daemon(directory, bus, *options) as serving:
                if viewer is None:
                    introduce(directory, bus, live)
                    end_s = time.monotonic() + float(os.environ.get("RUN_SECONDS") or "inf")
                    command = [sys.executable, "-m", "meshwatch.cli", "--runtime-directory"]
                    viewer = stack.enter_context(
                        ended(subprocess.Popen([*command, str(directory), "watch"], cwd=ROOT))
                    )
                over_s = min(end_s, time.monotonic() + lasts_s)
                while time.monotonic() < over_s and viewer.poll() is None:
                    if serving.poll() is not None:
                        raise CannotRun((directory / "meshwatchd.log").read_text())
                    time.sleep(0.1)
                if viewer.poll() is not None:
                    return viewer.returncode
                if time.monotonic() >= end_s or not sys.stdout.isatty():
                    viewer.send_signal(signal.SIGINT)
                    status = viewer.wait(10)
                    return 0 if status == -signal.SIGINT else status  # it had hardly begun


def main() -> int:
    # The viewer hears Ctrl-C too, and ends; then we do.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="meshwatch-") as name:
        directory = Path(name)
        try:
            with bus_for(directory) as bus:
                return show(directory, bus)
        except CannotRun as error:
            say(f"make run: {error}")
            return 1


if __name__ == "__main__":
    sys.exit(main())
