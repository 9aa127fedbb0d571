"""The daemon's own lines, passed on unread: watch --json."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
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
    connected = waiting = False
    pause_s = _FIRST_PAUSE_S
    while True:
        why = ""
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(str(path))
                connected = True
                for lines in _received(stream):
                    # Only now: one that has too many subscribers connects, too, and hangs up.
                    if waiting:
                        print("meshwatch: meshwatchd is back", file=sys.stderr)
                    waiting = False
                    pause_s = _FIRST_PAUSE_S
                    sys.stdout.buffer.writelines(lines)
                    sys.stdout.buffer.flush()
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            why = error.strerror or str(error)
            if not connected:
                raise DaemonAbsent(f"no meshwatchd at {path}: {why}") from None
        if not waiting:
            print(f"meshwatch: lost meshwatchd {why}".rstrip() + ", waiting", file=sys.stderr)
        waiting = True
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _received(stream: socket.socket) -> Iterator[list[bytes]]:
    """Whole lines only: the beginning of one that a dying daemon leaves is of no use."""
    cutter = Lines()
    greeted = False
    while data := stream.recv(_CHUNK):
        lines = cutter.feed(data)
        if lines:
            if not greeted and not isinstance(decode(lines[0]), Version):
                return
            greeted = True
            yield [line + b"\n" for line in lines]
