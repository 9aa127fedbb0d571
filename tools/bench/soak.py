"""Prints what meshwatch tells of neighbors that never go away, while the air loses frames.

    python -m tools.bench.soak [--minutes 10] [--neighbors 20] [--loss 0.2] [--interval 1000]
                               [--forms tap bare+poke passive]

Each form watches with a radio of its own: one has a tap and sends probes, one listens to the
kernel and has an agent that pokes, one only listens. Every word but "present" is wrong, since
nobody moves. What a watcher sends shows on hwsim0, which hears every transmission; what the radio
repeats counts once. The machine is emulated, and so is its processor's time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.kernel.conftest import BARE, TAP
from tests.kernel.lab import PYTHON, Daemon, Lab, address, until
from tools.harness.guest import Capture
from tools.lab.sent import sent
from tools.vm import deeds
from tools.vm.air import Air
from tools.vm.machine import Machine

FORMS = ("tap", "bare+poke", "passive")
MEET_S = 120.0
TICKS_PER_S = 100  # USER_HZ
DAY_S = 86400.0


class Watcher:
    """A daemon of one form that watches one interface, and what it has cost so far."""

    def __init__(self, lab: Lab, form: str, index: int) -> None:
        self.form = form
        self.address = address(index)
        self._lab = lab
        prefix, arguments = (TAP, ()) if form == "tap" else (BARE, ("--no-tap",))
        name = form.replace("+", "-")
        lab.sh(f"install -d -o nobody /run/meshwatch-{name}")
        self.daemon = Daemon(
            lab.machine, name, *arguments, prefix=prefix, interfaces=frozenset({f"mesh{index}"})
        )
        self.daemon.await_ready()
        if form == "bare+poke":
            agent = ("-m", "meshwatch.cli", "--runtime-directory", self.daemon.runtime_directory,
                     "agent", "--no-names", "--no-hooks")  # fmt: skip
            lab.machine.spawn([*BARE, PYTHON, *agent], log="agent.log")

    def present(self) -> int:
        """How many neighbors it shows as present."""
        return sum(row["presence"] == "present" for row in self.daemon.rows().values())

    def cpu_s(self) -> float:
        """Its processor time."""
        stat = self._lab.sh(f"cat /proc/{self.daemon.process.pid}/stat").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS_PER_S

    def rss_mib(self) -> float:
        """Its memory."""
        status = self._lab.sh(f"grep VmRSS /proc/{self.daemon.process.pid}/status")
        return int(status.split()[1]) / 1024


class Doubts(NamedTuple):
    """What was wrong in the news."""

    quiet: int
    departures: int
    lines: int


def doubts(daemon: Daemon, since_s: float) -> Doubts:
    """What a daemon told since then."""
    fresh = [line for line in daemon.lines() if line["at"] >= since_s]
    quiet = sum(
        line["class"] == "changed"
        and "presence" in line.get("was", {})
        and line["neighbor"]["presence"] == "quiet"
        for line in fresh
    )
    gone = sum(
        line["class"] == "removed"
        or ("presence" in line.get("was", {}) and line["neighbor"]["presence"] == "heard")
        for line in fresh
        if "neighbor" in line
    )
    return Doubts(quiet, gone, len(fresh))


def meet(lab: Lab, neighbors: range, interval_tu: int) -> None:
    """All join, one by one, the neighbors in a namespace of their own."""
    lab.sh("ip netns add away")
    for index in neighbors:
        script = deeds.mesh(f"phy{index}", f"mesh{index}")
        script += deeds.join(f"mesh{index}", beacon_interval_tu=interval_tu)
        lab.sh(f"iw phy phy{index} set netns name away")
        lab.machine.run(["ip", "netns", "exec", "away", "bash", "-ec", script], check=True)


def soak(machine: Machine, minutes: float, warm_up_s: float, loss: float) -> tuple[float, float]:
    """Let it rain; from when to when it counts, by the guest's clock."""
    lab = Lab(machine)
    with Air(machine, seed=1) as air:
        air.link("*", "*", loss=loss)
        time.sleep(warm_up_s)
        since_s = lab.clock()
        time.sleep(minutes * 60)
        return since_s, lab.clock()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--kernel", default="6.1")
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--neighbors", type=int, default=20)
    arguments.add_argument("--loss", type=float, default=0.2)
    arguments.add_argument("--interval", type=int, default=1000, metavar="TU")
    arguments.add_argument("--warm-up", type=float, default=60.0, metavar="S")
    arguments.add_argument("--forms", nargs="+", choices=FORMS, default=["tap", "passive"])
    options = arguments.parse_args()
    output = Path(tempfile.mkdtemp(prefix="meshwatch-soak-"))
    forms = list(dict.fromkeys(options.forms))
    radios = len(forms) + options.neighbors
    machine = Machine(kernel=options.kernel, radios=radios, memory_mib=3072, output=output)
    with machine, Capture(machine, "hwsim0", "air") as capture:
        lab = Lab(machine, options.interval)
        lab.make_meshes(len(forms), [i for i, form in enumerate(forms) if form == "tap"])
        watchers = [Watcher(lab, form, index) for index, form in enumerate(forms)]
        lab.join(*range(len(forms)))
        meet(lab, range(len(forms), radios), options.interval)
        for watcher in watchers:
            until(
                lambda: watcher.present() == radios - 1,  # noqa: B023
                MEET_S,
                lambda: f"{watcher.form}: {watcher.present()} present",  # noqa: B023
            )
        before = [watcher.cpu_s() for watcher in watchers]
        begun = lab.clock()
        since_s, until_s = soak(machine, options.minutes, options.warm_up, options.loss)
        span_s, whole_s = until_s - since_s, until_s - begun
        neighbors = radios - 1
        print(
            f"kernel {machine.release}, beacon interval {options.interval} TU, "
            f"loss {options.loss:.0%}, {neighbors} neighbors, {span_s / 60:.1f} min after "
            f"{options.warm_up:.0f} s of warm-up"
        )
        frames = capture.frames()
        for watcher, cpu_s in zip(watchers, before, strict=True):
            told = doubts(watcher.daemon, since_s)
            on_air = sent(frames, watcher.address, since_s)
            print(
                f"{watcher.form}: {watcher.present()} present in the end, "
                f"{told.quiet} false quiet, {told.departures} false departures "
                f"({told.departures * DAY_S / span_s / neighbors:.2f} per neighbor and day), "
                f"{told.lines} lines of news; "
                f"sent {on_air.per_hour(span_s)}, "
                f"{on_air.frames * 60 / span_s / neighbors:.3f} per neighbor and minute; "
                f"CPU {(watcher.cpu_s() - cpu_s) / whole_s:.2%}, RSS {watcher.rss_mib():.1f} MiB"
            )
        for watcher in watchers:
            watcher.daemon.stop()


if __name__ == "__main__":
    main()
