"""Captures, injects and moves radios within a tools.vm machine."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tools.harness.capture import Frame, read, write
from tools.vm.machine import Machine, MachineError, Process

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
LOOK_AGAIN_S = 0.05


class Capture:
    """What a monitor interface of the guest hears for the time of a with block.

    ``hwsim0`` hears every simulated radio. The file is ``path``, in the machine's output
    directory, its times are the guest's CLOCK_MONOTONIC.
    """

    def __init__(self, machine: Machine, interface: str, name: str) -> None:
        self.path = machine.output / f"{name}.pcap"
        self._machine = machine
        self._interface = interface
        self._name = name
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._machine.run(["ip", "link", "set", self._interface, "up"], check=True)
        self._process = self._machine.spawn(
            ["python3", str(HERE / "guest_capture.py"), self._interface, str(self.path)],
            log=f"{self._name}-capture.log",
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while "capturing" not in self._process.output:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise MachineError(f"no capture: {self._process.output.strip()}")
            time.sleep(LOOK_AGAIN_S)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)

    @property
    def summary(self) -> str:
        """What the capture said of itself: frames captured and dropped, after its end."""
        return "" if self._process is None else self._process.output.splitlines()[-1]

    def frames(self) -> list[Frame]:
        """What it has heard so far."""
        return list(read(self.path))


def reach(machine: Machine, history: Path, *settings: tuple[str, str, int]) -> None:
    """Give radios (phy, address, mask) other group masks, and note it for reach.Reach."""
    words = [word for setting in settings for word in (setting[0], setting[1], str(setting[2]))]
    moved = machine.run(["python3", str(HERE / "guest_reach.py"), *words], check=True)
    with history.open("a") as file:
        file.write(moved.stdout)


def inject(
    machine: Machine, interface: str, frames: Iterable[Frame], timeout_s: float = 120
) -> str:
    """Send frames through a monitor interface of the guest; what the sender reports."""
    path = machine.output / f"inject-{time.monotonic_ns()}.pcap"
    write(path, frames)
    command = ["python3", str(HERE / "guest_inject.py"), interface, str(path)]
    return machine.run(shlex.join(command), timeout_s=timeout_s, check=True).stdout.strip()
