"""Prints what a quiet mesh costs meshwatchd, with a tap on it and without: CPU of one process.

Run as ``python -m tools.bench.tap [--recording FILE] [--seconds 20] [INTERVAL_TU...]``. In a
network namespace of its own a tun device that says it is a monitor interface hears the beacons of
all neighbors and our own, as a tap recorded them in a crowd of forty radios, but as often as is
asked for; they go through a real packet socket, the daemon's pump, conversation, table and feed (to
whom nobody listens). ``--neighbors N`` hears so many that were made up instead. The stations are
looked at once a second as ever: that too is the daemon's, except that the answers are put together
from a station that Linux 6.1 described, and their making is not counted. So the kernel's work for a
dump is not in the figure; for frames, its work at the reader's end of the socket is.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

from meshwatch._csrc import lib
from meshwatch.feed import Feed
from meshwatch.frames import Frames, decode
from meshwatch.model import Neighbor, Presence
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import BeaconSeen, Monitor, Observation, StationsSwept
from meshwatch.pump import Pump
from meshwatch.records import Drained
from meshwatch.table import Table
from meshwatch.tap import beacon_filter, open_tap, peering_filter
from tests.process.test_tap import Radio
from tests.pure import frame_bytes as f
from tests.pure import kernel_bytes as k
from tools.bench.poll import COMMAND, MAC, datagrams, stations
from tools.record.expect import RECORDINGS, opened

CROWD = RECORDINGS / "tap/crowd-6.12.pcapng.xz"
INTERVAL = 24 + 8  # where a beacon has it: behind the header and the timestamp
INSIDE = "MESHWATCH_BENCH_INSIDE"  # set in the namespace
GENERIC = 16
TU_S = 0.001024
WARM_UP_S = 3.0  # until everybody was heard twice, at 1000 TU
RECEIVE_BUFFER_BYTES = 1 << 20


class Mesh(NamedTuple):
    """Our address, and the last beacon of everybody, ours first."""

    own: str
    beacons: dict[str, bytes]

    @property
    def neighbors(self) -> list[str]:
        """The others' addresses."""
        return list(self.beacons)[1:]


def recorded(path: Path) -> Mesh:
    """What the tap of a recording heard and reported."""
    ours: dict[str, bytes] = {}
    theirs: dict[str, bytes] = {}
    with closing(opened(path)) as recording:
        for packet in recording:
            if not isinstance(packet.monitor, Monitor) or packet.outgoing:
                continue
            frame = decode(packet.data)
            if frame is not None and frame.kind == lib.MW_FRAME_BEACON:
                beacons = ours if frame.is_ours else theirs
                beacons[frame.transmitter.hex(":")] = bytes(packet.data)
    (own,) = ours
    return Mesh(own, ours | theirs)


def made(neighbors: int) -> Mesh:
    """As many as are wanted."""
    beacons = {f.OWN: f.reported(f.beacon(f.OWN))}
    for number in range(neighbors):
        address = f"02:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"
        beacons[address] = f.heard(f.beacon(address))
    return Mesh(f.OWN, beacons)


class Kernel:
    """Answers what the conversation asks, in the place of nl80211's channel."""

    name = "put together"
    protocol = GENERIC
    monitor: Monitor | None = None

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._never = os.eventfd(0)
        self._said = [k.family()]
        self._looks = count()
        self.spent_ns = 0  # by the making of answers

    def fileno(self) -> int:
        """There is never anything to wait for: answers are there when a request was sent."""
        return self._never

    def drain(self) -> Drained:
        """The answers."""
        said, self._said = self._said, []
        return Drained([memoryview(datagram) for datagram in said], False, 0, 0, 0, False)

    def send(self, message: bytes) -> None:
        """Answer it."""
        began_ns = time.process_time_ns()
        seq = k.head(message)[2]
        if message[COMMAND] == k.GET_INTERFACE:
            ours = k.interface(seq=seq, flags=k.MULTI).replace(f.mac(f.OWN), f.mac(self._mesh.own))
            self._said += [ours, k.done(seq)]
        elif message[COMMAND] == k.GET_STATION:
            neighbors = self._mesh.neighbors
            messages = stations(len(neighbors), next(self._looks))
            for station, address in zip(messages, neighbors, strict=True):
                station[MAC : MAC + 6] = f.mac(address)
            self._said += datagrams(messages, seq)
        self.spent_ns += time.process_time_ns() - began_ns

    def close(self) -> None:
        """Nothing is left."""
        os.close(self._never)


