"""Prints how soon the table tells that a neighbor vanished, and how often it is wrong about one
that did not, in virtual time.

    python -m tools.bench.detector                        minutes
    python -m tools.bench.detector --form tap --interval 1000 --loss 0.2 --tries 7 \\
        --vanishes 0 --neighbor-days 1100 --poll-seconds 10 --weighs 0.05
                                                      three neighbor-years: an hour

The mesh around the table is simulated (tools/bench/simulation), the table is the daemon's. Times
are counted from the last sign of life, so that beacons lost before the vanish are counted too.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import product
from multiprocessing import Pool
from operator import add
from typing import NamedTuple

from tools.bench.simulation.air import TU_NS, Air
from tools.bench.simulation.lines import HEAD, line
from tools.bench.simulation.setting import Form, Setting
from tools.bench.simulation.trials import Life, life, vanishes

AIRS = (
    Air(0),
    Air(0.05),
    Air(0.2),
    Air(0.4),
    Air(0.2, burst_beacons=3),
    Air(0.2, burst_beacons=10),
    Air(0.2, burst_ms=100),
)
INTERVALS_TU = (1000, 100)
TRIES = (7, 4)
CHUNK_DAYS = 20.0


class Task(NamedTuple):
    """One piece of work for one process; ``number`` is its line."""

    number: int
    setting: Setting
    seed: int
    vanishes: int
    days: float
    weighs: float


class Done(NamedTuple):
    """What came of it."""

    number: int
    latencies: list[int]
    life: Life | None


def work(task: Task) -> Done:
    """Run one task."""
    if task.vanishes:
        return Done(task.number, vanishes(task.setting, task.seed, task.vanishes), None)
    return Done(task.number, [], life(task.setting, task.seed, task.days, task.weighs))


def settings(arguments: argparse.Namespace) -> Iterator[Setting]:
    """The lines, in order."""
    airs = [air for air in AIRS if not arguments.loss or str(air) in arguments.loss]
    forms = [form for form in Form if not arguments.form or form in arguments.form]
    intervals = arguments.interval or INTERVALS_TU
    tries = [arguments.tries] if arguments.tries else TRIES
    for form, most, interval_tu, air in product(forms, tries, intervals, airs):
        if form is Form.TAP or most == tries[0]:
            poll_ns = round(arguments.poll_seconds * 1e9)
            yield Setting(form, interval_tu, air, 1, most, poll_ns, arguments.frames_per_minute)


def tasks(number: int, setting: Setting, arguments: argparse.Namespace) -> Iterator[Task]:
    """The work for one line; long lives in pieces, each with a seed of its own."""
    if arguments.vanishes:
        yield Task(number, setting, arguments.seed, arguments.vanishes, 0, 0)
    crowd = Setting(**{**setting.__dict__, "neighbors": arguments.neighbors})
    pieces = math.ceil(arguments.neighbor_days / CHUNK_DAYS)
    for piece in range(pieces):
        seed = arguments.seed + piece
        yield Task(number, crowd, seed, 0, arguments.neighbor_days / pieces, arguments.weighs)


def print_lines(lines: list[Setting], done: Iterable[Done], arguments: argparse.Namespace) -> None:
    """Each line as soon as all of it is there, in order."""
    waiting: dict[int, list[Done]] = {}
    awaited = {n: len(list(tasks(n, line, arguments))) for n, line in enumerate(lines)}
    next_ = 0
    for piece in done:
        waiting.setdefault(piece.number, []).append(piece)
        while next_ < len(lines) and len(waiting.get(next_, [])) == awaited[next_]:
            pieces = waiting.pop(next_)
            latencies = [ns for each in pieces for ns in each.latencies]
            lives = [each.life for each in pieces if each.life is not None]
            lived = reduce(add, lives) if lives else None
            print(line(lines[next_], latencies, lived, arguments.seed), flush=True)
            next_ += 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--form", action="append", choices=list(Form))
    parser.add_argument("--interval", action="append", type=int, help="beacon interval, TU")
    parser.add_argument("--loss", action="append", choices=[str(air) for air in AIRS])
    parser.add_argument("--tries", type=int, help="of a unicast frame, the first included")
    parser.add_argument("--vanishes", type=int, default=200, help="per line (default: 200)")
    parser.add_argument("--neighbor-days", type=float, default=0.1, help="per line (default: 0.1)")
    parser.add_argument("--neighbors", type=int, default=4, help="in one table (default: 4)")
    parser.add_argument("--poll-seconds", type=float, default=1.0)
    parser.add_argument("--frames-per-minute", type=float, default=0.0, help="besides beacons")
    parser.add_argument("--weighs", type=float, default=1.0, help="share of first probes weighed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    begun = time.monotonic()
    lines = list(settings(arguments))
    print("Loss, of each direction for itself ('x3': beacons in a row; '100ms': a fade):")
    for interval_tu, air in product(arguments.interval or INTERVALS_TU, AIRS):
        print(f"  B {interval_tu:4} TU, {air!s:9}: {air.states(interval_tu * TU_NS)}")
    print(HEAD, flush=True)
    all_ = [task for number, line in enumerate(lines) for task in tasks(number, line, arguments)]
    with Pool(arguments.processes) as pool:
        print_lines(lines, pool.imap(work, all_), arguments)
    print(f"{time.monotonic() - begun:.0f} s on {arguments.processes} processes")


if __name__ == "__main__":
    main()
