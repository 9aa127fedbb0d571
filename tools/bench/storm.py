"""Prints what crowds and a link that bounces send through sockets and bus.

Run as ``python -m tools.bench.storm [--recording FILE] [--neighbors 500] [--bounces 300]``. The
first crowd is one of forty radios in a booted kernel, of which thirty-nine come one by one, four
leave and four are carried away: a recording of the tests, played as fast as it was made. The other
comes at once; for it, and for the link that bounces, what the kernel would say is put together from
a station that Linux 6.1 described, in answer to what the real conversation asks, and becomes a
recording: the neighbors' entries appear evenly over one second, each link works 20 ms later; the
link that bounces falls once in two seconds and rises a second later. A real meshwatchd plays each
to a real dbus-daemon and to a reader of each of its sockets.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import le
from pathlib import Path
from typing import IO

from meshwatch.model import Plink
from meshwatch.nl80211 import Nl80211
from meshwatch.recording import Writer
from meshwatch.records import decode
from tests.pure import kernel_bytes as k
from tools.bench.poll import COMMAND, INACTIVE, MAC, RX_PACKETS, datagrams
from tools.record.expect import RECORDINGS, title, unpacked

CROWD = RECORDINGS / "tap/crowd-6.12.pcapng.xz"
GENERIC = 16  # netlink's protocol
PLINK = 140  # where REAL_STATION has it
MS = 1_000_000
BEACON_MS = 1024
LEAD_MS = 5000.0  # in which readers come
LINK_MS = 20.0  # from a station entry to a link that works
AFTER_MS = 3000.0
BOUNCE_MS = 2000.0
START_S, END_S = 30.0, 120.0
#: pcap as dbus-monitor writes it: the file's header, and a record's, with its length.
PCAP_HEADER, PCAP_RECORD = 24, struct.Struct("=IIII")
SIGNAL = 4  # the type of a D-Bus message, its second byte


@dataclass
class Life:
    """A station: since when it has an entry, and at what times its link works."""

    address: str
    came_ms: float
    works: Callable[[float], bool]

    def described(self, now_ms: float) -> bytearray:
        """The kernel's station entry."""
        age_ms = int(now_ms - self.came_ms)
        message = bytearray(k.REAL_STATION)
        message[MAC : MAC + 6] = bytes.fromhex(self.address.replace(":", ""))
        message[PLINK] = Plink.ESTAB if self.works(now_ms) else Plink.LISTEN
        struct.pack_into("=I", message, INACTIVE, age_ms % BEACON_MS)
        struct.pack_into("=I", message, RX_PACKETS, 1 + age_ms // BEACON_MS)
        return message


def crowd(neighbors: int) -> list[Life]:
    """They come within one second."""
    lives = []
    for number in range(neighbors):
        address = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        came_ms = LEAD_MS + 1000 * number / neighbors
        lives.append(Life(address, came_ms, partial(le, came_ms + LINK_MS)))
    return lives


def bouncing() -> list[Life]:
    """A link that works every other second."""
    return [Life(k.A, LEAD_MS, lambda ms: (ms - LEAD_MS) % BOUNCE_MS < BOUNCE_MS / 2)]


def record(path: Path, lives: list[Life], end_ms: float) -> int:
    """Have the conversation and such a kernel talk, in virtual time; how much the kernel said."""
    writer = Writer(path, release="bench", kernel="put together", wall_offset_ns=0)
    conversation = Nl80211()
    said_bytes = 0

    def hear(datagram: bytes, now_ms: float) -> None:
        nonlocal said_bytes
        said_bytes += len(datagram)
        writer.received(GENERIC, datagram, round(now_ms * MS))
        list(conversation.receive(datagram, round(now_ms * MS)))

    def turn(now_ms: float) -> None:
        now = round(now_ms * MS)
        list(conversation.wake(now))
        while requests := conversation.outgoing():
            for request in requests:
                writer.sent(GENERIC, request, now)
                conversation.sent(request, now)
                for datagram in answer(request, lives, now_ms):
                    hear(datagram, now_ms)

    now_ms = 0.0
    hear(k.family(), now_ms)
    turn(now_ms)
    coming = [life for life in lives if life.came_ms <= end_ms]
    while now_ms < end_ms:
        deadline = conversation.deadline()
        due_ms = end_ms if deadline is None else deadline / MS
        now_ms = min([due_ms, end_ms, *(life.came_ms for life in coming[:1])])
        while coming and coming[0].came_ms <= now_ms:
            hear(k.station_event(k.NEW_STATION, coming.pop(0).address), now_ms)
        turn(now_ms)
    writer.close()
    return said_bytes


def answer(request: bytes, lives: list[Life], now_ms: float) -> Iterator[bytes]:
    """What the kernel answers."""
    _, flags, seq = k.head(request)
    there = [life for life in lives if life.came_ms <= now_ms]
    if request[COMMAND] == k.GET_INTERFACE:
        yield k.interface(seq=seq, flags=k.MULTI)
        yield k.done(seq)
    elif flags & k.DUMP == k.DUMP:
        yield from datagrams((life.described(now_ms) for life in there), seq)
    else:
        (asked,) = decode(request, k.FAMILY)
        one = next(life for life in there if life.address == asked.address)
        yield k.renumbered(bytes(one.described(now_ms)), seq)


@dataclass
class Door:
    """What came through a socket or the bus, by kind."""

    count: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)
    first_s: float = 0.0  # of the news
    last_s: float = 0.0

    def came(self, kind: str, size_bytes: int) -> None:
        """Something of this kind."""
        self.count[kind] += 1
        self.size_bytes[kind] += size_bytes

    def __str__(self) -> str:
        kinds = ", ".join(
            f"{n} {kind} {self.size_bytes[kind]:,} B" for kind, n in sorted(self.count.items())
        )
        return kinds or "nothing"


