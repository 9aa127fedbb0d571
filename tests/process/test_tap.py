"""A tap on a monitor interface, in a network namespace where one can be made without a radio.

A tun device hands on what its owner writes and owns what is sent to it, and may say of itself
that its frames begin with a radiotap header: all that a packet socket knows of a monitor
interface. Each test runs in a process of its own, in the new namespace.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from meshwatch.bpf import Instruction
from meshwatch.observations import Monitor
from meshwatch.recording import RADIOTAP
from meshwatch.records import Drained
from meshwatch.tap import FEW, SLOT_BYTES, Tap, beacon_filter, open_tap, peering_filter

ROOT = Path(__file__).parents[2]
DEADLINE_S = 10.0
RECEIVE_BUFFER_BYTES = 1 << 20

# linux/if_tun.h
TUNSETIFF, TUNSETLINK, IFF_TUN = 0x400454CA, 0x400454CD, 0x0001
TUN_HEADER = struct.pack(">HH", 0, 0x0004)  # ETH_P_802_2, as mac80211 says of its frames
ARPHRD_IEEE80211_RADIOTAP = 803

OWN = "42:00:00:00:01:00"  # the sender of all that follow
RECEIVED = bytes.fromhex("00001a002f480000082d74ffdc60060000026c09a000e2000000")
REPORTED = bytes.fromhex("00000d00048002000200000000")
HEADER = bytes.fromhex("0000ffffffffffff4200000001004200000001000000")
BEACON = RECEIVED + b"\x80\0" + HEADER + bytes(8) + b"\xe8\x03\0\0" + bytes(40)
ACCESS_POINT = RECEIVED + b"\x80\0" + HEADER + bytes(8) + b"\x64\0\x01\0" + bytes(40)
OPEN = RECEIVED + b"\xd0\0" + HEADER + b"\x0f\x01" + bytes(30)
PATH_REQUEST = RECEIVED + b"\xd0\0" + HEADER + b"\x0d\x01" + bytes(30)
DOZING = RECEIVED + b"\xc8\x11" + HEADER + bytes(2)
PROBED = REPORTED + b"\xc8\0" + HEADER + bytes(2)
DATA = RECEIVED + b"\x88\x02" + HEADER + bytes(100)


def in_namespace(scenario: Callable[[], None]) -> Callable[[], None]:
    """The test in a process that is root of a new network namespace."""
    name = scenario.__name__
    module = "tests.process." + scenario.__module__.rpartition(".")[2]

    @functools.wraps(scenario)
    def test() -> None:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        call = f"from {module} import {name}; {name}.__wrapped__()"
        done = subprocess.run(
            ["unshare", *as_root, "--net", sys.executable, "-c", call],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return pytest.mark.skipif(
        not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="no tun device may be made"
    )(test)


class Radio:
    """A monitor interface, and the air around it."""

    def __init__(self, name: str = "mon0", hardware: int = ARPHRD_IEEE80211_RADIOTAP) -> None:
        self._air = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._air, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN))
        fcntl.ioctl(self._air, TUNSETLINK, hardware)
        self.monitor = Monitor(socket.if_nametoindex(name), name, 0)
        self.set("up")

    def set(self, *arguments: str) -> None:
        name = socket.if_indextoname(self.monitor.ifindex)
        subprocess.run(["ip", "link", "set", name, *arguments], check=True)

    def emit(self, *frames: bytes) -> None:
        """The interface receives these."""
        for frame in frames:
            os.write(self._air, TUN_HEADER + frame)

    def sent(self) -> bytes:
        """The next frame sent through the interface."""
        poll = select.poll()
        poll.register(self._air, select.POLLIN)
        assert poll.poll(DEADLINE_S * 1000), "nothing was sent"
        return os.read(self._air, 4096)[len(TUN_HEADER) :]

    def delete(self) -> None:
        """The interface ceases to exist."""
        os.close(self._air)


PEERING, BEACONS = peering_filter([OWN]), beacon_filter(beacons=True)


def opened(
    radio: Radio,
    receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    wanted: Sequence[Instruction] = BEACONS,
) -> closing[Tap]:
    return closing(open_tap(radio.monitor, receive_buffer_bytes, wanted))


def next_drain(tap: Tap) -> Drained:
    """What there is, as soon as there is something."""
    poll = select.poll()
    poll.register(tap.fileno(), select.POLLIN)
    assert poll.poll(DEADLINE_S * 1000), "nothing was heard"
    return tap.drain()


def hear(tap: Tap, count: int) -> list[bytes]:
    """So many frames."""
    frames: list[bytes] = []
    while len(frames) < count:
        frames += map(bytes, next_drain(tap).datagrams)
    return frames


def drain_late() -> int:
    """Let time pass before a drain; when it was over. The kernel delivers to another processor in
    its own time, which a process that sleeps would lengthen."""
    late_ns = time.monotonic_ns() + 200_000_000
    while time.monotonic_ns() < late_ns:
        pass
    return late_ns


def await_stamps(radio: Radio, tap: Tap) -> None:
    """The kernel begins to stamp what is received some time after the first socket asked for it
    (net/core/dev.c, netstamp_work); until then the time of a frame is that of its drain."""
    deadline_s = time.monotonic() + DEADLINE_S
    stamped = False
    while not stamped:
        assert time.monotonic() < deadline_s, "nothing is stamped on reception"
        radio.emit(BEACON)
        late_ns = drain_late()
        (heard_ns,) = next_drain(tap).times_ns
        stamped = heard_ns < late_ns


def open_files() -> list[str]:
    """The descriptors of this process."""
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


@contextmanager
def options_of(tap: Tap) -> Iterator[socket.socket]:
    """The tap's socket, to ask the kernel about it."""
    with socket.socket(fileno=os.dup(tap.fileno())) as asked:
        yield asked


