"""Opens the packet sockets of taps: a tap hears the frames of a monitor interface, and sends some.

The kernel throws away nearly everything on the air before it costs us anything: a classic BPF
program, attached before the socket hears its first frame and then locked, lets in what the
conversation about frames understands. CAP_NET_RAW is needed, to open and no more; the monitor
interface must exist.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from array import array
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import NamedTuple

from meshwatch._csrc import ffi, lib
from meshwatch.observations import Monitor
from meshwatch.recording import RADIOTAP
from meshwatch.records import Drained

SLOT_BYTES = 2048  # for one frame; a mesh beacon has some hundred

# Linux's headers; Python has no names for them.
SO_ATTACH_FILTER, SO_LOCK_FILTER, SO_TIMESTAMPNS_NEW = 26, 44, 64  # asm-generic/socket.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # linux/socket.h, linux/if_packet.h
ETH_P_ALL = 0x0003  # linux/if_ether.h
ARPHRD_IEEE80211_RADIOTAP = 803  # linux/if_arp.h


class Instruction(NamedTuple):
    """``struct sock_filter``; a jump skips as many instructions as it says."""

    code: int
    operand: int = 0
    if_true: int = 0
    if_false: int = 0


# linux/bpf_common.h: A is the accumulator, X the index register.
LOAD = 0x30  # A = frame[operand]
LOAD_AT_X = 0x50  # A = frame[X + operand]
SHIFT_LEFT = 0x64  # A <<= operand
OR_X = 0x4C  # A |= X
COPY_TO_X = 0x07  # X = A
IF_EQUAL = 0x15  # A == operand
IF_GREATER = 0x25  # A > operand
IF_GREATER_EQUAL = 0x35  # A >= operand
IF_ANY_BIT = 0x45  # A & operand
RETURN = 0x06  # keep this many bytes of the frame; a load beyond its end keeps none

# Frame control, first octet (IEEE 802.11-2020 9.2.4.1): version 0, type, subtype.
BEACON, ACTION, QOS_NULL = 0x80, 0xD0, 0xC8
SELF_PROTECTED = 15  # action category (9.4.1.11); its actions 1 to 3 are Open, Confirm, Close

FILTER = (
    # X: the length of the radiotap header, two octets at 2, little-endian.
    Instruction(LOAD, 3),
    Instruction(SHIFT_LEFT, 8),
    Instruction(COPY_TO_X),
    Instruction(LOAD, 2),
    Instruction(OR_X),
    Instruction(COPY_TO_X),
    # What is it? Further flags in the second octet, as that of a retry, do not matter.
    Instruction(LOAD_AT_X, 0),
    Instruction(IF_EQUAL, BEACON, if_true=2),
    Instruction(IF_EQUAL, ACTION, if_true=3),
    Instruction(IF_EQUAL, QOS_NULL, if_true=7, if_false=10),
    # A beacon: behind the header (24), timestamp (8) and interval (2) is the capability, in which
    # access points and members of an IBSS set one of the lowest two bits, mesh stations neither
    # (9.4.1.4).
    Instruction(LOAD_AT_X, 34),
    Instruction(IF_ANY_BIT, 0x03, if_true=8, if_false=7),
    # An action frame: behind the header are category and action.
    Instruction(LOAD_AT_X, 24),
    Instruction(IF_EQUAL, SELF_PROTECTED, if_false=6),
    Instruction(LOAD_AT_X, 25),
    Instruction(IF_GREATER_EQUAL, 1, if_false=4),
    Instruction(IF_GREATER, 3, if_true=3, if_false=2),
    # A QoS Null frame: those of dozing stations fill the air. What became of our own has TX flags,
    # which are bit 15 of the radiotap header's presence bits at 4 (radiotap.org).
    Instruction(LOAD, 5),
    Instruction(IF_ANY_BIT, 0x80, if_false=1),
    # One byte more than fits: so a longer frame is seen to be truncated.
    Instruction(RETURN, SLOT_BYTES + 1),
    Instruction(RETURN, 0),
)


def _without_beacons() -> Iterator[Instruction]:
    for place, instruction in enumerate(FILTER):
        dropped = len(FILTER) - 1
        if instruction[:2] == (IF_EQUAL, BEACON):
            yield instruction._replace(if_true=dropped - place - 1)
        else:
            yield instruction


#: On a small machine in a crowd: beacons are by far the most of what there is to hear.
FILTER_WITHOUT_BEACONS = tuple(_without_beacons())


def open_tap(monitor: Monitor, receive_buffer_bytes: int, *, beacons: bool = True) -> Tap:
    """Hear a monitor interface, with its beacons or only peering frames and what became of link
    probes; ``receive_buffer_bytes`` is limited by net.core.rmem_max.

    PermissionError without CAP_NET_RAW; OSError if there is no such interface, or if it is no
    monitor interface. One that is down is heard as soon as it is up.
    """
    # Protocol 0 hears nothing at all, until it is bound to the interface with another.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(opened, FILTER if beacons else FILTER_WITHOUT_BEACONS)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        # What other programs send is heard when it comes back with TX flags: from the air.
        opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        name = socket.if_indextoname(monitor.ifindex)  # today's
        opened.bind((name, ETH_P_ALL))
        if opened.getsockname()[3] != ARPHRD_IEEE80211_RADIOTAP:
            raise OSError(errno.EPROTOTYPE, f"{name} is no monitor interface with radiotap headers")
    except BaseException:
        opened.close()
        raise
    return Tap(monitor, opened)


def attach_filter(opened: socket.socket, instructions: Sequence[Instruction]) -> None:
    """Let only wanted frames in, for as long as the socket lives."""
    program = array(
        "B",
        b"".join(
            struct.pack("=HBBI", code, if_true, if_false, operand)
            for code, operand, if_true, if_false in instructions
        ),
    )
    address, _ = program.buffer_info()
    described = struct.pack("HP", len(instructions), address)  # struct sock_fprog
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
    opened.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)


class Tap:
    """One packet socket, with the face of a :class:`meshwatch.kernel.Channel`."""

    protocol = RADIOTAP

    def __init__(self, monitor: Monitor, bound: socket.socket) -> None:
        self.name = f"tap {monitor.name}"
        self.monitor = monitor
        self._socket = bound
        self._buffer = mmap(-1, lib.MW_TAP_SLOTS_MAX * SLOT_BYTES)
        self._view = memoryview(self._buffer).toreadonly()
        self._slots = ffi.from_buffer(self._buffer)
        self._tapped = ffi.new("struct mw_tapped *")
        self._heard_ns = time.monotonic_ns()  # everything that is older was heard

    def fileno(self) -> int:
        """The descriptor, to wait on; -1 when closed."""
        return self._socket.fileno()

    def drain(self) -> Drained:
        """Every frame that waits, behind its radiotap header, and when the kernel received it.

        ``error`` is ENETDOWN, once, when the interface was set down or deleted. If it comes up
        again, the tap hears again.
        """
        tapped = self._tapped
        lib.mw_tap_drain(self.fileno(), self._slots, SLOT_BYTES, lib.MW_TAP_SLOTS_MAX, tapped)
        now = time.monotonic_ns()
        ahead_ns = time.time_ns() - now
        frames = []
        times_ns = []
        lengths = ffi.unpack(tapped.lengths, tapped.slots)
        stamps_ns = ffi.unpack(tapped.realtime_ns, tapped.slots)
        for slot, (length, stamp_ns) in enumerate(zip(lengths, stamps_ns, strict=True)):
            if not length:
                continue
            frames.append(self._view[slot * SLOT_BYTES : slot * SLOT_BYTES + length])
            # The wall clock may have been set since, or the machine have slept: but no frame
            # came after now, and none before those that were heard.
            received_ns = stamp_ns - ahead_ns if stamp_ns else now
            self._heard_ns = min(max(received_ns, self._heard_ns + 1), now)
            times_ns.append(self._heard_ns)
        if not tapped.more:
            self._heard_ns = now
        return Drained(
            frames,
            tapped.drops > 0,
            tapped.truncated,
            0,
            tapped.error,
            tapped.more != 0,
            times_ns,
        )

    def send(self, frame: bytes) -> None:
        """Send one frame, a radiotap header before it; OSError if the kernel does not take it."""
        self._socket.send(frame)

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()
