"""Prints how long after the kernel's own station dump a subscriber knows of a meeting or parting.

Four radios meet for the first time, one leaves, one is switched off, both return; again and
again. Beside it `iw event -t`. All stamps are the guest's CLOCK_MONOTONIC. An establishment is
dated by the end of the first dump that shows it; dumps of an interface follow each other by
some 20 ms, so a delay can come out a little below zero. After that, and after all have left, the
whole table is compared with `iw` until both agree: the time holds what a comparison takes in the
guest, and the shortest is nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.kernel.lab import Daemon, Lab, address, until  # noqa: E402 - needs the path above
from tools.bench.guest.compiled import compiled  # noqa: E402
from tools.vm.machine import Machine, Process  # noqa: E402

UNDISTURBED_S = 1.0
POLL_S = 1.0
WRONG_S = 5.0  # a table that is wrong for so long is broken, and not slow
BUS = "unix:path=/run/bench-bus"
Link = tuple[str, str]


@dataclass
class Delays:
    """Delays of one kind of event, in ms, per listener."""

    of: dict[str, list[float]] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)

    def add(self, listener: str, began: float, known: float | None) -> None:
        """One event: it began at, and was known at (None: never), in s."""
        if known is None:
            self.missed[listener] = self.missed.get(listener, 0) + 1
        else:
            self.of.setdefault(listener, []).append((known - began) * 1000)


class Bench:
    """The guest, everything that listens in it, and what each has heard."""

    def __init__(self, machine: Machine) -> None:
        self.lab = Lab(machine)
        self.lab.make_meshes(4)
        self.lab.sh(f"dbus-daemon --session --address={BUS} --fork --nopidfile")
        self.daemon = self._daemon(0)
        self.truth = self._listen("truth", f"{compiled('stations')} 20 mesh0 mesh1 mesh2 mesh3")
        self.iw = self._listen("iw", "stdbuf -oL iw event -t")
        self.bus = self._listen("bus", f"{compiled('presence', 'systemd')} {BUS}")

    def _daemon(self, repetition: int) -> Daemon:
        name = f"bench{repetition}"
        self.lab.sh(f"mkdir -p /run/meshwatch-{name}")
        daemon = Daemon(self.lab.machine, name, bus=BUS)
        daemon.await_ready()
        return daemon

    def begin(self, repetition: int) -> None:
        """A daemon that never heard of anybody: who comes and goes all day is told ever less."""
        self.daemon.stop()
        self.daemon = self._daemon(repetition)

    def _listen(self, name: str, command: str) -> Process:
        stamped = f"{command} | {compiled('stamp')}" if name == "iw" else command
        return self.lab.machine.spawn(["bash", "-c", stamped], log=f"bench-{name}.log")

    def clock(self) -> float:
        """The guest's CLOCK_MONOTONIC in s."""
        return float(self.lab.sh("python3 -c 'import time; print(time.monotonic())'"))

    def dumped(self, since: float, state: str) -> dict[Link, float]:
        """When the station dump first showed each link in that state (or: no longer ESTAB)."""
        found: dict[Link, float] = {}
        for line in self.truth.output.splitlines():
            words = line.split()
            if len(words) != 5 or float(words[0]) < since:
                continue
            link = (words[2], words[3])
            if words[4] == state or (state == "!ESTAB" and words[4] != "ESTAB"):
                found.setdefault(link, float(words[1]))
        return found

    def told(self, since: float, present: bool) -> dict[Link, float]:
        """When a line on the socket first said so of each link."""
        found: dict[Link, float] = {}
        for line in self.daemon.lines():
            if line["at"] < since or line["class"] not in {"changed", "removed"}:
                continue
            row = line["neighbor"]
            now_present = line["class"] == "changed" and row["presence"] == "present"
            if now_present == present:
                found.setdefault((row["interface"], row["address"]), line["at"])
        return found

    def signalled(self, since: float, present: bool) -> dict[Link, float]:
        """When a D-Bus signal first said so of each link."""
        found: dict[Link, float] = {}
        for line in self.bus.output.splitlines():
            stamp, path, presence = line.split()
            if float(stamp) >= since and (presence == "present") == present:
                interface, neighbor = path.removeprefix("/org/meshwatch/").split("/n_")
                found.setdefault((interface, neighbor.replace("_", ":")), float(stamp))
        return found

    def new_station(self, since: float) -> dict[Link, float]:
        """When `iw event` told of a new station (the first time only, before the link works)."""
        found: dict[Link, float] = {}
        for line in self.iw.output.splitlines():
            event = re.match(r"([\d.]+) .*?(mesh\d).*: new station ([0-9a-f:]{17})", line)
            if event and float(event[1]) >= since:
                found.setdefault((event[2], event[3]), float(event[1]))
        return found

    def measure(self, delays: Delays, since: float, links: set[Link], *, present: bool) -> None:
        """Compare each listener with the dump, for these links."""
        state = "ESTAB" if present else "!ESTAB"
        listeners: dict[str, Callable[[], dict[Link, float]]] = {
            "socket": lambda: self.told(since, present),
            "D-Bus": lambda: self.signalled(since, present),
        }
        # Reading all that was heard takes a processor from those who emulate the guest.
        time.sleep(UNDISTURBED_S)
        until(
            lambda: (
                links <= self.dumped(since, state).keys()
                and all(links <= listen().keys() for listen in listeners.values())
            ),
            20,
            lambda: f"not told: {[links - listen().keys() for listen in listeners.values()]}",
        )
        began = self.dumped(since, state)
        for name, listen in listeners.items():
            known = listen()
            for link in links:
                delays.add(name, began[link], known.get(link))
        if present:
            known = self.new_station(since)
            for link in links:
                delays.add("iw event", began[link], known.get(link))


