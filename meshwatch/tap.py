"""Opens the packet sockets of taps: a tap hears the frames of a monitor interface, and sends some.

The kernel throws away nearly everything on the air before it costs us anything: a classic BPF
program, attached before the socket hears its first frame and then locked, lets in what the
conversation about frames understands: on one socket peering frames, on another all else.
CAP_NET_RAW is needed, to open and no more; the monitor interface must exist.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable, Sequence
from mmap import mmap

from meshwatch._csrc import ffi, lib
from meshwatch.bpf import (
    COPY_TO_X,
    IF_ANY_BIT,
    IF_EQUAL,
    IF_GREATER,
    IF_GREATER_EQUAL,
    LOAD,
    LOAD_AT_X,
    LOAD_HALF_AT_X,
    LOAD_WORD_AT_X,
    OR_X,
    RETURN,
    SHIFT_LEFT,
    Instruction,
    Step,
    assemble,
    attach_filter,
)
from meshwatch.observations import Monitor
from meshwatch.recording import RADIOTAP
from meshwatch.records import Drained

SLOT_BYTES = 2048  # for one frame; a mesh beacon has some hundred

#: Frames of a drain. Stations beacon all at once, and peer as soon as they hear a beacon: what is
#: asked of the kernel then must not wait until all beacons are had. But frames that have waited
#: so long already are had at once, as without them their senders would seem to be silent.
FEW = 4
WAITED_NS = 100_000_000

# Linux's headers; Python has no names for them.
SO_TIMESTAMPNS_NEW = 64  # asm-generic/socket.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # linux/socket.h, linux/if_packet.h
ETH_P_ALL = 0x0003  # linux/if_ether.h
ARPHRD_IEEE80211_RADIOTAP = 803  # linux/if_arp.h


# Frame control, first octet (IEEE 802.11-2020 9.2.4.1): version 0, type, subtype.
BEACON, ACTION, QOS_NULL = 0x80, 0xD0, 0xC8
RECEIVER, TRANSMITTER = 4, 10  # where they stand in the header
SELF_PROTECTED = 15  # action category (9.4.1.11); its actions 1 to 3 are Open, Confirm, Close

#: With more interfaces the filter does not ask whom a peering frame concerns: jumps are short.
MOST_OWN = 8


# X: the length of the radiotap header, two octets at 2, little-endian.
_RADIOTAP_HEADER = (
    Step(LOAD, 3),
    Step(SHIFT_LEFT, 8),
    Step(COPY_TO_X),
    Step(LOAD, 2),
    Step(OR_X),
    Step(COPY_TO_X),
)
_KEEP_OR_DROP = {
    # One byte more than fits: so a longer frame is seen to be truncated.
    "keep": [Step(RETURN, SLOT_BYTES + 1)],
    "drop": [Step(RETURN, 0)],
}


def peering_filter(own: Iterable[str]) -> tuple[Instruction, ...]:
    """Lets in peering frames to or from the ``own`` addresses, as where somebody joins a crowd,
    most are not.
    """
    return assemble(
        {
            "radiotap header": _RADIOTAP_HEADER,
            # Further flags in the second octet, as that of a retry, do not matter. Behind the
            # header are category and action.
            "action": [
                Step(LOAD_AT_X, 0),
                Step(IF_EQUAL, ACTION, if_false="drop"),
                Step(LOAD_AT_X, 24),
                Step(IF_EQUAL, SELF_PROTECTED, if_false="drop"),
                Step(LOAD_AT_X, 25),
                Step(IF_GREATER_EQUAL, 1, if_false="drop"),
                Step(IF_GREATER, 3, if_true="drop"),
            ],
            **_concerns(sorted(own)),
            **_KEEP_OR_DROP,
        }
    )


def beacon_filter(*, beacons: bool) -> tuple[Instruction, ...]:
    """Lets in what became of QoS Null frames, and beacons, unless they are by far too many for a
    small machine in a crowd.
    """
    return assemble(
        {
            "radiotap header": _RADIOTAP_HEADER,
            "frame control": [
                Step(LOAD_AT_X, 0),
                Step(IF_EQUAL, BEACON, if_true="beacon" if beacons else "drop"),
                Step(IF_EQUAL, QOS_NULL, if_true="status", if_false="drop"),
            ],
            # Behind the header (24), timestamp (8) and interval (2) is the capability, in which
            # access points and members of an IBSS set one of the lowest two bits, mesh stations
            # neither (9.4.1.4).
            "beacon": [Step(LOAD_AT_X, 34), Step(IF_ANY_BIT, 0x03, "drop", "keep")],
            # QoS Null frames of dozing stations fill the air. What became of our own has TX flags,
            # which are bit 15 of the radiotap header's presence bits at 4 (radiotap.org).
            "status": [Step(LOAD, 5), Step(IF_ANY_BIT, 0x80, if_false="drop")],
            **_KEEP_OR_DROP,
        }
    )


def _concerns(own: Sequence[str]) -> dict[str, list[Step]]:
    """Blocks that keep a frame to or from one of these, and drop others."""
    if not own or len(own) > MOST_OWN:
        verdict = "keep" if own else "drop"
        return {"concerns": [Step(IF_GREATER_EQUAL, 0, verdict, verdict)]}
    blocks = {}
    places = [(place, address) for place in (RECEIVER, TRANSMITTER) for address in own]
    names = [f"concerns {number}" for number in range(len(places))]
    for name, next_, (place, address) in zip(names, [*names[1:], "drop"], places, strict=True):
        octets = bytes.fromhex(address.replace(":", ""))
        blocks[name] = [
            Step(LOAD_WORD_AT_X, place),
            Step(IF_EQUAL, int.from_bytes(octets[:4]), if_false=next_),
            Step(LOAD_HALF_AT_X, place + 4),
            Step(IF_EQUAL, int.from_bytes(octets[4:]), "keep", next_),
        ]
    return blocks


def open_tap(monitor: Monitor, receive_buffer_bytes: int, wanted: Sequence[Instruction]) -> Tap:
    """Hear what of a monitor interface's frames the filter ``wanted`` lets in;
    ``receive_buffer_bytes`` is limited by net.core.rmem_max.

    PermissionError without CAP_NET_RAW; OSError if there is no such interface, or if it is no
    monitor interface. One that is down is heard as soon as it is up.
    """
    # Protocol 0 hears nothing at all, until it is bound to the interface with another.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(opened, wanted)
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


class Tap:
    """One packet socket, with the face of a :class:`meshwatch.kernel.Channel`."""

    protocol = RADIOTAP

    def __init__(self, monitor: Monitor, bound: socket.socket) -> None:
        self.name = f"tap {monitor.name}"
        self.monitor = monitor
        self._socket = bound
        self._buffer = mmap(-1, lib.MW_TAP_SLOTS_MAX * SLOT_BYTES)
        self._view = memoryview(self._buffer).toreadonly()
        self._places = ffi.from_buffer(self._buffer)
        self._tapped = ffi.new("struct mw_tapped *")
        self._heard_ns = time.monotonic_ns()  # everything that is older was heard
        self._slots = FEW

    def fileno(self) -> int:
        """The descriptor, to wait on; -1 when closed."""
        return self._socket.fileno()

    def drain(self) -> Drained:
        """Frames that wait, behind their radiotap headers, and when the kernel received them: a
        few, or everything as long as it has waited for long.

        ``error`` is ENETDOWN, once, when the interface was set down or deleted. If it comes up
        again, the tap hears again.
        """
        tapped = self._tapped
        lib.mw_tap_drain(self.fileno(), self._places, SLOT_BYTES, self._slots, tapped)
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
        more = tapped.more != 0 and now - self._heard_ns > WAITED_NS
        self._slots = lib.MW_TAP_SLOTS_MAX if more else FEW
        return Drained(
            frames,
            tapped.drops > 0,
            tapped.truncated,
            0,
            tapped.error,
            more,
            times_ns,
        )

    def send(self, frame: bytes) -> None:
        """Send one frame, a radiotap header before it; OSError if the kernel does not take it."""
        self._socket.send(frame)

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()
