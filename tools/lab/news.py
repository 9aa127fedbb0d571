"""A reader of a meshwatchd's news that knows when each line came."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.listening import DEADLINE_S, Event, Listener

REMOVED = "removed"


def _understand(line: str) -> Event:
    return {"at": time.monotonic(), **json.loads(line)}


def of(address: str, *presences: str) -> Callable[[Event], bool]:
    """Whether a line tells that the neighbor is so now; "removed" if it is not in the table."""

    def wanted(line: Event) -> bool:
        row = line.get("neighbor", {})
        presence = REMOVED if line["class"] == REMOVED else row.get("presence")
        return row.get("address") == address and presence in presences

    return wanted


def named(address: str) -> Callable[[Event], bool]:
    """Whether a line tells that the neighbor is there and what it is called, or what it offers."""
    there = of(address, "present")
    return lambda line: there(line) and bool(line["neighbor"].get("claims"))


class News:
    """A subscriber of news.sock, from when it is there."""

    def __init__(self, path: Path, patience_s: float = DEADLINE_S) -> None:
        self._path = path
        self._patience_s = patience_s

    @property
    def lines(self) -> list[Event]:
        """All that came so far."""
        return self._lines.events

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + self._patience_s
        pause = threading.Event()
        while self._socket.connect_ex(str(self._path)):
            assert time.monotonic() < deadline, f"nobody serves {self._path}"
            pause.wait(0.01)
        self._file = self._socket.makefile(encoding="utf-8")
        self._lines = Listener(str(self._path), self._file, _understand)
        self.wait, self.find = self._lines.wait, self._lines.find
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._lines.join()
        self._file.close()
        self._socket.close()
