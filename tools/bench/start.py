"""Prints what meshwatchd costs in memory and time to start, and in memory after many changes.

The first rows are a daemon on this machine's own kernel, with a private bus. The last are one that
plays the recording of ten neighbors again and again, through the same conversations, until at
least 10 000 changes were published to a subscriber and the bus; that fewer were is an error.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshwatch.recording import Writer, open_recording

ROOT = Path(__file__).resolve().parents[2]
TEN = ROOT / "tests/recordings/ten-6.1.pcapng"
CHANGES = 10_000
PATIENCE_S = 300.0


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and private memory of a process."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    kib = {name: int(value.split()[0]) for name, value in fields.items()}
    return kib["Rss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a block; its errors are ours."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def subscribe(directory: Path) -> socket.socket:
    """Connect as soon as the daemon listens."""
    stream = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            stream.connect(str(directory / "news.sock"))
            return stream
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def daemon(directory: Path, *options: str) -> list[str]:
    bus = f"unix:path={directory}/bus"
    return [sys.executable, "-m", "meshwatch.daemon", "--runtime-directory", str(directory),
            "--bus", bus, *options]  # fmt: skip


def measure_start(directory: Path) -> None:
    """From exec to the first snapshot on a socket, and what is resident then."""
    for turn in ("first", "second"):
        began = time.monotonic()
        with running(daemon(directory)) as process, subscribe(directory) as stream:
            lines = stream.makefile("rb")
            while json.loads(next(lines))["class"] != "snapshot":
                pass
            took = time.monotonic() - began
            rss, private = memory_mib(process.pid)
            row(f"{turn} start, to the first snapshot", rss, private, f"{took * 1000:.0f} ms")


def measure_changes(directory: Path) -> int:
    """What is resident after many changes of a replay; how many the subscriber was told."""
    long = directory / "long.pcapng"
    recording = open_recording(TEN)
    packets = list(recording)
    span_ns = packets[-1].time_ns - packets[0].time_ns + 1_000_000_000
    changes = sum(
        '"class":"changed"' in line or '"class":"removed"' in line
        for line in TEN.with_suffix(".lines").read_text().splitlines()
    )
    copies = CHANGES // max(changes, 1) + 1
    writer = Writer(long, release="bench", kernel="bench", wall_offset_ns=recording.wall_offset_ns)
    for copy in range(copies):
        for packet in packets:
            now = packet.time_ns + copy * span_ns
            write = writer.sent if packet.outgoing else writer.received
            write(packet.protocol, packet.data, now)
    writer.close()
    with running(daemon(directory, "--replay", str(long), "--speed", "0")) as process:
        with subscribe(directory) as stream:
            before = memory_mib(process.pid)
            told = 0
            stream.settimeout(5)
            try:
                for line in stream.makefile("rb"):
                    told += json.loads(line)["class"] in {"changed", "removed"}
            except TimeoutError:
                pass  # it is at its end
        row("a replay, at its start", *before, "")
        remark = f"{copies} times ten neighbors"
        row(f"a replay, after {told} changes", *memory_mib(process.pid), remark)
    return told


def measure_imports() -> None:
    """What the imports alone take."""
    for module in ("meshwatch.client", "meshwatch.daemon", "meshwatch.daemon, pyroute2"):
        code = f"import {module}, time; print(time.process_time())"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             check=True, cwd=ROOT)  # fmt: skip
        print(f"import {module:<36}{'':>8}{'':>12}   {float(out.stdout) * 1000:.0f} ms CPU")


def row(what: str, rss: float, private: float, remark: str) -> None:
    print(f"{what:<43}{rss:8.1f}{private:12.1f}   {remark}", flush=True)


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    print(f"{'':<43}{'RSS MiB':>8}{'private MiB':>12}")
    bus = ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={directory}/bus"]
    try:
        with running(bus):
            measure_imports()
            measure_start(directory)
            told = measure_changes(directory)
    finally:
        shutil.rmtree(directory)
    if told < CHANGES:
        print(f"only {told} changes were published, not {CHANGES}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
