"""The host's hand on the medium: changes links between radios while an experiment runs."""

import json
import signal
import time
from types import TracebackType
from typing import Any, Self

from tools.vm.guest.links import Links
from tools.vm.guest.medium import write_whole
from tools.vm.machine import Machine, MachineError, Process

EFFECT_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.02


class Air:
    """A lossy medium for the time of a with block; the kernel's own perfect one afterwards.

    Radio N is the one whose addresses end in :NN:00. Meanwhile the group masks have no effect.
    """

    def __init__(self, machine: Machine, seed: int = 0, name: str = "links") -> None:
        self._machine = machine
        self._seed = seed
        self._file = machine.output / name
        self._report = machine.output / f"{name}.report"
        self._rules: list[str] = []
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._report.unlink(missing_ok=True)
        write_whole(self._file, "")
        self._process = self._machine.spawn(
            ["medium", "--seed", str(self._seed), str(self._file)], log=f"{self._file.name}.log"
        )
        self._settle()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # Its socket being closed is all that matters: the kernel carries frames again.
            self._process.kill(signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT_S)

    def link(
        self,
        sender: int | str,
        receiver: int | str,
        *,
        loss: float | None = None,
        signal_dbm: int | None = None,
        both_ways: bool = True,
    ) -> None:
        """Change how frames of the one reach the other ("*" is everybody); in force on return."""
        settings = {"loss": loss, "signal": signal_dbm}
        words = [f"{name}={value}" for name, value in settings.items() if value is not None]
        rule = " ".join([str(sender), "=" if both_ways else ">", str(receiver), *words])
        Links.parse(rule)
        self._rules.append(rule)
        write_whole(self._file, "".join(f"{line}\n" for line in self._rules))
        self._settle()

    def frames(self) -> dict[str, dict[str, int]]:
        """For each directed link, such as 0>1, the frames passed and lost, a second ago or less."""
        counted: dict[str, dict[str, int]] = self._status()["frames"]
        return counted

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self._report.read_text())
        return status

    def _settle(self) -> None:
        deadline = time.monotonic() + EFFECT_TIMEOUT_S
        wanted = self._file.read_text()
        while not self._report.exists() or self._status()["links"] != wanted:
            if self._process is not None and self._process.poll() is not None:
                raise MachineError(f"the medium has ended: {self._process.output.strip()}")
            if time.monotonic() > deadline:
                raise MachineError(f"the medium did not take up {wanted!r}")
            time.sleep(POLL_INTERVAL_S)
