"""A stage for a scene: laptops with one radio each, of which the first watches and records."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from meshwatch.model import Neighbor, Presence
from meshwatch.recording import open_recording
from meshwatch.replay import Player, conversations
from meshwatch.table import Table
from tools.vm.machine import REPOSITORY, JobTimeout, Machine, MachineError, Process

PYTHON = REPOSITORY / ".venv/bin/python"
# pyroute2's import alone takes some 8 s on an emulated machine.
START_S = 180.0
COMMAND_S = 120.0
SCENE_S = 60.0
LOOK_INTERVAL_S = 0.1
# Beacons come every 1.024 s.
FRESH_MS = 1200


class Stage:
    """Radio 0 is mesh0 of the watching laptop, radio N that of laptop N; none has joined yet.

    ``story`` tells what was done and when (wall time in the guest).
    """

    def __init__(self, machine: Machine, name: str, laptops: int) -> None:
        self.recording = machine.output / f"{name}.pcapng"
        self.story: list[str] = []
        self._machine = machine
        self._name = name
        self._laptops = range(1, laptops)
        self._addresses: list[str] = []
        self._daemon: Process | None = None

    def __enter__(self) -> Self:
        # Plain iw and ip: on an emulated machine every start of Python takes seconds.
        self._sh("for w in /sys/class/net/wlan*; do [ ! -e $w ] || iw dev ${w##*/} del; done")
        for i in (0, *self._laptops):
            if i != 0:
                self._sh(f"ip netns add laptop{i}; iw phy phy{i} set netns name laptop{i}")
            self._sh(f"iw phy phy{i} interface add mesh0 type mp; ip link set mesh0 up", i)
            self._set(i, "group", 1)
            self._addresses.append(self._sh("cat /sys/class/net/mesh0/address", i).strip())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            try:
                self._daemon.wait(COMMAND_S)
            except JobTimeout:
                said = self._daemon.output
                raise MachineError(f"meshwatchd does not end; it said:\n{said}") from None
        for i in (0, *self._laptops):
            self._sh("iw dev mesh0 del", i)
            if i != 0:
                self._sh(f"ip netns del laptop{i}")  # which gives the radio back

    def watch(self) -> None:
        """Start the recording daemon, and wait until it knows everything."""
        runtime_directory = f"/run/meshwatch-{self._name}"
        self._sh(f"mkdir -p {runtime_directory}")
        self._daemon = self._machine.spawn(
            [str(PYTHON), "-m", "meshwatch.daemon", "--bus", "none", "--runtime-directory",
             runtime_directory, "--record", str(self.recording)],
            log=f"{self._name}.log",
        )  # fmt: skip
        self._until(lambda: self.recording.exists() and self._table().ready, START_S)
        self._note("watching")

    def join(self, *laptops: int) -> None:
        """Join the mesh, one right after the other; laptop 0 is the watching one."""
        self._each(laptops, "iw dev mesh0 mesh join classroom freq 2412")
        self._note(f"joined: {_listed(laptops)}")

    def leave(self, *laptops: int) -> None:
        """Leave it, with a Close to every peer."""
        self._each(laptops, "iw dev mesh0 mesh leave")
        self._note(f"left: {_listed(laptops)}")

    def switch_off(self, laptop: int) -> None:
        """Set the interface down."""
        self._sh("ip link set mesh0 down", laptop)
        self._note(f"switched off: {laptop}")

    def walk_away(self, laptop: int) -> None:
        """Out of everybody's reach, without a word."""
        self._set(laptop, "group", 0)
        self._note(f"out of reach: {laptop}")

    def walk_back(self, laptop: int) -> None:
        """Into everybody's reach."""
        self._set(laptop, "group", 1)
        self._note(f"in reach: {laptop}")

    def set_signal(self, laptop: int, signal_dbm: int) -> None:
        """How strong everybody hears the laptop; the driver adds 20 dBm of transmit power."""
        received = (signal_dbm - 20) & 0xFFFFFFFFFFFFFFFF  # it takes no minus sign
        self._set(laptop, "rx_rssi", received)

    def pause(self, seconds: float) -> None:
        """Let time pass: it is part of the scene."""
        time.sleep(seconds)

    def until_linked(self, *laptops: int) -> None:
        """Wait until the kernel has established live links to these laptops and no others."""
        wanted = {self._addresses[i] for i in laptops}
        self._until(lambda: self._linked() == wanted, SCENE_S)
        self._note(f"linked: {_listed(laptops)}")

    def until_seen(self, laptop: int, presence: Presence | None) -> None:
        """Wait until the recording shows the laptop as this (None: not in the table)."""

        def seen() -> Presence | None:
            for row in self._table().snapshot():
                if isinstance(row, Neighbor) and row.address == self._addresses[laptop]:
                    return row.presence
            return None

        self._until(lambda: seen() is presence, SCENE_S)
        self._note(f"told {presence or 'gone'}: {laptop}")

    def _set(self, laptop: int, switch: str, value: int) -> None:
        self._sh(f"echo {value} > /sys/kernel/debug/ieee80211/phy{laptop}/hwsim/{switch}")

    def _linked(self) -> set[str]:
        dump = self._sh("iw dev mesh0 station dump")
        return {
            station[:17]
            for station in re.split(r"^Station ", dump, flags=re.MULTILINE)[1:]
            if "ESTAB" in station
            and int(re.findall(r"inactive time:\s*(\d+)", station)[0]) < FRESH_MS
        }

    def _table(self) -> Table:
        table = Table()
        with closing(open_recording(self.recording)) as recording:
            for _ in Player(recording, conversations(recording), table):
                pass
        return table

    def _until(self, condition: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if self._daemon is not None and self._daemon.poll() is not None:
                raise MachineError(f"meshwatchd ended:\n{self._daemon.output}")
            if time.monotonic() > deadline:
                story = "\n".join(self.story)
                raise MachineError(f"the scene never came to what it waited for:\n{story}")
            time.sleep(LOOK_INTERVAL_S)

    def _note(self, what: str) -> None:
        self.story.append(f"{int(self._sh('date +%s%3N'))} {what}")

    def _each(self, laptops: Iterable[int], command: str) -> None:
        self._sh("".join(f"{shlex.join(_inside(i))} {command}\n" for i in laptops))

    def _sh(self, script: str, laptop: int = 0) -> str:
        command = [*_inside(laptop), "bash", "-ec", script]
        try:
            return self._machine.run(command, check=True, timeout_s=COMMAND_S).stdout
        except JobTimeout as error:
            raise MachineError(f"{shlex.join(command)}: {error}") from None


def _inside(laptop: int) -> list[str]:
    return [] if laptop == 0 else ["ip", "netns", "exec", f"laptop{laptop}"]


def _listed(laptops: Iterable[int]) -> str:
    return " ".join(map(str, laptops)) or "nobody"


def save(stage: Stage, directory: Path) -> int:
    """Keep the recording and its story; the size of the recording."""
    data = stage.recording.read_bytes()
    target = directory / stage.recording.name
    target.write_bytes(data)
    target.with_suffix(".story").write_text("".join(f"{line}\n" for line in stage.story))
    return len(data)
