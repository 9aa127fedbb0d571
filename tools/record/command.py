"""The command line of tools/record/record."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.record.scenes import SCENES
from tools.record.stage import Stage, save
from tools.vm.machine import REPOSITORY, JobTimeout, Machine, MachineError

RECORDINGS = REPOSITORY / "tests" / "recordings"
DEMO = REPOSITORY / "meshwatch" / "data"
KERNELS = ("6.1", "6.12")
FEW = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Record scenes; 0 if all came to their end."""
    parser = argparse.ArgumentParser(
        prog="record",
        description="Play scenes with simulated radios in a booted kernel and record what the "
        "kernel says to meshwatchd. Follow with tools/record/expect, and read what it writes.",
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=" ".join(SCENES))
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="default: each")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the recordings go")
    options = parser.parse_args(arguments)
    names = options.scenes or list(SCENES)
    if unknown := set(names) - SCENES.keys():
        parser.error(f"no scene {min(unknown)}; there are: {' '.join(SCENES)}")
    try:
        for kernel in options.kernel or KERNELS:
            # Once is enough, and 6.1 says less of each station than 6.12.
            chosen = [name for name in names if name != "demo" or kernel == "6.1"]
            # Every frame is offered to every radio there is, and a crowd of them takes its time.
            for crowded in (False, True):
                if group := [name for name in chosen if (SCENES[name].laptops > FEW) == crowded]:
                    record(kernel, group, options.output)
    except (MachineError, JobTimeout) as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    return 0


def record(kernel: str, names: Sequence[str], directory: Path | None) -> None:
    """Play these scenes on one booted kernel."""
    radios = max(SCENES[name].laptops for name in names)
    with Machine(kernel=kernel, radios=radios) as machine:
        for name in names:
            began = time.monotonic()
            scene = SCENES[name]
            title = name if name == "demo" else f"{name}-{kernel}"
            with Stage(machine, title, scene.laptops, scene.beacon_interval_tu) as stage:
                scene.play(stage)
                stage.pause(scene.end_s)
            size = save(stage, directory or (DEMO if name == "demo" else RECORDINGS))
            print(f"{title}: {size / 1024:.0f} KiB in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
