"""Prints how soon wpa_supplicant's peering manager tells on D-Bus what meshwatch tells.

    python -m tools.bench.supplicant [--kernel 6.12] [--neighbors 20] [--interval 1000]

An open mesh; radio 0 is wpa_supplicant's (MeshPeerConnected and MeshPeerDisconnected on a bus of
its own), radio 1 that of a meshwatchd with a tap, the others are neighbors, who come one after the
other and vanish together. wpa_supplicant notices that by its mesh_max_inactivity of 300 s, if at
all: who did not say so in six minutes has "never". All times are CLOCK_MONOTONIC of the
guest, the truth is hwsim0.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.kernel.lab import Daemon, Lab, until
from tools.bench.guest.compiled import compiled
from tools.bench.presence import CAPTURE, WITH_NET_RAW, news
from tools.lab.delays import TU_S, Column, Heard, Verdict, address, read_air
from tools.vm import deeds
from tools.vm.machine import Machine, Process

BUS = "unix:path=/run/bench-bus"
MESH_SIGNALS = "'fi.w1.wpa_supplicant1.Interface.Mesh'"
CONFIGURATION = f"""\
p2p_disabled=1
network={{
 ssid="{deeds.MESH_ID}"
 mode=5
 frequency={deeds.FREQUENCY_MHZ}
 scan_freq={deeds.FREQUENCY_MHZ}
 beacon_int=1000
 key_mgmt=NONE
}}
"""
# Whose basic rates differ do not peer (net/mac80211/mesh.c, mesh_matches_local); wpa_supplicant
# brings its own (basic_rates_erp in wpa_supplicant/mesh.c).
BASIC_RATES = "1,2,5.5,6,11,12,24"
FIRST = 2  # neighbor; before it are those who want to know
WAITED_S = 360.0  # mesh_max_inactivity of wpa_supplicant.conf is 300 s


class Listeners(NamedTuple):
    """Those who want to know."""

    tap: Daemon
    monitor: Process  # dbus-monitor, each line behind its time

    def said(self, index: int) -> tuple[list[Verdict], list[Verdict]]:
        """What each said of a neighbor, meshwatch first."""
        return news(self.tap, address(index)), on_the_bus(self.monitor.output, address(index))

    def both_said(self, index: int, word: str, since: float) -> bool:
        """They both have, since then."""
        return all(
            any(each.at >= since and each.word == word for each in verdicts)
            for verdicts in self.said(index)
        )

    def await_word(self, index: int, word: str, since: float, within_s: float) -> None:
        """Wait until both said so."""
        until(
            lambda: self.both_said(index, word, since),
            within_s,
            lambda: f"of {index} {word} was not told:\n{self.monitor.output[-2000:]}",
        )


def on_the_bus(text: str, neighbor: str) -> list[Verdict]:
    """What dbus-monitor heard of a neighbor: a line for each signal, its arguments below it."""
    said = []
    for signal in re.split(r"^(?=[\d.]+ signal )", text, flags=re.MULTILINE):
        head = re.match(r"([\d.]+) .*member=MeshPeer(Connected|Disconnected)\n", signal)
        if head and neighbor.replace(":", " ") in signal:
            said.append(Verdict(float(head[1]), "here" if head[2] == "Connected" else "gone"))
    return said


def confirmed(air: Heard, one: str, other: str) -> float | None:
    """When their peering was complete."""
    both = {one, other}
    confirms = [at for at, action, *ends in air.peering if action == 2 and set(ends) == both]
    return confirms[-1] if confirms else None


def measure(machine: Machine, neighbors: range, interval_tu: int) -> list[str]:
    """The lines of the table."""
    lab = Lab(machine)
    lab.make_meshes(FIRST)
    phys = lab.radios()
    join = (
        f"mesh join {deeds.MESH_ID} freq {deeds.FREQUENCY_MHZ} "
        f"basic-rates {BASIC_RATES} beacon-interval {interval_tu}"
    )
    lab.sh(
        f"iw phy {phys[1]} interface add mon1 type monitor; ip link set mon1 up\n"
        "ip link set hwsim0 up; ip netns add away\n"
        "mkdir -p /run/meshwatch-tap; chown nobody /run/meshwatch-tap\n"
        f"cat > /run/bench.conf <<'END'\n{CONFIGURATION}END\n"
        + "".join(
            f"iw dev wlan{i} del || true; iw phy {phys[i]} set netns name away\n"
            f"ip netns exec away iw phy {phys[i]} interface add mesh{i} type mp\n"
            f"ip netns exec away ip link set mesh{i} up\n"
            f"echo 1 > /sys/kernel/debug/ieee80211/{phys[i]}/hwsim/group\n"
            for i in neighbors
        ),
        timeout_s=120,
    )
    machine.spawn(["python3", str(CAPTURE), "hwsim0", str(machine.output / "air.pcap")])
    machine.spawn(["dbus-daemon", "--session", f"--address={BUS}", "--nofork", "--nopidfile"])
    lab.sh("until [ -S /run/bench-bus ]; do sleep 0.1; done")
    monitor = machine.spawn(
        f'stdbuf -oL dbus-monitor --address {BUS} "interface={MESH_SIGNALS}" | {compiled("stamp")}'
    )
    supplicant = machine.spawn(
        f"DBUS_SYSTEM_BUS_ADDRESS={BUS} wpa_supplicant -u -i mesh0 -c /run/bench.conf"
    )
    until(lambda: "MESH-GROUP-STARTED" in supplicant.output, 90, lambda: supplicant.output)
    tap = Daemon(machine, "tap", "--interface", "mesh1", prefix=WITH_NET_RAW)
    tap.await_ready()
    listeners = Listeners(tap, monitor)
    lab.sh(f"iw dev mesh1 {join}")
    for index in neighbors:
        lab.sh(f"ip netns exec away iw dev mesh{index} {join}")
        listeners.await_word(index, "here", 0.0, 60)
    lab.sh("sleep 30")
    moved = float(
        lab.sh(
            "read now _ </proc/uptime; echo $now\n"
            + "".join(
                f"echo 2 > /sys/kernel/debug/ieee80211/{phys[i]}/hwsim/group\n" for i in neighbors
            )
        )
    )
    until_s = time.monotonic() + WAITED_S  # in vain, perhaps
    while time.monotonic() < until_s:
        if all(listeners.both_said(index, "gone", moved) for index in neighbors):
            break
        time.sleep(1)
    air = read_air(machine.output / "air.pcap")
    rows = []
    for kind, word in (("established", "here"), ("vanished together", "gone")):
        columns = [Column(), Column()]
        for index in neighbors:
            neighbor = address(index)
            for place, verdicts in enumerate(listeners.said(index)):
                beacons = [at for at in air.beacons[neighbor] if at <= moved]
                own = address(1 - place)
                at = confirmed(air, own, neighbor) if word == "here" else beacons[-1]
                since = 0.0 if word == "here" else moved
                told = next((v.at for v in verdicts if v.word == word and v.at >= since), None)
                if told is not None and at is None:
                    columns[place].add_untold()
                else:
                    columns[place].add(None if told is None or at is None else told - at)
        rows.append(f"{kind:<20}" + "".join(f"{column!s:>26}" for column in columns))
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--kernel", default="6.1")
    arguments.add_argument("--neighbors", type=int, default=20)
    arguments.add_argument("--interval", type=int, default=1000, metavar="TU")
    options = arguments.parse_args()
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    radios = FIRST + options.neighbors
    with Machine(kernel=options.kernel, radios=radios, memory_mib=3072, output=output) as machine:
        rows = measure(machine, range(FIRST, radios), options.interval)
        print(
            f"kernel {machine.release}, {options.neighbors} neighbors, beacon interval "
            f"{options.interval} TU ({options.interval * TU_S:.3f} s)"
        )
        print(f"{'median/worst, ms':<20}{'meshwatch, tap':>26}{'wpa_supplicant, D-Bus':>26}")
        print("\n".join(rows))


if __name__ == "__main__":
    main()
