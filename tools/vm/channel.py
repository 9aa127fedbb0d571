"""The host's end of the connection to the agent: jobs, their input, output and end."""

import json
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count

from tools.vm.wire import Decoder, Frame, Kind

READ_BYTES = 1 << 18
# How long the agent may take to report the end of a job that it was told to kill.
KILL_TIMEOUT_S = 10.0


class JobTimeout(Exception):
    """A job did not end in time and was killed; says what it had printed."""

    def __init__(self, timeout_s: float, completed: "Completed") -> None:
        super().__init__(
            f"no end within {timeout_s:g} s\n"
            f"--- output\n{completed.stdout}--- errors\n{completed.stderr}"
        )
        self.completed = completed


@dataclass(frozen=True)
class Completed:
    """How a command in the guest ended; a negative return code is the signal that killed it."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Request:
    """What the agent is to run."""

    argv: Sequence[str]
    cwd: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bool = False
    log: str | None = None  # a file in the guest for all output, instead of frames
    terminal: tuple[int, int] | None = None  # rows and columns

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Channel:
    """One byte stream to the agent, shared by any number of jobs and threads."""

    def __init__(self, stream: socket.socket, lost: Callable[[], Exception]) -> None:
        """Everything raises what lost returns once the other side is gone."""
        self._stream = stream
        self.lost = lost
        self._sending = threading.Lock()
        self._numbers = count(1)
        self._jobs: dict[int, Job] = {}
        self._closed = False
        self.greeting: queue.Queue[Frame | None] = queue.Queue()
        threading.Thread(target=self._receive, name="vm-channel", daemon=True).start()

    def open(self, request: bytes) -> "Job":
        """Start the job of an encoded request."""
        job = Job(self, next(self._numbers))
        self._jobs[job.number] = job
        self.send(Frame(job.number, Kind.START, request))
        return job

    def send(self, frame: Frame) -> None:
        with self._sending:
            try:
                self._stream.sendall(frame.encode())
            except OSError as error:
                raise self.lost() from error

    def close(self) -> None:
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)

    @property
    def closed(self) -> bool:
        return self._closed

    def _receive(self) -> None:
        decoder = Decoder()
        try:
            while piece := self._stream.recv(READ_BYTES):
                for frame in decoder.feed(piece):
                    if frame.kind is Kind.HELLO:
                        self.greeting.put(frame)
                    elif job := self._jobs.get(frame.job):
                        if frame.kind is Kind.EXIT:
                            del self._jobs[frame.job]
                        job.frames.put(frame)
        except OSError:
            pass
        finally:
            self._closed = True
            self._stream.close()
            self.greeting.put(None)
            for job in list(self._jobs.values()):
                job.frames.put(None)


class Job:
    """A command that runs in the guest."""

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel = channel
        self.number = number
        self.frames: queue.Queue[Frame | None] = queue.Queue()

    def next_frame(self, deadline: float | None = None) -> Frame:
        """Wait for it until the monotonic deadline; queue.Empty when that has passed."""
        remaining_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        if self._channel.closed and self.frames.empty():
            raise self._channel.lost()
        frame = self.frames.get(timeout=remaining_s)
        if frame is None:
            self.frames.put(None)
            raise self._channel.lost()
        return frame

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        self._channel.send(Frame(self.number, kind, payload))

    def kill(self, number: int = signal.SIGTERM) -> None:
        self.send(Kind.KILL, bytes([number]))

    def complete(self, timeout_s: float) -> Completed:
        """Collect the output until the end."""
        try:
            return self._collect(time.monotonic() + timeout_s)
        except _Late as late:
            self.kill(signal.SIGKILL)
            try:
                rest = self._collect(time.monotonic() + KILL_TIMEOUT_S)
            except _Late as still:
                rest = still.completed
            raise JobTimeout(
                timeout_s,
                Completed(
                    rest.returncode,
                    late.completed.stdout + rest.stdout,
                    late.completed.stderr + rest.stderr,
                ),
            ) from None

    def _collect(self, deadline: float) -> Completed:
        pieces: dict[Kind, list[bytes]] = {Kind.STDOUT: [], Kind.STDERR: []}
        returncode: int | None = None
        while returncode is None:
            try:
                frame = self.next_frame(deadline)
            except queue.Empty:
                break
            if frame.kind is Kind.EXIT:
                returncode = json.loads(frame.payload)["returncode"]
            elif frame.kind in pieces:
                pieces[frame.kind].append(frame.payload)
        stdout, stderr = (b"".join(parts).decode(errors="replace") for parts in pieces.values())
        if returncode is None:
            raise _Late(Completed(-signal.SIGKILL, stdout, stderr))
        return Completed(returncode, stdout, stderr)


class _Late(Exception):
    def __init__(self, completed: Completed) -> None:
        self.completed = completed
