"""The daemon's own lines, passed on unread: watch --json."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from meshwatch.client import DaemonAbsent
from meshwatch.protocol import Lines, Version, decode

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0  # as meshwatch.client has it
_CHUNK = 65536  # bytes


def relay(runtime_directory: str, *, readings: bool) -> NoReturn:
    """Write the lines of one connection after the other, each with its ``version`` line first.

    Raises DaemonAbsent if there is no daemon at first, ProtocolError if it speaks another one.
    """
    path = Path(runtime_directory) / ("live.sock" if readings else "news.sock")
    greeted = False
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(str(path))
                why = ""
                if greeted:
                    print("meshwatch: meshwatchd is back", file=sys.stderr)
                greeted = True
                pause_s = _FIRST_PAUSE_S
                _pass_on(stream)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            why = error.strerror or str(error)
            if not greeted:
                raise DaemonAbsent(f"no meshwatchd at {path}: {why}") from None
        if pause_s == _FIRST_PAUSE_S:
            print(f"meshwatch: lost meshwatchd {why}".rstrip() + ", waiting", file=sys.stderr)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _pass_on(stream: socket.socket) -> None:
    """Whole lines only: the beginning of one that a dying daemon leaves is of no use."""
    lines = Lines()
    first = True
    while data := stream.recv(_CHUNK):
        for line in lines.feed(data):
            if first and not isinstance(decode(line), Version):
                return
            first = False
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