class Quiet:
    """What the daemon is made of, around a mesh in which nothing happens."""

    def __init__(self, mesh: Mesh) -> None:
        self._table = Table()
        self._feed = Feed(self._table.snapshot)
        self._timer: asyncio.TimerHandle | None = None
        self._kernel = Kernel(mesh)
        self._pumps = [Pump(Nl80211(), self._observed)]
        self.beacons = self.looks = self.questions = 0

    def open(self, monitor: Monitor | None, *, beacons: bool) -> None:
        """Begin, with a tap or without, which hears beacons or not."""
        self._feed.open()
        if monitor is not None:
            filters = peering_filter([f.OWN]), beacon_filter(beacons=beacons)
            taps = [open_tap(monitor, RECEIVE_BUFFER_BYTES, each) for each in filters]
            self._pumps.append(Pump(Frames(monitor), self._observed))
            self._pumps[-1].open(taps, taps[-1])
        self._pumps[0].open([self._kernel], self._kernel)

    def close(self) -> None:
        """The end."""
        for pump in self._pumps:
            pump.close()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def spent_ns(self) -> int:
        """CPU of this process, as far as it would be the daemon's."""
        return time.process_time_ns() - self._kernel.spent_ns

    @property
    def present(self) -> int:
        """Neighbors."""
        rows = self._table.snapshot()
        return sum(isinstance(r, Neighbor) and r.presence is Presence.PRESENT for r in rows)

    def _observed(self, origin: Pump, observations: list[Observation], now: int) -> None:
        for observation in observations:
            self._feed.publish(self._table.observe(observation, now))
            self.beacons += isinstance(observation, BeaconSeen)
            self.looks += isinstance(observation, StationsSwept)
        self._settle()
        for pump in self._pumps:
            if pump is not origin:
                pump.notice(observations, now)

    def _settle(self) -> None:
        questions = self._table.questions()
        self.questions += len(questions)
        if questions:
            self._pumps[0].notice(questions, time.monotonic_ns())
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._table.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline / 1e9, self._ticked)

    def _ticked(self) -> None:
        self._feed.publish(self._table.tick(time.monotonic_ns()))
        self._settle()


def schedule(mesh: Mesh, interval_tu: int) -> Iterator[tuple[float, bytes]]:
    """Beacons and when they are due, for ever: everybody's at his own phase."""
    frames = [claiming(interval_tu, beacon) for beacon in mesh.beacons.values()]
    for turn in count():
        for place, frame in enumerate(frames):
            yield (turn + place / len(frames)) * interval_tu * TU_S, frame


def claiming(interval_tu: int, beacon: bytes) -> bytes:
    """The beacon with this interval."""
    at = int.from_bytes(beacon[2:4], "little") + INTERVAL
    return beacon[:at] + interval_tu.to_bytes(2, "little") + beacon[at + 2 :]


def send(radio: Radio, mesh: Mesh, interval_tu: int) -> None:
    """The other process: the air."""
    began = time.monotonic()
    for due_s, frame in schedule(mesh, interval_tu):
        time.sleep(max(0.0, began + due_s - time.monotonic()))
        radio.emit(frame)


async def measure(
    mesh: Mesh, monitor: Monitor | None, seconds: float, *, all_frames: bool = True
) -> str:
    """One row of the table that is printed."""
    quiet = Quiet(mesh)
    quiet.open(monitor, beacons=all_frames)
    await asyncio.sleep(WARM_UP_S)
    beacons, looks, questions = quiet.beacons, quiet.looks, quiet.questions
    began, spent_ns = time.monotonic(), quiet.spent_ns
    await asyncio.sleep(seconds)
    wall_s, spent_ns = time.monotonic() - began, quiet.spent_ns - spent_ns
    beacons, looks = quiet.beacons - beacons, quiet.looks - looks
    asked = quiet.questions - questions
    assert quiet.present == len(mesh.neighbors), f"{quiet.present} are present"
    quiet.close()
    return (
        f"{'tap' if monitor else 'bare':5} {beacons / wall_s:9.0f} {looks / wall_s:9.2f}"
        f" {asked:10} {spent_ns / 1e7 / wall_s:9.2f} %"
    )


def inside(mesh: Mesh, seconds: float, intervals_tu: list[int]) -> None:
    """Print the table, in a network namespace of our own."""
    print(f"{len(mesh.neighbors)} neighbors{'':16}beacons/s   looks/s  questions  of a core")
    print(f"{'no tap':22} {asyncio.run(measure(mesh, None, seconds))}", flush=True)
    radio = Radio()
    for interval_tu in intervals_tu:
        air = multiprocessing.get_context("fork").Process(
            target=send, args=(radio, mesh, interval_tu), daemon=True
        )
        air.start()
        for heard, said in ((True, ""), (False, ", left out")):
            row = asyncio.run(measure(mesh, radio.monitor, seconds, all_frames=heard))
            print(f"{f'every {interval_tu} TU{said}':22} {row}", flush=True)
        air.terminate()
        air.join()


def main() -> None:
    """Enter a namespace, and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("intervals", type=int, nargs="*", default=[1000, 100], metavar="TU")
    arguments.add_argument("--recording", type=Path, default=CROWD, metavar="FILE")
    arguments.add_argument("--neighbors", type=int, metavar="N", help="made up, instead")
    arguments.add_argument("--seconds", type=float, default=20)
    options = arguments.parse_args()
    if INSIDE in os.environ:
        mesh = made(options.neighbors) if options.neighbors else recorded(options.recording)
        inside(mesh, options.seconds, options.intervals)
        return
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        print("no tun device may be made here")
        return
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *as_root, "--net", sys.executable, "-m", "tools.bench.tap"]
    done = subprocess.run([*command, *sys.argv[1:]], env={**os.environ, INSIDE: "1"}, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
