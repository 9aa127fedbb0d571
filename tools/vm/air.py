"""The host's hand on the medium: changes links between radios while an experiment runs."""

import json
import shlex
import signal
import time
from typing import Any, Self

from tools.vm.guest.links import Links
from tools.vm.machine import Machine, MachineError, Process

EFFECT_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.02
# In the guest's own memory. A file that the host replaces is nothing for a guest that reads it
# again and again: Linux 6.12, where the size of such a file over 9p is not the one it remembers,
# repeats the read for ever, deaf to every signal.
DIRECTORY = "/run/air"


class Air:
    """A lossy medium for the time of a with block; the kernel's own perfect one afterwards.

    Radio N is the one whose addresses end in :NN:00. Meanwhile the group masks have no effect.
    """

    def __init__(self, machine: Machine, seed: int = 0, name: str = "links") -> None:
        self._machine = machine
        self._seed = seed
        self._name = name
        self._file = f"{DIRECTORY}/{name}"
        self._rules: list[str] = []
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._machine.run(f"rm -rf {self._file}*; mkdir -p {DIRECTORY}", check=True)
        self._write()
        self._process = self._machine.spawn(
            ["medium", "--seed", str(self._seed), self._file], log=f"{self._name}.log"
        )
        self._settle()
        return self

    def __exit__(self, *_error: object) -> None:
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
        self._write()
        self._settle()

    def frames(self) -> dict[str, dict[str, int]]:
        """For each directed link, such as 0>1, the frames passed and lost, a second ago or less."""
        counted: dict[str, dict[str, int]] = self._status()["frames"]
        return counted

    def _text(self) -> str:
        return "".join(f"{line}\n" for line in self._rules)

    def _write(self) -> None:
        fresh = shlex.quote(f"{self._file}.new")
        content = shlex.quote(self._text())
        self._machine.run(f"printf %s {content} > {fresh}; mv {fresh} {self._file}", check=True)

    def _status(self) -> dict[str, Any]:
        """What the medium last reported; empty before its first report."""
        report = self._machine.run(["cat", f"{self._file}.report"])
        status: dict[str, Any] = json.loads(report.stdout or "{}")
        return status

    def _settle(self) -> None:
        deadline = time.monotonic() + EFFECT_TIMEOUT_S
        while self._status().get("links") != self._text():
            if self._process is not None and self._process.poll() is not None:
                raise MachineError(f"the medium has ended: {self._process.output.strip()}")
            if time.monotonic() > deadline:
                raise MachineError(f"the medium did not take up {self._text()!r}")
            time.sleep(POLL_INTERVAL_S)
