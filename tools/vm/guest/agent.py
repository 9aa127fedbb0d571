"""The guest's process 1 after boot: runs the host's commands and reports what becomes of them."""

import fcntl
import json
import os
import pty
import selectors
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

# Started by its file name, so that nothing in the guest depends on where the tree is.
sys.path[:] = [*sys.path[1:], str(Path(__file__).resolve().parents[3])]

from tools.vm.wire import Decoder, Frame, Kind  # noqa: E402

READ_BYTES = 65536
# One write to a virtio port takes no more than this.
WRITE_BYTES = 32768
COULD_NOT_START = 127


@dataclass
class Job:
    number: int
    pid: int = 0
    stdin: int | None = None
    unwritten: bytearray = field(default_factory=bytearray)
    no_more_input: bool = False
    outputs: dict[int, Kind] = field(default_factory=dict)
    over: bool = False


class Agent:
    def __init__(self, port: int) -> None:
        self._port = port
        self._decoder = Decoder()
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[int, Job] = {}
        self._processes: dict[int, Job] = {}

    def serve(self) -> None:
        """Return when the host has closed its end."""
        wake, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, self._reap)
        self._selector.register(self._port, selectors.EVENT_READ)
        self._send(0, Kind.HELLO, release=os.uname().release)
        while True:
            for key, _ in self._selector.select():
                if self._selector.get_map().get(key.fd) is not key:
                    continue  # its job ended while others were served
                if key.data is not None:
                    key.data(key.fd)
                elif piece := os.read(self._port, READ_BYTES):
                    for frame in self._decoder.feed(piece):
                        self._obey(frame)
                else:
                    return

    def _send(self, number: int, kind: Kind, payload: bytes = b"", **fields: Any) -> None:
        if fields:
            payload = json.dumps(fields).encode()
        message = memoryview(Frame(number, kind, payload).encode())
        while message:
            message = message[os.write(self._port, message[:WRITE_BYTES]) :]

    def _obey(self, frame: Frame) -> None:
        if frame.kind is Kind.START:
            self._start(frame.job, json.loads(frame.payload))
            return
        job = self._jobs.get(frame.job)
        if job is None:  # it has just ended
            return
        if frame.kind is Kind.KILL:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, frame.payload[0])
        elif frame.kind is Kind.RESIZE and job.stdin is not None:
            resize(job.stdin, json.loads(frame.payload))
        elif frame.kind is Kind.STDIN and job.stdin is not None:
            job.unwritten += frame.payload
            job.no_more_input = not frame.payload
            if job.stdin not in self._selector.get_map():
                self._selector.register(
                    job.stdin, selectors.EVENT_WRITE, lambda _: self._write_input(job)
                )

    def _start(self, number: int, request: Mapping[str, Any]) -> None:
        job = Job(number)
        try:
            process = start_process(job, request)
        except OSError as error:
            reason = f"{error.filename or request['argv'][0]}: {error.strerror}\n"
            self._send(number, Kind.STDERR, reason.encode())
            self._send(number, Kind.EXIT, returncode=COULD_NOT_START)
            return
        job.pid = process.pid
        # Process 1 reaps every child there is, so this object must not try.
        process.returncode = 0
        self._jobs[number] = self._processes[job.pid] = job
        if job.stdin is not None:
            os.set_blocking(job.stdin, False)
        for descriptor in job.outputs:
            os.set_blocking(descriptor, False)
            self._selector.register(
                descriptor, selectors.EVENT_READ, lambda fd: self._read_output(job, fd)
            )
        self._send(number, Kind.STARTED, pid=job.pid)

    def _write_input(self, job: Job) -> None:
        assert job.stdin is not None
        try:
            if job.unwritten:
                del job.unwritten[: os.write(job.stdin, job.unwritten)]
        except BlockingIOError:
            return
        except OSError:  # nobody reads any more
            job.unwritten.clear()
        if not job.unwritten:
            self._selector.unregister(job.stdin)
            if job.no_more_input:
                os.close(job.stdin)
                job.stdin = None

    def _read_output(self, job: Job, descriptor: int) -> bool:
        """Pass on one piece of output; tell whether there may be more at once."""
        try:
            piece = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose last user is gone
            piece = b""
        if not piece:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            del job.outputs[descriptor]
            return False
        # What outlives the job, such as a daemon it left, may write on without effect.
        if not job.over:
            self._send(job.number, job.outputs[descriptor], piece)
        return True

    def _reap(self, wake: int) -> None:
        os.read(wake, READ_BYTES)
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                job = self._processes.pop(pid, None)
                if job is not None:
                    self._finish(job, os.waitstatus_to_exitcode(status))

    def _finish(self, job: Job, returncode: int) -> None:
        for descriptor in list(job.outputs):
            while self._read_output(job, descriptor):
                pass
        if job.stdin is not None:
            with suppress(KeyError):
                self._selector.unregister(job.stdin)
            os.close(job.stdin)
        job.over = True
        del self._jobs[job.number]
        self._send(job.number, Kind.EXIT, returncode=returncode)


def start_process(job: Job, request: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start what is asked for and note in the job by which descriptors to talk to it."""
    argv: list[str] = request["argv"]
    if request["terminal"]:
        leader, follower = pty.openpty()
        resize(leader, request["terminal"])
        job.stdin, job.outputs = os.dup(leader), {leader: Kind.STDOUT}
        # A session of its own, with the terminal as its controlling one.
        argv = ["setsid", "--ctty", *argv]
        with os.fdopen(follower) as terminal:
            return popen(request, argv, terminal, terminal, terminal, new_session=False)
    if request["log"]:
        with Path(request["log"]).open("ab") as log:
            return popen(request, argv, subprocess.DEVNULL, log, log)
    stdin = subprocess.PIPE if request["stdin"] else subprocess.DEVNULL
    process = popen(request, argv, stdin, subprocess.PIPE, subprocess.PIPE)
    if process.stdin:
        job.stdin = keep(process.stdin)
    assert process.stdout and process.stderr
    job.outputs = {keep(process.stdout): Kind.STDOUT, keep(process.stderr): Kind.STDERR}
    return process


def popen(
    request: Mapping[str, Any],
    argv: list[str],
    stdin: IO[Any] | int,
    stdout: IO[Any] | int,
    stderr: IO[Any] | int,
    *,
    new_session: bool = True,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        cwd=request["cwd"],
        env={**os.environ, **request["environment"]},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=new_session,
    )


def keep(pipe: IO[bytes]) -> int:
    """The pipe's descriptor, safe from the file object's own closing."""
    with pipe:
        return os.dup(pipe.fileno())


def resize(terminal: int, size: list[int]) -> None:
    rows, columns = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main() -> None:
    (name,) = Path("/dev").glob("vport*p1")
    Agent(os.open(name, os.O_RDWR)).serve()
    # The host is gone, and with it everybody who could want this guest.
    Path("/proc/sysrq-trigger").write_text("o")
    signal.pause()


if __name__ == "__main__":
    main()
