"""A booted kernel with mesh radios, a meshwatchd in it, and the truth beside it (`iw`)."""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.vm import deeds
from tools.vm.machine import Machine, Process

ROOT = Path(__file__).parents[2]
PYTHON = str(ROOT / ".venv/bin/python")
FOLLOW = Path(__file__).parent / "follow.py"

# Under TCG pyroute2's import alone takes some 8 s.
START_S = 300.0
POLL_S = 1.0
LOOK_AGAIN_S = 0.2
TU_MS = 1.024
BEACON_INTERVAL_TU = 1000
# For the longer of these nobody may call a neighbor silent, and nobody present after the other;
# both are counted in its beacons, the rest is for a table that is behind the dump, or before it.
FRESH_BEACONS, FRESH_EXTRA_MS = 1.0, 100
GONE_BEACONS, GONE_EXTRA_MS = 8.0, 1500


@dataclass(frozen=True)
class Link:
    """One line of `iw station dump`: what the kernel says of a station."""

    plink: str
    inactive_ms: int


def address(index: int) -> str:
    """The hardware address of radio ``index``'s mesh interface (mac80211_hwsim numbers them)."""
    return f"02:00:00:00:{index:02x}:00"


class Daemon:
    """A meshwatchd in the guest and one follower of its news socket, or another."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        *arguments: str,
        prefix: tuple[str, ...] = (),
        bus: str = "none",
        socket: str = "news.sock",
        interfaces: frozenset[str] = frozenset(),
        program: tuple[str, ...] = ("-m", "meshwatch.daemon"),
    ) -> None:
        self.name = name
        self.interfaces = interfaces  # none: all there are
        chosen = [f"--interface={interface}" for interface in interfaces]
        self._lines: list[dict[str, Any]] = []
        self._read_bytes = 0
        self.runtime_directory = f"/run/meshwatch-{name}"
        self.process: Process = machine.spawn(
            [*prefix, PYTHON, *program, "--runtime-directory", self.runtime_directory,
             "--bus", bus, *chosen, *arguments],
            log=f"{name}-daemon.log",
        )  # fmt: skip
        self._follower = machine.spawn(
            ["python3", str(FOLLOW), f"{self.runtime_directory}/{socket}"],
            log=f"{name}-news.log",
        )

    def lines(self) -> list[dict[str, Any]]:
        """Every complete line the follower has got; ``at`` is its time of arrival (s)."""
        with self._follower.log.open("rb") as log:
            log.seek(self._read_bytes)
            fresh = log.read()
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        self._read_bytes += len(fresh)
        for line in fresh.splitlines():
            stamp, _, text = line.partition(b" ")
            if text.endswith(b"}"):
                self._lines.append({"at": float(stamp), **json.loads(text)})
        return self._lines

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The neighbors as a subscriber's mirror holds them: (interface, address) -> row."""
        mirror: dict[tuple[str, str], dict[str, Any]] = {}
        fresh = True
        for line in self.lines():
            kind = line["class"]
            if kind == "snapshot":
                if fresh:
                    mirror = {}
                fresh = not line.get("more", False)
                for row in line.get("neighbors", []):
                    mirror[row["interface"], row["address"]] = row
            elif kind in {"changed", "reading"}:
                row, was = line["neighbor"], line.get("was", {})
                mirror.pop((was.get("interface", row["interface"]), row["address"]), None)
                mirror[row["interface"], row["address"]] = row
            elif kind == "removed":
                row = line["neighbor"]
                mirror.pop((row["interface"], row["address"]), None)
        return mirror

    def sources(self) -> dict[str, str | None]:
        """What each source of the daemon last said of itself: None is well."""
        health: dict[str, str | None] = {}
        for line in self.lines():
            rows = line.get("sources", []) if line["class"] == "snapshot" else []
            if line["class"] == "source":
                rows = [line["source"]]
            health |= {row["source"]: row.get("failure") for row in rows}
        return health

    def await_ready(self) -> None:
        """Wait for the first snapshot."""
        until(lambda: self._alive() and any(x["class"] == "snapshot" for x in self.lines()),
              START_S, lambda: f"no snapshot; the daemon said:\n{self.process.output}")  # fmt: skip

    def await_lines(self, since_s: float) -> None:
        """Wait until it says something that late; of live.sock, where somebody is present."""
        until(lambda: self._alive() and self.lines()[-1]["at"] >= since_s, START_S,
              lambda: f"{self.name} says nothing after {self.lines()[-1]}")  # fmt: skip

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"meshwatchd ended:\n{self.process.output}")
        return True

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.kill(number)
        status = self.process.wait(timeout_s=20)
        self._follower.kill(signal.SIGKILL)
        return status


