"""Connects a job in the guest to this process's own input, output and terminal."""

import json
import os
import queue
import shutil
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from tools.vm.channel import Job
from tools.vm.wire import Kind

READ_BYTES = 65536
TIMED_OUT = 124  # as timeout(1) has it


def size() -> tuple[int, int]:
    columns, rows = shutil.get_terminal_size()
    return rows, columns


def attended() -> bool:
    """Whether a person sits at both ends of a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def relay(job: Job, timeout_s: float | None, interactive: bool) -> int:
    """Pass everything on as it comes; the exit status as a shell would give it."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    # Someone who types to us in passing is not talking to the guest: that is what shell is for.
    if interactive or not sys.stdin.isatty():
        threading.Thread(target=_feed, args=(job,), daemon=True).start()
    try:
        with _raw(job) if interactive else _plain():
            while True:
                frame = job.next_frame(deadline)
                if frame.kind is Kind.EXIT:
                    returncode = int(json.loads(frame.payload)["returncode"])
                    return returncode if returncode >= 0 else 128 - returncode
                if frame.kind in (Kind.STDOUT, Kind.STDERR):
                    _write(1 if frame.kind is Kind.STDOUT else 2, frame.payload)
    except queue.Empty:
        job.kill(signal.SIGKILL)
        print(f"vm: killed after {timeout_s:g} s", file=sys.stderr)
        return TIMED_OUT
    except KeyboardInterrupt:
        job.kill(signal.SIGKILL)
        return 128 + signal.SIGINT


def _feed(job: Job) -> None:
    try:
        while piece := os.read(0, READ_BYTES):
            job.send(Kind.STDIN, piece)
        job.send(Kind.STDIN)
    except Exception:  # the end of the job itself tells what happened
        return


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _plain() -> Iterator[None]:
    yield


@contextmanager
def _raw(job: Job) -> Iterator[None]:
    """Hand every key to the guest's terminal, and every change of size."""
    before = termios.tcgetattr(0)
    previous = signal.signal(
        signal.SIGWINCH, lambda *_: job.send(Kind.RESIZE, json.dumps(size()).encode())
    )
    # Without the usual flush: what was typed ahead is meant for the guest.
    tty.setraw(0, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
