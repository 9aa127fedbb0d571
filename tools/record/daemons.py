"""The meshwatchds of one machine: the first costs a start of Python, the others next to nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tools.vm.machine import REPOSITORY, Machine, MachineError, Process

PYTHON = REPOSITORY / ".venv/bin/python"
FORKS = "tools.record.guest_daemons"
# pyroute2's import alone takes some 8 s on an emulated machine.
START_S = 180.0
LOOK_INTERVAL_S = 0.05


class Daemons:
    """They can be started for the time of a with block."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._directory = machine.output / "daemons"
        self._forks: Process | None = None

    def __enter__(self) -> Self:
        self._directory.mkdir()
        self._forks = self._machine.spawn(
            [str(PYTHON), "-m", FORKS, str(self._directory)], log="daemons.log"
        )
        return self

    def __exit__(self, *_error: object) -> None:
        if self._forks is not None:
            self._forks.kill()

    def start(self, name: str, arguments: Sequence[str]) -> Daemon:
        """One of this name, which is new."""
        assert self._forks is not None
        deadline = time.monotonic() + START_S
        while "ready" not in self._forks.output:
            if self._forks.poll() is not None or time.monotonic() > deadline:
                raise MachineError(f"meshwatchd cannot start:\n{self._forks.output}")
            time.sleep(LOOK_INTERVAL_S)
        fresh = self._directory / f"{name}.fresh"
        fresh.write_text("".join(f"{argument}\n" for argument in arguments))
        fresh.rename(self._directory / f"{name}.arguments")
        return Daemon(self._machine, self._directory / name)


class Daemon:
    """One that was started."""

    def __init__(self, machine: Machine, files: Path) -> None:
        self._machine = machine
        self._files = files

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        if (pid := self._number("pid")) is not None and self.poll() is None:
            self._machine.run(["kill", f"-{int(number)}", str(pid)])

    def end(self, within_s: float) -> None:
        """Tell it to end; MachineError, with where it stood, if it does not."""
        self.kill()
        try:
            self.wait(within_s)
        except MachineError:
            self.kill(signal.SIGABRT)
            self.wait(within_s)
            raise MachineError(f"meshwatchd did not end; it said:\n{self.output}") from None

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._number("status")

    def wait(self, timeout_s: float) -> int:
        """Its exit status; MachineError when it is still there in the end."""
        deadline = time.monotonic() + timeout_s
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise MachineError(f"meshwatchd does not end; it said:\n{self.output}")
            time.sleep(LOOK_INTERVAL_S)
        return status

    @property
    def output(self) -> str:
        """What it has said so far."""
        log = self._files.with_name(f"{self._files.name}.log")
        return log.read_text(errors="replace") if log.exists() else ""

    def _number(self, what: str) -> int | None:
        file = self._files.with_name(f"{self._files.name}.{what}")
        return int(file.read_text()) if file.exists() else None