# ---- hearing ------------------------------------------------------------------------------------


@in_namespace
def test_hears_what_is_wanted_and_nothing_else() -> None:
    radio = Radio()
    with opened(radio) as tap, opened(radio, wanted=PEERING) as other:
        assert (tap.name, tap.protocol, tap.monitor) == ("tap mon0", RADIOTAP, radio.monitor)
        radio.emit(ACCESS_POINT, BEACON, DATA, PATH_REQUEST, OPEN, DOZING, b"", b"\0", PROBED)
        assert hear(tap, 2) == [BEACON, PROBED]
        assert hear(other, 1) == [OPEN]
        assert tap.drain() == other.drain() == Drained([], False, 0, 0, 0, False, [])


@in_namespace
def test_times_are_those_of_reception() -> None:
    radio = Radio()
    began_ns = time.monotonic_ns()
    with opened(radio) as tap:
        await_stamps(radio, tap)
        radio.emit(*[BEACON] * 70)  # more than a drain takes
        radio.emit(PROBED)
        late_ns = drain_late()
        last = b""
        times_ns: list[int] = []
        while last != PROBED:
            drained = next_drain(tap)
            assert len(drained.times_ns) == len(drained.datagrams)
            times_ns += drained.times_ns
            last = bytes(drained.datagrams[-1])
        assert len(times_ns) == 71
        assert times_ns == sorted(times_ns)
        assert began_ns < times_ns[0]
        assert times_ns[-1] < late_ns
        drained_ns = time.monotonic_ns()
        radio.emit(BEACON)
        (again_ns,) = next_drain(tap).times_ns
        assert drained_ns - 1_000_000_000 < again_ns < time.monotonic_ns()
        assert again_ns > times_ns[-1]


@in_namespace
def test_what_is_fresh_is_had_a_few_at_a_time() -> None:
    radio = Radio()
    with opened(radio) as tap:
        await_stamps(radio, tap)
        radio.emit(*[BEACON] * 3 * FEW)
        for _ in range(3):
            drained = next_drain(tap)
            assert len(drained.datagrams) == FEW
            assert not drained.more
        assert tap.drain() == Drained([], False, 0, 0, 0, False, [])


@in_namespace
def test_what_has_waited_is_had_at_once() -> None:
    radio = Radio()
    with opened(radio) as tap:
        await_stamps(radio, tap)
        radio.emit(*[BEACON] * 50)
        drain_late()
        drained = tap.drain()
        assert drained.more
        assert len(drained.datagrams) == FEW
        assert len(tap.drain().datagrams) == 50 - FEW


@in_namespace
def test_frames_without_room_are_a_loss() -> None:
    radio = Radio()
    with opened(radio, receive_buffer_bytes=1) as tap:  # the kernel grants its minimum
        radio.emit(*[BEACON] * 200)
        drained = next_drain(tap)
        assert drained.overrun
        assert drained.error == 0
        kept = len(drained.datagrams)
        while not drained.datagrams or bytes(drained.datagrams[-1]) != PROBED:
            radio.emit(PROBED)
            drained = next_drain(tap)
            kept += len(drained.datagrams)
        assert not drained.overrun
        assert kept < 200


