"""A stage for a scene: laptops with one radio each, of which the first watches and records."""

from __future__ import annotations

import re
import shlex
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from typing import Any, Self

from meshwatch.model import Neighbor, Presence
from meshwatch.pcap import MalformedCapture
from meshwatch.recording import open_recording
from meshwatch.replay import Player, conversations
from meshwatch.table import Table
from tools.record.daemons import Daemon, Daemons
from tools.record.witness import BLOCKED, CLOCK, REACH, Witness
from tools.vm import deeds
from tools.vm.air import Air
from tools.vm.machine import JobTimeout, Machine, MachineError, Process
from tools.vm.supplicant import Supplicant

START_S = 60.0
COMMAND_S = 60.0
SCENE_S = 120.0
LOOK_INTERVAL_S = 0.1
TU_MS = 1.024
FRESH_BEACONS = 1.2
SEED = 1
USUAL_SIGNAL_DBM = -30  # the driver's own


class Stage:
    """Radio 0 is mesh0 of the watching laptop, radio N that of laptop N; none has joined yet.

    The watching one has a monitor interface, too. ``story`` tells what was done and when (wall
    time in the guest).
    """

    def __init__(
        self,
        machine: Machine,
        daemons: Daemons,
        name: str,
        laptops: int,
        *,
        beacon_interval_tu: int = 1000,
        lossy: bool = False,
        options: tuple[str, ...] = (),
    ) -> None:
        self.recording = machine.output / f"{name}.pcapng"
        self.story: list[str] = []
        self.witness = Witness(machine, name, lossy=lossy)
        self._machine = machine
        self._daemons = daemons
        self._name = name
        self._options = options
        self._laptops = range(1, laptops)
        self._interval_tu = beacon_interval_tu
        self.interval_s = beacon_interval_tu * TU_MS / 1000
        self._addresses: list[str] = []
        self._daemon: Daemon | None = None
        self._traffic: Process | None = None
        self._air: Air | None = None
        self._helpers = ExitStack()
        self._supplicants: dict[int, Supplicant] = {}

    def __enter__(self) -> Self:
        # Plain iw and ip: on an emulated machine every start of Python takes seconds.
        self._sh("for w in /sys/class/net/wlan*; do [ ! -e $w ] || iw dev ${w##*/} del; done")
        for i in (0, *self._laptops):
            if i != 0:
                self._sh(f"ip netns add laptop{i}; iw phy phy{i} set netns name laptop{i}")
            self._sh(deeds.mesh(f"phy{i}", "mesh0"), i)
            self._sh(deeds.reach(f"phy{i}", 1) + deeds.set_signal(f"phy{i}", USUAL_SIGNAL_DBM))
            self._addresses.append(self._sh("cat /sys/class/net/mesh0/address", i).strip())
        self._sh(deeds.monitor("phy0", "mon0"))
        self._helpers.enter_context(self.witness)
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            if self._daemon is not None:
                self._daemon.end(COMMAND_S)
        finally:
            self._helpers.close()
            if self._traffic is not None:
                self._traffic.kill(signal.SIGKILL)
            self._sh("iw dev mon0 del")
            for i in (0, *self._laptops):
                self._sh("iw dev mesh0 del", i)
                if i != 0:
                    self._sh(f"ip netns del laptop{i}")  # which gives the radio back

    # ---- who is in the mesh -----------------------------------------------------------------

    def watch(self) -> None:
        """Start the recording daemon, and wait until it knows everything."""
        runtime_directory = f"/run/meshwatch-{self._name}"
        self._sh(f"mkdir -p {runtime_directory}")
        self._daemon = self._daemons.start(
            self._name,
            [
                "--bus=none",
                f"--runtime-directory={runtime_directory}",
                f"--record={self.recording}",
                *self._options,
            ],
        )
        self.witness.follow(runtime_directory)
        self._until(lambda: self.recording.exists() and self._table().ready, START_S)
        self._note("watching")

    def join(self, *laptops: int) -> None:
        """Join the mesh, one right after the other; laptop 0 is the watching one."""
        self._each(laptops, deeds.join("mesh0", beacon_interval_tu=self._interval_tu))
        self._note(f"joined: {_listed(laptops)}")

    def join_one_by_one(self, *laptops: int) -> None:
        """A crowd: each joins when the one before has its link to the watching one."""
        join = deeds.join("mesh0", beacon_interval_tu=self._interval_tu, crowd=True)
        for laptop in laptops:
            self._sh(join, laptop)
            self._note(f"joined: {laptop}")
            self._until(
                lambda: laptop == 0 or self._addresses[laptop] in self._linked(),  # noqa: B023
                SCENE_S,
            )

    def join_secured(self, laptop: int, password: str) -> None:
        """Start or join a mesh that demands a password, with wpa_supplicant."""
        supplicant = Supplicant(
            self._machine, "mesh0", password,
            laptop=f"laptop{laptop}" if laptop else None, beacon_interval_tu=self._interval_tu,
        )  # fmt: skip
        self._supplicants[laptop] = self._helpers.enter_context(supplicant)
        self._note(f"joined with password {password!r}: {laptop}")

    def leave(self, *laptops: int) -> None:
        """Leave it, with a Close to every peer."""
        for laptop in laptops:
            if supplicant := self._supplicants.get(laptop):
                supplicant.leave()
        self._each((i for i in laptops if i not in self._supplicants), deeds.leave("mesh0"))
        self._note(f"left: {_listed(laptops)}")

    def switch_off(self, laptop: int) -> None:
        """Set the interface down."""
        self._sh("ip link set mesh0 down", laptop)
        self._note(f"switched off: {laptop}")

    # ---- the air ----------------------------------------------------------------------------

    def walk_away(self, laptop: int) -> None:
        """Out of everybody's reach, without a word."""
        self._move(laptop, 0)
        self._note(f"out of reach: {laptop}")

    def walk_back(self, laptop: int) -> None:
        """Into everybody's reach."""
        self._move(laptop, 1)
        self._note(f"in reach: {laptop}")

    def in_a_row(self, *laptops: int) -> None:
        """Each hears only the one before and the one after."""
        for laptop, mask in zip(laptops, deeds.chain_masks(len(laptops)), strict=True):
            self._move(laptop, mask)
        self._note(f"in a row: {_listed(laptops)}")

    def set_signal(self, laptop: int, signal_dbm: int) -> None:
        """How strong everybody hears the laptop."""
        self._sh(deeds.set_signal(f"phy{laptop}", signal_dbm))
        self._note(f"signal {signal_dbm} dBm: {laptop}")

    def lose(self, loss: float) -> None:
        """From now on everybody loses this part of the frames, in both directions."""
        if self._air is None:
            self._air = self._helpers.enter_context(Air(self._machine, SEED, self._name))
        self._air.link("*", "*", loss=loss)
        self._note(f"losing {loss:.0%}")

    # ---- what laptops do --------------------------------------------------------------------

    def talk(self, laptop: int) -> None:
        """The watching one pings that laptop from now on."""
        self._traffic = self._machine.spawn(deeds.ping("mesh0", self._addresses[laptop]))
        self._note(f"pinging: {laptop}")

    def fall_silent(self) -> None:
        """The pinging ends."""
        if self._traffic is not None:
            self._traffic.kill(signal.SIGKILL)
            self._traffic = None
        self._note("pinging no more")

    def scan(self, laptop: int) -> None:
        """Look around on all channels, for some 4 s; done on return."""
        self._note(f"scanning: {laptop}")
        self._sh(deeds.scan_to_the_end("mesh0"), laptop)
        self._note(f"scanned: {laptop}")

    def switch_channel(self, laptop: int, frequency_mhz: int) -> None:
        """Lead everybody to another channel."""
        self._sh(deeds.switch_channel("mesh0", frequency_mhz), laptop)
        self._note(f"announced {frequency_mhz} MHz: {laptop}")

    def sleep(self, laptop: int, mode: str) -> None:
        """Fall asleep ("light", "deep") or wake ("active")."""
        self._sh(deeds.set_power_mode("mesh0", mode), laptop)
        self._note(f"power mode {mode}: {laptop}")

    def announce_gate(self, laptop: int, announced: bool) -> None:
        """Be a gate out of the mesh, or be none any more."""
        self._sh(deeds.announce_gate("mesh0", announced), laptop)
        self._note(f"{'a gate' if announced else 'no gate'}: {laptop}")

    def block(self, laptop: int, other: int) -> None:
        """Hold the link to the other blocked, without telling it."""
        clock = self._sh(CLOCK + deeds.block("mesh0", self._addresses[other]), laptop)
        self.witness.note(BLOCKED, clock, self._addresses[laptop], self._addresses[other])
        self._note(f"blocked by {laptop}: {other}")

    def unblock(self, laptop: int, other: int) -> None:
        """Open it again."""
        self._sh(deeds.unblock("mesh0", self._addresses[other]), laptop)
        self._note(f"unblocked by {laptop}: {other}")

    def demand_signal(self, laptop: int, threshold_dbm: int) -> None:
        """Open no more links to whom one hears weaker."""
        self._sh(deeds.set_rssi_threshold("mesh0", threshold_dbm), laptop)
        self._note(f"demands {threshold_dbm} dBm: {laptop}")

    # ---- time -------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Let time pass: it is part of the scene."""
        time.sleep(seconds)

    def until_linked(self, *laptops: int) -> None:
        """Wait until the kernel has established live links to these laptops and no others."""
        wanted = {self._addresses[i] for i in laptops}
        self._until(lambda: self._linked() == wanted, SCENE_S)
        self._note(f"linked: {_listed(laptops)}")

    def until_seen(self, laptop: int, presence: Presence | None, **wanted: Any) -> None:
        """Wait until the recording shows the laptop as this (None: not in the table), and with
        these fields."""

        def seen() -> bool:
            for row in self._table().snapshot():
                if isinstance(row, Neighbor) and row.address == self._addresses[laptop]:
                    shown = {name: getattr(row, name) for name in wanted}
                    return row.presence is presence and shown == wanted
            return presence is None

        self._until(seen, SCENE_S)
        details = "".join(f", {name} {value}" for name, value in wanted.items())
        self._note(f"told {presence or 'gone'}: {laptop}{details}")

    def until_gone(self, *laptops: int) -> None:
        """Wait until the recording shows none of these laptops any more."""
        addresses = {self._addresses[i] for i in laptops}
        self._until(
            lambda: addresses.isdisjoint(
                row.address for row in self._table().snapshot() if isinstance(row, Neighbor)
            ),
            SCENE_S,
        )
        self._note(f"told gone: {_listed(laptops)}")

    def address(self, laptop: int) -> str:
        """The hardware address of its mesh interface."""
        return self._addresses[laptop]

    def _move(self, laptop: int, mask: int) -> None:
        clock = self._sh(CLOCK + deeds.reach(f"phy{laptop}", mask))
        self.witness.note(REACH, clock, self._addresses[laptop], str(mask))

    def _linked(self) -> set[str]:
        dump = self._sh("iw dev mesh0 station dump")
        return {
            station[:17]
            for station in re.split(r"^Station ", dump, flags=re.MULTILINE)[1:]
            if "ESTAB" in station
            and int(re.findall(r"inactive time:\s*(\d+)", station)[0])
            < FRESH_BEACONS * self._interval_tu * TU_MS
        }

    def _table(self) -> Table:
        table = Table()
        with suppress(MalformedCapture), closing(open_recording(self.recording)) as recording:
            for _ in Player(recording, conversations(recording), table):
                pass
        return table  # of a file whose beginning is just being written: empty

    def _until(self, condition: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        began = time.monotonic()
        while not condition():
            if self._daemon is not None and self._daemon.poll() is not None:
                raise MachineError(f"meshwatchd ended:\n{self._daemon.output}")
            if time.monotonic() > deadline:
                story = "\n".join(self.story)
                raise MachineError(f"the scene never came to what it waited for:\n{story}")
            # To look into the recording of a crowd takes the processor that emulates the crowd.
            time.sleep(max(LOOK_INTERVAL_S, 2 * (time.monotonic() - began)))
            began = time.monotonic()

    def _note(self, what: str) -> None:
        self.story.append(f"{int(self._sh('date +%s%3N'))} {what}")

    def _each(self, laptops: Iterable[int], command: str) -> None:
        self._sh("".join(f"{shlex.join(_inside(i))} {command}" for i in laptops))

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
