"""The command line of tools/record/record."""

from __future__ import annotations

import argparse
import gzip
import lzma
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.record.daemons import Daemons
from tools.record.expect import RECORDINGS
from tools.record.judge import judge
from tools.record.scenes import SCENES
from tools.record.stage import Stage
from tools.vm.machine import REPOSITORY, JobTimeout, Machine, MachineError

DEMO = REPOSITORY / "tools"  # where tools/run.py plays it
KERNELS = ("6.1", "6.12")
FEW = 12
MEMORY_MIB, CROWD_MEMORY_MIB = 2048, 3072


def main(arguments: Sequence[str] | None = None) -> int:
    """Record scenes; 0 if all came to their end, and to nothing that the air belies."""
    parser = argparse.ArgumentParser(
        prog="record",
        description="Play scenes with simulated radios in a booted kernel and record what the "
        "kernel says to meshwatchd. Follow with tools/record/expect, and read what it writes.",
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=" ".join(SCENES))
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="default: each")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the recordings go")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep what was on the air and what was published there",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    names = options.scenes or list(SCENES)
    if unknown := set(names) - SCENES.keys():
        parser.error(f"no scene {min(unknown)}; there are: {' '.join(SCENES)}")
    for directory in filter(None, (options.output, options.keep)):
        directory.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for kernel in options.kernel or KERNELS:
        # Once is enough, and 6.1 says less of each station than 6.12.
        chosen = [name for name in names if name != "demo" or kernel == "6.1"]
        # Every frame is offered to every radio there is, and a crowd of them takes its time.
        for crowded in (False, True):
            if group := [name for name in chosen if (SCENES[name].laptops > FEW) == crowded]:
                wrong += record(kernel, group, options.output, options.keep)
    return 1 if wrong else 0


def record(kernel: str, names: Sequence[str], output: Path | None, keep: Path | None) -> int:
    """Play these scenes on one booted kernel; how many went wrong."""
    radios = max(SCENES[name].laptops for name in names)
    memory_mib = MEMORY_MIB if radios <= FEW else CROWD_MEMORY_MIB
    wrong = 0
    machine = Machine(kernel=kernel, radios=radios, memory_mib=memory_mib)
    with machine, Daemons(machine) as daemons:
        for name in names:
            try:
                wrong += not play(machine, daemons, name, output, keep)
            except (MachineError, JobTimeout) as error:
                wrong += 1
                print(f"record: {name}-{kernel}: {error}", file=sys.stderr, flush=True)
    return wrong


def play(
    machine: Machine, daemons: Daemons, name: str, output: Path | None, keep: Path | None
) -> bool:
    """Play one scene and keep what it leaves; whether the air belies nothing of it."""
    began = time.monotonic()
    scene = SCENES[name]
    title = name if name == "demo" else f"{name}-{machine.kernel}"
    with Stage(
        machine, daemons, title, scene.laptops,
        beacon_interval_tu=scene.beacon_interval_tu, lossy=scene.lossy, options=scene.options,
    ) as stage:  # fmt: skip
        scene.play(stage)
        stage.pause(scene.end_s)
    data = stage.recording.read_bytes()
    story = "".join(f"{line}\n" for line in stage.story)
    directory = output or (DEMO if name == "demo" else RECORDINGS / "tap")
    if name == "demo":  # given to --replay as it is
        target = directory / f"{title}.pcapng"
        target.write_bytes(data)
    elif scene.laptops > FEW:  # each dump is longer than what gzip keeps in mind
        target = directory / f"{title}.pcapng.xz"
        target.write_bytes(lzma.compress(data))
    else:
        target = directory / f"{title}.pcapng.gz"
        target.write_bytes(gzip.compress(data, mtime=0))
    (directory / f"{title}.story").write_text(story)
    size_kib, seconds = target.stat().st_size / 1024, time.monotonic() - began
    print(f"{title}: {size_kib:.0f} KiB in {seconds:.0f} s; {stage.witness.summary}", flush=True)
    with TemporaryDirectory() as unkept:
        kept = (keep or Path(unkept)) / title
        stage.witness.keep(kept)
        (kept / f"{title}.pcapng").write_bytes(data)
        (kept / f"{title}.story").write_text(story)
        return judge(kept).right


if __name__ == "__main__":
    sys.exit(main())