def links_of(*indexes: int, among: tuple[int, ...] = (0, 1, 2, 3)) -> set[Link]:
    """What the others see of these radios."""
    return {
        (f"mesh{seer}", address(seen)) for seen in indexes for seer in among if seer not in indexes
    }


def both_ways(*indexes: int) -> set[Link]:
    """The links of these radios with the others and with each other, both directions."""
    return {
        (f"mesh{a}", address(b))
        for a in range(4)
        for b in range(4)
        if a != b and (a in indexes or b in indexes)
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kernel", default="6.1")
    arguments.add_argument("--repetitions", type=int, default=20)
    options = arguments.parse_args()
    kinds = ("first meeting", "leave (Close)", "switched off", "return")
    delays = {kind: Delays() for kind in kinds}
    agreed_s = []  # after how long each comparison of the whole table with iw came out right
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    with Machine(kernel=options.kernel, radios=4, output=output) as machine:
        bench = Bench(machine)
        lab = bench.lab
        for repetition in range(options.repetitions):
            bench.begin(repetition + 1)
            since = bench.clock()
            lab.join(0, 1, 2, 3)
            bench.measure(delays["first meeting"], since, both_ways(0, 1, 2, 3), present=True)
            agreed_s.append(lab.settle(bench.daemon, WRONG_S, "met"))
            since = bench.clock()
            lab.leave(1)
            bench.measure(delays["leave (Close)"], since, links_of(1), present=False)
            agreed_s.append(lab.settle(bench.daemon, WRONG_S, "left"))
            since = bench.clock()
            lab.sh("ip link set mesh2 down")
            bench.measure(delays["switched off"], since, links_of(2, among=(0, 3)), present=False)
            agreed_s.append(lab.settle(bench.daemon, WRONG_S, "switched off"))
            since = bench.clock()
            lab.sh("ip link set mesh2 up")
            lab.join(1, 2)
            returned = links_of(1, 2)
            bench.measure(delays["return"], since, returned, present=True)
            agreed_s.append(lab.settle(bench.daemon, WRONG_S, "returned"))
            lab.leave(0, 1, 2, 3)
            agreed_s.append(lab.settle(bench.daemon, WRONG_S, "all left"))
            print(
                json.dumps({"repetition": repetition + 1, "release": machine.release}), flush=True
            )
        bench.daemon.stop()
    print(f"\nms from the first station dump that shows it, kernel {options.kernel}, "
          f"{options.repetitions} repetitions")  # fmt: skip
    print(f"{'event':<16}{'listener':<12}{'n':>5}{'median':>9}{'worst':>9}{'never':>7}")
    for kind in kinds:
        for listener, values in delays[kind].of.items():
            missed = delays[kind].missed.get(listener, 0)
            print(f"{kind:<16}{listener:<12}{len(values):>5}{statistics.median(values):>9.1f}"
                  f"{max(values):>9.1f}{missed:>7}")  # fmt: skip
        for listener in delays[kind].missed.keys() - delays[kind].of.keys():
            print(f"{kind:<16}{listener:<12}{0:>5}{'':>9}{'':>9}{delays[kind].missed[listener]:>7}")
    print(
        f"the whole table agreed with iw {len(agreed_s)} times, after s: "
        f"shortest {min(agreed_s):.1f}, median {statistics.median(agreed_s):.1f}, "
        f"worst {max(agreed_s):.1f}; "
        f"{sum(took > POLL_S for took in agreed_s)} took more than {POLL_S:.0f} s"
    )


if __name__ == "__main__":
    main()
