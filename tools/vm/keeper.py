"""Keeps a named machine running in the background and lets others run commands in it."""

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.vm.channel import Channel, Job
from tools.vm.kernels import cache_directory
from tools.vm.machine import MACHINE_DIED, REPOSITORY, Machine, MachineError
from tools.vm.wire import Decoder, Frame, Kind

CONNECT_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 15.0
LIVENESS_INTERVAL_S = 1.0


class NoSuchMachine(Exception):
    """Nobody keeps a machine of this name."""


def home(name: str) -> Path:
    if "/" in name or name.startswith("."):
        raise NoSuchMachine(f"{name!r} is not a name for a machine")
    return cache_directory() / "machines" / name


def start(name: str, life_s: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """Boot in the background; the machine's release and output directory, once it answers."""
    home(name).mkdir(parents=True, exist_ok=True)
    order = json.dumps({"name": name, "life_s": life_s, "options": options})
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tools.vm.keeper", order],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # The keeper has deadlines of its own for all it does before it lets go of these pipes.
    assert keeper.stdout and keeper.stderr
    with keeper.stdout, keeper.stderr:
        report = keeper.stdout.read()
        if not report:
            raise MachineError(keeper.stderr.read().strip())
    facts: dict[str, Any] = json.loads(report)
    return facts


def connect(name: str) -> Channel:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(CONNECT_TIMEOUT_S)
    try:
        stream.connect(str(home(name) / "socket"))
    except OSError as error:
        stream.close()
        raise NoSuchMachine(
            f"no machine named {name} is running; start it with: vm start --name {name}"
        ) from error
    stream.settimeout(None)
    return Channel(stream, lost=lambda: NoSuchMachine(f"machine {name} is gone"))


def stop(name: str) -> None:
    channel = connect(name)
    channel.send(Frame(0, Kind.KILL))
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while not channel.closed:
        if time.monotonic() > deadline:
            raise MachineError(f"machine {name} does not stop")
        time.sleep(0.02)


class Keeper:
    def __init__(self, machine: Machine, listener: socket.socket) -> None:
        self._machine = machine
        self._listener = listener
        self._stopped = threading.Event()

    def serve(self, life_s: float) -> None:
        """Return when somebody says stop, when the guest dies or when its life is over."""
        deadline = time.monotonic() + life_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while time.monotonic() < deadline and not self._stopped.is_set():
                if self._machine.channel.closed:
                    # Let those who are connected read why.
                    time.sleep(LIVENESS_INTERVAL_S)
                    return
                if selector.select(LIVENESS_INTERVAL_S):
                    client, _ = self._listener.accept()
                    threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        """Pass frames between one client and the guest, each with its own job numbers."""
        jobs: dict[int, Job] = {}
        sending = threading.Lock()
        decoder = Decoder()
        try:
            while piece := client.recv(65536):
                for frame in decoder.feed(piece):
                    if frame.kind is Kind.START:
                        job = jobs[frame.job] = self._machine.channel.open(frame.payload)
                        threading.Thread(
                            target=self._report, args=(client, sending, frame.job, job), daemon=True
                        ).start()
                    elif frame.job in jobs:
                        jobs[frame.job].send(frame.kind, frame.payload)
                    elif frame.kind is Kind.KILL:
                        self._stopped.set()
        except (OSError, MachineError):
            pass
        for job in jobs.values():
            try:
                job.kill(signal.SIGKILL)
            except MachineError:
                return

    def _report(
        self, client: socket.socket, sending: threading.Lock, number: int, job: Job
    ) -> None:
        over = False
        while not over:
            try:
                frames = [job.next_frame()._replace(job=number)]
            except MachineError as error:
                ending = json.dumps({"returncode": MACHINE_DIED}).encode()
                frames = [
                    Frame(number, Kind.STDERR, f"{error}\n".encode()),
                    Frame(number, Kind.EXIT, ending),
                ]
            over = frames[-1].kind is Kind.EXIT
            try:
                with sending:
                    client.sendall(b"".join(frame.encode() for frame in frames))
            except OSError:
                return


def main() -> None:
    order = json.loads(sys.argv[1])
    place = home(order["name"])
    options = order["options"]
    options["tree"] = Path(options["tree"])
    options["output"] = Path(options["output"] or place / "output")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            # Held by this process for as long as it lives.
            fcntl.flock(os.open(place, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"a machine named {order['name']} is running already")
        address = place / "socket"
        address.unlink(missing_ok=True)
        try:
            with Machine(**options) as machine:
                listener.bind(str(address))
                address.chmod(0o600)
                listener.listen()
                print(json.dumps({"release": machine.release, "output": str(machine.output)}))
                _detach()
                Keeper(machine, listener).serve(order["life_s"])
        except MachineError as error:
            sys.exit(str(error))
        finally:
            address.unlink(missing_ok=True)
            with suppress(OSError):  # the output stays, for whoever wants to read it
                place.rmdir()


def _detach() -> None:
    """Give back the streams of the one who started us, who waits for that."""
    sys.stdout.flush()
    with Path(os.devnull).open("r+b") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)


if __name__ == "__main__":
    main()