class Lab:
    """Radios of one machine as mesh points mesh0, mesh1, ... in one network namespace."""

    def __init__(self, machine: Machine, beacon_interval_tu: int = BEACON_INTERVAL_TU) -> None:
        self.machine = machine
        self.beacon_interval_tu = beacon_interval_tu

    @property
    def fresh_ms(self) -> float:
        """Nobody who was heard so recently is silent."""
        return FRESH_BEACONS * self.beacon_interval_tu * TU_MS + FRESH_EXTRA_MS

    @property
    def gone_ms(self) -> float:
        """Nobody who was not heard for so long is there, whatever the table rests on."""
        return GONE_BEACONS * self.beacon_interval_tu * TU_MS + GONE_EXTRA_MS

    def sh(self, script: str, timeout_s: float = 120) -> str:
        """Run a bash script in the guest; its output."""
        return self.machine.run(script, timeout_s=timeout_s, check=True).stdout

    def clock(self) -> float:
        """The guest's CLOCK_MONOTONIC in s, without the start of a Python."""
        return int(self.sh("awk '/^now at/ { print $3; exit }' /proc/timer_list")) / 1e9

    def radios(self) -> list[str]:
        """The phys of the guest, in the order of their numbers."""
        names = self.sh("ls /sys/class/ieee80211").split()
        return sorted(names, key=lambda name: int(name.removeprefix("phy")))

    def phy(self, index: int) -> str:
        """The radio of an interface."""
        return self.sh(f"cat /sys/class/net/mesh{index}/phy80211/name").strip()

    def make_meshes(self, count: int, monitors: Iterable[int] = ()) -> None:
        """One mesh interface, up but not joined, on each of the first radios.

        Those of these numbers get a monitor interface of the same number, too.
        """
        phys = self.radios()[:count]
        self.sh(
            "for w in /sys/class/net/wlan*; do [ -e $w ] && iw dev ${w##*/} del; done\n"
            + "".join(
                deeds.mesh(phy, f"mesh{i}") + deeds.reach(phy, 1) for i, phy in enumerate(phys)
            )
            + "".join(deeds.monitor(phys[i], f"mon{i}") for i in monitors)
        )

    def join(self, *indexes: int) -> None:
        """Join the mesh with these interfaces, one right after the other."""
        interval_tu = self.beacon_interval_tu
        self.sh("".join(deeds.join(f"mesh{i}", beacon_interval_tu=interval_tu) for i in indexes))

    def leave(self, *indexes: int) -> None:
        """Leave it with a Close to every peer."""
        self.sh("".join(deeds.leave(f"mesh{i}") for i in indexes))

    def reach(self, index: int, group: int) -> None:
        """Radios hear each other if their group masks share a bit."""
        self.sh(deeds.reach(f"$(</sys/class/net/mesh{index}/phy80211/name)", group))

    def truth(self) -> dict[tuple[str, str], Link]:
        """What `iw` says now: (interface, address) -> link."""
        dump = self.sh(
            'iw dev | awk \'$1=="Interface"{n=$2} $1=="type" && ($2=="mesh" || $2=="IBSS")'
            "{print n}' | while read i; do echo INTERFACE $i; iw dev $i station dump; done"
        )
        links: dict[tuple[str, str], Link] = {}
        for part in re.split(r"^INTERFACE ", dump, flags=re.M)[1:]:
            interface = part.split(maxsplit=1)[0]
            for station in re.split(r"^Station ", part, flags=re.M)[1:]:
                plink = re.search(r"mesh plink:\s*(\w+)", station)
                inactive = re.search(r"inactive time:\s*(\d+) ms", station)
                links[interface, station[:17]] = Link(
                    plink[1] if plink else "IBSS", int(inactive[1]) if inactive else 0
                )
        return links

    def disagreements(self, *daemons: Daemon) -> list[str]:
        """Where the table of one of them differs from `iw`; doubtful silence is not judged."""
        truth = self.truth()
        return [each for daemon in daemons for each in self._disagreements(daemon, truth)]

    def _disagreements(self, daemon: Daemon, truth: dict[tuple[str, str], Link]) -> list[str]:
        rows = daemon.rows()
        found = []
        for key, link in truth.items():
            if daemon.interfaces and key[0] not in daemon.interfaces:
                continue
            presence = rows[key]["presence"] if key in rows else "absent"
            working = link.plink in {"ESTAB", "IBSS"}
            if working and link.inactive_ms < self.fresh_ms:
                right = presence == "present"
            elif link.inactive_ms > self.gone_ms:
                right = presence == "absent"
            elif not working:
                right = presence in {"heard", "absent"}
            else:
                right = True
            if not right:
                found.append(f"{key}: iw says {link}, {daemon.name} says {presence}")
        for key in rows.keys() - truth.keys():
            # Of whom a tap heard beacons alone, the kernel need not know.
            if rows[key]["presence"] != "heard" or "plink" in rows[key]:
                found.append(f"{key}: a ghost of {daemon.name}, {rows[key]['presence']}")
        return found

    def settle(self, daemons: Daemon | Collection[Daemon], within_s: float, what: str) -> float:
        """Wait until the table of each agrees with `iw`; how long that took, in s."""
        all_ = [daemons] if isinstance(daemons, Daemon) else daemons
        began = time.monotonic()
        until(
            lambda: not self.disagreements(*all_),
            within_s,
            lambda: f"{what}: " + "; ".join(self.disagreements(*all_)),
        )
        return time.monotonic() - began

    def await_links(self, count: int, within_s: float = 120) -> None:
        """Wait until `iw` shows that many established links, alive."""
        until(
            lambda: (
                sum(
                    link.plink == "ESTAB" and link.inactive_ms < 2 * self.fresh_ms
                    for link in self.truth().values()
                )
                == count
            ),
            within_s,
            lambda: f"not {count} links: {self.truth()}",
        )


def until(condition: Callable[[], bool], within_s: float, complaint: Callable[[], str]) -> None:
    """Look again and again until the condition holds; fails with the complaint in the end."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint())
        # Without a pause this would take the processor that emulates the guest.
        time.sleep(LOOK_AGAIN_S)


def quoted(*words: str) -> str:
    """Words as one shell command."""
    return shlex.join(words)
