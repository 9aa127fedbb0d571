"""Has a program of the lab tell, from a booted kernel, what came of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tools.vm.machine import REPOSITORY, Machine

PYTHON = str(REPOSITORY / ".venv/bin/python")
TOLD_IN_S = 540.0

Fact = dict[str, Any]


def told(module: str, output: Path, radios: int, *words: object) -> list[Fact]:
    """All that it tells with meshwatchd hearing a monitor interface; logs go to ``output``."""
    kernel = os.environ.get("MESHWATCH_KERNEL", "6.1")
    command = [PYTHON, "-m", module, "tap", *map(str, words)]
    with Machine(kernel=kernel, radios=radios, output=output) as machine:
        done = machine.run(command, timeout_s=TOLD_IN_S)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{_logs(output)}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def _logs(output: Path) -> str:
    """The ends of what everybody wrote."""
    return "".join(
        f"\n--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        for log in sorted(output.glob("tap-*.log"))
    )


def of(facts: list[Fact], *kinds: str) -> list[Fact]:
    """Those of these kinds."""
    return [fact for fact in facts if fact["fact"] in kinds]


def soon(times_s: list[float | None], within_s: float) -> bool:
    """Whether all of it happened, and in time."""
    return all(time_s is not None and time_s < within_s for time_s in times_s)
