"""Boots a kernel with simulated radios under qemu and runs commands in it."""

import json
import queue
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tools.vm import kernels, packages
from tools.vm.channel import Channel, Completed, Job, JobTimeout, Request
from tools.vm.wire import Kind

__all__ = ["Completed", "JobTimeout", "Machine", "MachineError", "Process"]

REPOSITORY = Path(__file__).resolve().parents[2]
AGENT = Path(__file__).resolve().parent / "guest" / "agent.py"
CONSOLE_TAIL_LINES = 60
START_TIMEOUT_S = 30.0
LAST_WORDS_TIMEOUT_S = 2.0
# The exit status for "the guest is gone", which no command in it gives by custom.
MACHINE_DIED = 125


class MachineError(Exception):
    """The guest did not come up, or is no more; says what its console showed last."""


class Process:
    """A command that goes on in the guest while its output grows in a file on the host."""

    def __init__(self, job: Job, log: Path) -> None:
        self._job = job
        self.log = log
        self.returncode: int | None = None
        self.pid = 0
        frame = job.next_frame(time.monotonic() + START_TIMEOUT_S)
        if frame.kind is Kind.STDERR:
            raise MachineError(f"could not start: {frame.payload.decode().strip()}")
        self.pid = json.loads(frame.payload)["pid"]

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Send the signal to the process and its group."""
        if self.poll() is None:
            self._job.kill(number)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except JobTimeout:
            return None

    def wait(self, timeout_s: float = 30) -> int:
        """The return code; JobTimeout when the process is still there in the end."""
        if self.returncode is None:
            try:
                frame = self._job.next_frame(time.monotonic() + timeout_s)
            except queue.Empty:
                raise JobTimeout(timeout_s, Completed(0, self.output, "")) from None
            self.returncode = int(json.loads(frame.payload)["returncode"])
        return self.returncode

    @property
    def output(self) -> str:
        """What it has printed so far, errors included."""
        return self.log.read_text(errors="replace")


class Machine:
    """A guest for the time of a with block; one boot serves many experiments.

    The host's root is the guest's root, with writes kept in the guest's memory. The tree is
    visible as it is at every moment; the output directory is shared for writing, under the same
    path on both sides.
    """

    def __init__(
        self,
        *,
        kernel: str = "6.1",
        radios: int = 4,
        memory_mib: int = 2048,
        output: Path | None = None,
        tree: Path = REPOSITORY,
        boot_timeout_s: float = 120,
    ) -> None:
        self.kernel = kernel
        self.radios = radios
        self.memory_mib = memory_mib
        self.tree = tree.resolve()
        self.boot_timeout_s = boot_timeout_s
        self.release = ""
        self._temporary = output is None
        self.output = (output or Path(tempfile.mkdtemp(prefix="vm-output-"))).resolve()
        self.output.mkdir(parents=True, exist_ok=True)
        self.guest_output = self.output
        self.console = self.output / "console.log"
        self._logs = 0
        self._qemu: subprocess.Popen[bytes] | None = None
        self._qemu_errors = b""
        self._owner = threading.Thread()
        self._channel: Channel | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        kernel = kernels.prepare(self.kernel)
        ours, theirs = socket.socketpair()
        with theirs:
            self._launch(self._command(kernel, theirs.fileno()), theirs.fileno())
        self._channel = Channel(ours, lost=lambda: self._death("the guest died"))
        try:
            greeting = self._channel.greeting.get(timeout=self.boot_timeout_s)
        except queue.Empty:
            error = self._death(f"the guest did not answer within {self.boot_timeout_s:g} s")
            self.stop()
            raise error from None
        if greeting is None:
            error = self._death("the guest did not come up")
            self.stop()
            raise error
        self.release = json.loads(greeting.payload)["release"]

    def stop(self) -> None:
        """Switch off at once: nothing is lost, since the shares are written through."""
        if self._channel is not None:
            self._channel.close()
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        if self._temporary:
            shutil.rmtree(self.output, ignore_errors=True)

    def run(
        self,
        command: Sequence[str] | str,
        timeout_s: float = 60,
        cwd: Path | str | None = None,
        environment: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> Completed:
        """Run a command, or a bash script, to its end."""
        request = self._request(command, cwd, environment)
        completed = self.channel.open(request.encode()).complete(timeout_s)
        if check and completed.returncode != 0:
            raise MachineError(
                f"{command!r} ended with {completed.returncode}:\n"
                f"{completed.stdout}{completed.stderr}"
            )
        return completed

    def spawn(
        self,
        command: Sequence[str] | str,
        log: str | None = None,
        cwd: Path | str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a command whose output goes to a file of this name in the output directory."""
        self._logs += 1
        path = self.output / (log or f"{self._logs:03}.log")
        path.touch()
        request = self._request(command, cwd, environment, log=str(path))
        return Process(self.channel.open(request.encode()), path)

    @property
    def channel(self) -> Channel:
        if self._channel is None:
            raise MachineError("the machine has not been started")
        return self._channel

    def _request(
        self,
        command: Sequence[str] | str,
        cwd: Path | str | None,
        environment: Mapping[str, str] | None,
        log: str | None = None,
    ) -> Request:
        argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
        return Request(argv, str(cwd or self.tree), dict(environment or {}), log=log)

    def _launch(self, argv: list[str], descriptor: int) -> None:
        """Start qemu such that it cannot outlive this process.

        The kernel sends the parent-death signal when the thread that forked ends, so that thread
        stays for as long as qemu does.
        """
        started = threading.Event()

        def own() -> None:
            self._qemu = subprocess.Popen(
                argv,
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            started.set()
            assert self._qemu.stderr is not None
            with self._qemu.stderr as errors:
                self._qemu_errors = errors.read()
            self._qemu.wait()

        self._owner = threading.Thread(target=own, name="vm-owner", daemon=True)
        self._owner.start()
        started.wait()

    def _command(self, kernel: kernels.Kernel, channel: int) -> list[str]:
        words = {
            "tree": str(self.tree),
            "output": str(self.output),
            "radios": str(self.radios),
            "python": sys.executable,
            "agent": str(AGENT),
            "home": str(Path.home()),
            # The python3 that a command finds there is the one that runs here.
            "path": f"{AGENT.parent / 'bin'}:{Path(sys.executable).parent}:{packages.SEARCH_PATH}",
        }
        # oops=panic and panic=-1: a kernel that has stumbled must not go on as if it had not.
        line = ["console=ttyS0", "quiet", "oops=panic", "panic=-1", "mitigations=off"]
        line += [f"vm.{name}={_escape(value)}" for name, value in words.items()]
        return [
            *[packages.program("setpriv"), "--pdeathsig", "KILL"],
            *[packages.program("qemu-system-x86_64"), "-accel", "tcg,thread=multi", "-smp", "2"],
            *["-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-no-reboot"],
            *["-display", "none", "-serial", f"file:{self.console}"],
            *["-kernel", str(kernel.image), "-initrd", str(kernel.initramfs)],
            *["-append", " ".join(line)],
            *["-device", "virtio-rng-pci"],
            *["-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={channel}"],
            *["-device", "virtserialport,chardev=agent,name=agent"],
            *_share("host", Path("/"), writable=False),
            *_share("tree", self.tree, writable=False),
            *_share("modules", kernel.modules, writable=False),
            *_share("output", self.output, writable=True),
        ]

    def _death(self, what: str) -> MachineError:
        """The error that says what happened, with all that is left of the guest's own words."""
        # Its last words may still be on their way.
        self._owner.join(LAST_WORDS_TIMEOUT_S)
        lines = self.console.read_text(errors="replace").splitlines() if self._qemu else []
        tail = "\n".join(line.rstrip() for line in lines[-CONSOLE_TAIL_LINES:])
        errors = self._qemu_errors.decode(errors="replace").strip()
        return MachineError(
            f"{what} (kernel {self.kernel})\n--- end of its console\n{tail}"
            + (f"\n--- qemu says\n{errors}" if errors else "")
        )


def _escape(value: str) -> str:
    """What the kernel command line can carry; printf %b in the guest's init undoes it."""
    plain = (string.ascii_letters + string.digits + "/._:+-,@").encode()
    return "".join(chr(byte) if byte in plain else f"\\0{byte:03o}" for byte in value.encode())


def _share(tag: str, path: Path, writable: bool) -> list[str]:
    where = str(path).replace(",", ",,")
    access = "" if writable else ",readonly=on,multidevs=remap"
    return [
        "-fsdev",
        f"local,id={tag},path={where},security_model=none{access}",
        "-device",
        f"virtio-9p-pci,fsdev={tag},mount_tag={tag}",
    ]