def read_socket(stream: socket.socket, door: Door) -> None:
    """Count the lines that come after the first snapshot, to the end."""
    complete = False
    with stream, stream.makefile("rb") as lines:
        for line in lines:
            told = json.loads(line)
            if complete:
                door.came(told["class"], len(line))
                if told["class"] in ("changed", "removed"):
                    door.last_s = time.monotonic()
                    door.first_s = door.first_s or door.last_s
            complete |= told["class"] == "snapshot" and not told.get("more", False)


def read_bus(stream: IO[bytes], door: Door) -> None:
    """Count the signals of meshwatchd in what dbus-monitor writes."""
    stream.read(PCAP_HEADER)
    while len(head := stream.read(PCAP_RECORD.size)) == PCAP_RECORD.size:
        message = stream.read(PCAP_RECORD.unpack(head)[2])
        names = (b"InterfacesAdded", b"InterfacesRemoved", b"PropertiesChanged")
        name = next((name.decode() for name in names if name + b"\0" in message[:400]), None)
        if message[1] == SIGNAL and name is not None:
            door.came(name, len(message))


@contextmanager
def program(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def connected(path: Path) -> socket.socket:
    """A connection to a socket that is about to be made."""
    give_up = time.monotonic() + START_S
    while True:
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(str(path))
            return stream
        except OSError:
            stream.close()
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """What a process has taken of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def play(recording: Path, speed: float) -> tuple[dict[str, Door], float]:
    """Have a meshwatchd play it to all doors; what came through them, and its CPU time."""
    directory = recording.parent
    doors = {name: Door() for name in ("news.sock", "live.sock", "D-Bus")}
    address = f"unix:path={directory / 'bus'}"
    bus = ("dbus-daemon", "--session", "--nofork", "--print-address", f"--address={address}")
    with program(*bus) as message_daemon:
        assert message_daemon.stdout is not None
        message_daemon.stdout.readline()
        listen = ("dbus-monitor", "--pcap", "--address", address, "sender='org.meshwatch'")
        with program(*listen) as monitor:
            assert monitor.stdout is not None
            readers = [threading.Thread(target=read_bus, args=(monitor.stdout, doors["D-Bus"]))]
            command = (
                *(sys.executable, "-m", "meshwatch.daemon", "--runtime-directory", str(directory)),
                *("--bus", address, "--replay", str(recording), "--speed", str(speed)),
            )
            with program(*command) as daemon:
                for name in ("news.sock", "live.sock"):
                    stream = connected(directory / name)
                    readers.append(threading.Thread(target=read_socket, args=(stream, doors[name])))
                for reader in readers:
                    reader.start()
                assert daemon.stderr is not None
                while b"is at its end" not in (line := daemon.stderr.readline()):
                    if not line:
                        raise RuntimeError("meshwatchd ended")
                spent_s = cpu_s(daemon.pid)
            for reader in readers[1:]:
                reader.join(END_S)
        readers[0].join(END_S)
    return doors, spent_s


def show(what: str, doors: dict[str, Door], spent_s: float) -> None:
    """One paragraph."""
    news = doors["news.sock"]
    print(what)
    for name, door in doors.items():
        print(f"  {name:10} {sum(door.size_bytes.values()):>11,} B: {door}")
    print(f"  from the first news to the last {news.last_s - news.first_s:.2f} s; "
          f"meshwatchd took {spent_s:.1f} s of CPU in all", flush=True)  # fmt: skip


def main() -> None:
    """Print all."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--recording", type=Path, default=CROWD, metavar="FILE")
    arguments.add_argument("--neighbors", type=int, default=500)
    arguments.add_argument("--bounces", type=int, default=300)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "crowd.pcapng"
        recording.write_bytes(unpacked(options.recording))
        doors, spent_s = play(recording, 1)
        show(f"recorded: {title(options.recording)}", doors, spent_s)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "storm.pcapng"
        lives = crowd(options.neighbors)
        said = record(recording, lives, LEAD_MS + 1000 + AFTER_MS)
        doors, spent_s = play(recording, 1)
        show(f"{options.neighbors} neighbors within 1 s, and {AFTER_MS / 1000:.0f} s more "
             f"({said:,} B from the kernel)", doors, spent_s)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "bounce.pcapng"
        span_ms = options.bounces * BOUNCE_MS
        said = record(recording, bouncing(), LEAD_MS + span_ms)
        doors, spent_s = play(recording, 20)
        show(f"a link that falls and rises {options.bounces} times in {span_ms / 60_000:.0f} min, "
             f"played 20 times as fast ({said:,} B from the kernel)", doors, spent_s)  # fmt: skip


if __name__ == "__main__":
    main()
