"""Prints how soon the table is right again after a driver, an interface, a socket or a bus failed.

Four radios in a mesh on a booted kernel. A row counts from the moment `iw` itself shows all links
again (for the bus: from its restart) to the moment the whole table agrees with `iw` (for the bus:
a client finds all neighbors); both are looked at every 0.2 s, so that is the resolution.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.kernel.lab import Daemon, Lab, until  # noqa: E402 - needs the path above
from tools.vm.machine import Machine  # noqa: E402

BUS = "unix:path=/run/bench-bus"
PATIENCE_S = 30


def start_bus(lab: Lab) -> None:
    lab.sh(f"dbus-daemon --session --address={BUS} --fork --nopidfile --print-pid > /run/bus.pid")


def rejoin(lab: Lab) -> None:
    lab.join(0, 1, 2, 3)
    lab.await_links(12)


def driver(lab: Lab, daemon: Daemon) -> None:
    lab.sh("modprobe -r mac80211_hwsim; modprobe mac80211_hwsim radios=4")
    lab.make_meshes(4)
    rejoin(lab)


def family(lab: Lab, daemon: Daemon) -> None:
    lab.sh("modprobe -r mac80211_hwsim mac80211 cfg80211; modprobe mac80211_hwsim radios=4")
    lab.make_meshes(4)
    rejoin(lab)


def interface(lab: Lab, daemon: Daemon) -> None:
    phy = lab.sh("cat /sys/class/net/mesh3/phy80211/name").strip()
    lab.sh(f"iw dev mesh3 del; iw phy {phy} interface add mesh3 type mp; ip link set mesh3 up")
    lab.join(3)
    lab.await_links(12)


def overrun(lab: Lab, daemon: Daemon) -> None:
    daemon.process.kill(signal.SIGSTOP)
    for _ in range(3):
        lab.leave(1, 2)
        lab.join(1, 2)
    lab.await_links(12)
    daemon.process.kill(signal.SIGCONT)


def bus_restart(lab: Lab) -> float:
    lab.sh("kill $(cat /run/bus.pid); rm -f /run/bench-bus")
    start_bus(lab)
    began = time.monotonic()
    call = (
        f"gdbus call --address {BUS} --dest org.meshwatch --object-path /org/meshwatch "
        "--method org.freedesktop.DBus.ObjectManager.GetManagedObjects"
    )

    def neighbors() -> int:
        done = lab.machine.run(call, timeout_s=30)
        return done.stdout.count("org.meshwatch.Neighbor1")

    until(lambda: neighbors() == 12, PATIENCE_S, lambda: f"{neighbors()} neighbors on the bus")
    return time.monotonic() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kernel", default="6.1")
    arguments.add_argument("--repetitions", type=int, default=5)
    options = arguments.parse_args()
    kinds: dict[str, Callable[[Lab, Daemon], None]] = {
        "radio driver reloaded": driver,
        "nl80211 reloaded": family,
        "interface made again": interface,
    }
    seconds: dict[str, list[float]] = {}
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    with Machine(kernel=options.kernel, radios=4, output=output) as machine:
        lab = Lab(machine)
        lab.make_meshes(4)
        start_bus(lab)
        lab.sh("mkdir -p /run/meshwatch-bench\necho receive_buffer_bytes=2048 > /run/small.toml")
        daemon = Daemon(machine, "bench", bus=BUS)
        daemon.await_ready()
        rejoin(lab)
        for _ in range(options.repetitions):
            for name, happen in kinds.items():
                happen(lab, daemon)
                seconds.setdefault(name, []).append(lab.settle(daemon, PATIENCE_S, name))
            seconds.setdefault("bus restarted", []).append(bus_restart(lab))
        daemon.stop()
        overruns = 0
        for repetition in range(options.repetitions):
            # A new one each time: news of links that come and go all day is held back.
            lab.sh(f"mkdir -p /run/meshwatch-small{repetition}")
            small = Daemon(machine, f"small{repetition}", "--config", "/run/small.toml")
            small.await_ready()
            overrun(lab, small)
            seconds.setdefault("socket overrun", []).append(
                lab.settle(small, PATIENCE_S, "overrun")
            )
            overruns += small.process.output.count("overran")
            small.stop()
    print(f"s until right again, kernel {options.kernel}, {overruns} overruns")
    for name, values in seconds.items():
        print(f"{name:<24}{len(values):>4}  median {statistics.median(values):5.2f}"
              f"  worst {max(values):5.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
