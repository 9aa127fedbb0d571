"""A real meshwatchd that replays a recording to a laptop, and when its lines were told."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.laptop import DEADLINE_S, Laptop

ROOT = Path(__file__).resolve().parents[2]
#: A neighbor leaves and joins again; these are the two addresses.
PART = ROOT / "tests/recordings/part-6.1.pcapng"
PART_OURS, PART_THEIRS = "02:00:00:00:00:00", "02:00:00:00:01:00"


class Replaying:
    """The daemon, in place of what else told the laptop its news, and another reader of it."""

    def __init__(self, laptop: Laptop, recording: Path) -> None:
        self._runtime = laptop.home / "run"
        command = (sys.executable, "-m", "meshwatch.daemon", "--bus", "none")
        options = ("--replay", str(recording), "--runtime-directory", str(self._runtime))
        self._command = (*command, *options)

    def __enter__(self) -> Self:
        self._daemon = subprocess.Popen(self._command, cwd=ROOT, stderr=subprocess.DEVNULL)
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while self._socket.connect_ex(str(self._runtime / "news.sock")):
            assert time.monotonic() < deadline, "no daemon"
            pause.wait(0.01)
        self._lines = self._socket.makefile("rb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()
        self._daemon.terminate()
        self._daemon.wait()

    def told(self, address: str, presence: str) -> float:
        """Wait until the neighbor is told so; when, on the monotonic clock."""
        for data in self._lines:
            at = time.monotonic()
            row = json.loads(data).get("neighbor", {})
            if row.get("address") == address and row.get("presence") == presence:
                return at
        raise EOFError("the daemon ended")
