"""Runs the test tiers in order, prints what each cost, and adds up what passed and failed.

What was skipped is printed with its reason; where CI=true it has failed (tests/conftest.py).

python -m tools.tiers test          what every change must pass
python -m tools.tiers test rest     everything
python -m tools.tiers pure socket   some tiers
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
PYTEST = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
# On all processors, for what only computes: a file stays with one of them.
SPREAD = (*PYTEST, "--numprocesses=auto", "--dist=loadfile")


# What every change must pass on a real kernel, in some minutes; and every way to fall silent, to
# seem to, and to lie.
CORE = tuple(f"tests/kernel/test_{name}.py" for name in ("scenarios", "upheavals"))
PRESENCE = tuple(
    f"tests/kernel/test_{name}.py" for name in ("silence", "beyond", "deafness", "hostile")
)


class Tier(NamedTuple):
    """One step: a command that exits 0 when all is well, and what it wants in its environment."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


TEST = (
    Tier("lint", (PYTHON, "-m", "ruff", "check", ".")),
    Tier("format", (PYTHON, "-m", "ruff", "format", "--check", ".")),
    Tier("types", (PYTHON, "-m", "mypy")),
    Tier("c", (*PYTEST, "tests/c")),
    Tier("pure", (*SPREAD, "tests/pure")),
    Tier("replay", (*SPREAD, "tests/replay")),
    Tier("harness", (*SPREAD, "tests/harness")),
    Tier("bus", (*PYTEST, "tests/bus")),
    Tier("socket", (*PYTEST, "tests/socket")),
    Tier("process", (*PYTEST, "tests/process")),
    Tier("host", (*PYTEST, "tests/host")),
    Tier("kernel-6.1", (*PYTEST, *CORE), (("MESHWATCH_KERNEL", "6.1"),)),
)
REST = (
    Tier("fuzz-c", ("tools/fuzz", "60")),
    Tier("fuzz-replay", ("tools/fuzz-replay", "60")),
    Tier("prosody", (*PYTEST, "tests/prosody")),
    Tier("strangers", (*PYTEST, "tests/strangers")),
    Tier("laptops-6.1", (*PYTEST, "tests/laptops"), (("MESHWATCH_KERNEL", "6.1"),)),
    Tier("crowd-6.1", (*PYTEST, "tests/kernel_long"), (("MESHWATCH_KERNEL", "6.1"),)),
    Tier("lab-6.1", (*PYTEST, "tests/kernel/test_vm.py"), (("MESHWATCH_KERNEL", "6.1"),)),
    Tier("presence-6.1", (*PYTEST, *PRESENCE), (("MESHWATCH_KERNEL", "6.1"),)),
    Tier("kernel-6.12", (*PYTEST, *CORE, *PRESENCE), (("MESHWATCH_KERNEL", "6.12"),)),
)
GROUPS = {"test": TEST, "rest": REST}


class Result(NamedTuple):
    """What a tier did."""

    name: str
    passed: int
    failed: int
    skipped: tuple[str, ...]  # which test, and why
    seconds: float


def run(tier: Tier, tally: Path) -> Result:
    """Run one tier with its output on ours; a tier that counts nothing itself counts as one."""
    print(f"\n── {tier.name}: {' '.join(tier.command).replace(PYTHON, 'python')}", flush=True)
    tally.unlink(missing_ok=True)
    environment = {**os.environ, **dict(tier.environment), "MESHWATCH_TALLY": str(tally)}
    begun = time.monotonic()
    ok = subprocess.run(tier.command, cwd=ROOT, env=environment, check=False).returncode == 0
    seconds = time.monotonic() - begun
    told: dict[str, Any] = {"passed": int(ok)}
    if tally.exists():
        told = json.loads(tally.read_text())
    failed = max(told.get("failed", 0), int(not ok))
    return Result(tier.name, told["passed"], failed, tuple(told.get("skipped", ())), seconds)


def select(words: list[str]) -> Iterator[Tier]:
    """Tiers by the name of a group or their own."""
    named = {tier.name: (tier,) for group in GROUPS.values() for tier in group}
    for word in words:
        tiers = GROUPS.get(word) or named.get(word)
        if tiers is None:
            sys.exit(f"no such tier: {word}; there are {', '.join([*GROUPS, *named])}")
        yield from tiers


def main() -> int:
    tiers = list(select(sys.argv[1:] or ["test"]))
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for tier in tiers:
            results.append(run(tier, Path(directory) / "tally"))
            minutes = results[-1].seconds / 60
            print(f"── {tier.name}: {minutes:.1f} min", flush=True)
    print()
    for result in results:
        mark = "FAILED" if result.failed else "ok"
        print(
            f"{result.name:<14} {result.seconds / 60:6.1f} min  {result.passed:5} passed"
            f"  {result.failed:3} failed  {len(result.skipped):3} skipped  {mark}"
        )
    for result in results:
        for test in result.skipped:
            print(f"not run: {test}")
    passed, failed = (sum(getattr(r, name) for r in results) for name in ("passed", "failed"))
    skipped = sum(len(result.skipped) for result in results)
    minutes = sum(result.seconds for result in results) / 60
    print(f"{minutes:.1f} min in all, {skipped} skipped")
    print(f"{passed} passed, {failed} failed", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