@in_namespace
def test_a_frame_too_large_is_dropped_and_counted() -> None:
    radio = Radio()
    radio.set("mtu", "9000")
    fits = BEACON + bytes(SLOT_BYTES - len(BEACON))
    with opened(radio) as tap:
        radio.emit(fits + b"\0", BEACON + bytes(5000), fits, PROBED)
        truncated = 0
        frames: list[bytes] = []
        while len(frames) < 2:
            drained = next_drain(tap)
            truncated += drained.truncated
            frames += [bytes(frame) for frame in drained.datagrams]
            assert not drained.overrun
        assert truncated == 2
        assert frames == [fits, PROBED]


@in_namespace
def test_an_interface_goes_down_and_comes_up() -> None:
    radio = Radio()
    with opened(radio) as tap:
        radio.set("down")
        assert next_drain(tap).error == errno.ENETDOWN
        assert tap.drain().error == 0
        radio.set("up")
        radio.emit(BEACON)
        assert hear(tap, 1) == [BEACON]
        radio.delete()
        assert next_drain(tap).error == errno.ENETDOWN
        assert tap.drain() == Drained([], False, 0, 0, 0, False, [])


@in_namespace
def test_one_that_is_down_is_heard_when_it_comes_up() -> None:
    radio = Radio()
    radio.set("down")
    with opened(radio) as tap:
        assert tap.drain().error == errno.ENETDOWN
        radio.set("up")
        radio.emit(BEACON)
        assert hear(tap, 1) == [BEACON]


# ---- sending ------------------------------------------------------------------------------------


@in_namespace
def test_sends_and_nobody_takes_it_for_something_heard() -> None:
    radio = Radio()
    probe = bytes.fromhex("0000080000000000") + b"\xd0\0" + HEADER + b"\x0f\x01"
    with opened(radio) as tap, opened(radio) as other:
        tap.send(probe)
        assert radio.sent() == probe
        radio.emit(BEACON)
        assert hear(tap, 1) == hear(other, 1) == [BEACON]
        radio.set("down")
        with pytest.raises(OSError, match="down"):
            tap.send(probe)


# ---- opening and closing ------------------------------------------------------------------------


@in_namespace
def test_an_interface_is_known_by_its_index() -> None:
    radio = Radio()
    radio.set("down")
    radio.set("name", "air0")
    radio.set("up")
    Radio("mon0")
    with opened(radio) as tap:
        radio.emit(BEACON)
        assert hear(tap, 1) == [BEACON]


@in_namespace
def test_what_is_no_monitor_interface_is_refused() -> None:
    ethernet = Radio("mesh0", hardware=1)
    before = open_files()
    with pytest.raises(OSError, match="mesh0 is no monitor interface") as refused:
        open_tap(ethernet.monitor, RECEIVE_BUFFER_BYTES, BEACONS)
    with pytest.raises(OSError, match="No such device") as absent:
        open_tap(Monitor(99, "mon0", 0), RECEIVE_BUFFER_BYTES, BEACONS)
    # While the tracebacks are kept, and with them what was opened.
    assert refused.tb and absent.tb
    assert open_files() == before


@in_namespace
def test_the_filter_cannot_be_taken_off() -> None:
    so_detach_filter = 27
    with opened(Radio()) as tap, options_of(tap) as asked, pytest.raises(PermissionError):
        asked.setsockopt(socket.SOL_SOCKET, so_detach_filter, 0)


@in_namespace
def test_the_receive_buffer_is_within_what_everybody_may_have() -> None:
    radio = Radio()
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    for wanted in (limit // 2, 4 * limit):
        with opened(radio, wanted) as tap, options_of(tap) as asked:
            size = asked.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        # The kernel counts its own overhead in, by doubling (socket(7)).
        assert size == 2 * min(wanted, limit)


@in_namespace
def test_closed_and_opened_again() -> None:
    radio = Radio()
    tap = open_tap(radio.monitor, RECEIVE_BUFFER_BYTES, BEACONS)
    tap.close()
    tap.close()
    assert tap.fileno() == -1
    assert tap.drain().error == errno.EBADF
    with pytest.raises(OSError, match="descriptor"):
        tap.send(BEACON)
    before = open_files()
    for _ in range(20):
        with opened(radio) as tap:
            radio.emit(BEACON)
            assert hear(tap, 1) == [BEACON]
    assert open_files() == before


def test_nobody_may_not() -> None:
    script = """
import os
from meshwatch.observations import Monitor
from meshwatch.tap import beacon_filter, open_tap
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    open_tap(Monitor(1, "lo", 0), 1 << 20, beacon_filter(beacons=True))
except PermissionError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "not permitted" in done.stdout
