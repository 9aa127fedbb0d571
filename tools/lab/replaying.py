"""A real meshwatchd that replays a recording to a laptop, and when its lines were told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.laptop import Laptop
from tools.lab.news import News, of
from tools.lab.person import ROOT

#: A neighbor leaves and joins again; these are the two addresses.
PART = ROOT / "tests/recordings/part-6.1.pcapng"
PART_OURS, PART_THEIRS = "02:00:00:00:00:00", "02:00:00:00:01:00"


class Replaying:
    """The daemon, in place of what else told the laptop its news, and another reader of it."""

    def __init__(self, laptop: Laptop, recording: Path) -> None:
        runtime = laptop.home / "run"
        command = (sys.executable, "-m", "meshwatch.daemon", "--bus", "none")
        options = ("--replay", str(recording), "--runtime-directory", str(runtime))
        self._command = (*command, *options)
        self._news = News(runtime / "news.sock")

    def __enter__(self) -> Self:
        self._daemon = subprocess.Popen(self._command, cwd=ROOT, stderr=subprocess.DEVNULL)
        self._news.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._news.__exit__(kind, error, trace)
        self._daemon.terminate()
        self._daemon.wait()

    def told(self, address: str, presence: str) -> float:
        """Wait until the neighbor is told so; when, on the monotonic clock."""
        at: float = self._news.wait(of(address, presence))["at"]
        return at
