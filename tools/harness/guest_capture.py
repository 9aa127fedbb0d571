"""Writes every frame of a monitor interface to a pcap file, timed on CLOCK_MONOTONIC.

guest_capture.py INTERFACE FILE     until SIGTERM or SIGINT

Says first, in one line, by how many nanoseconds the wall clock is ahead of CLOCK_MONOTONIC, so
that what is stamped with either shares one clock; at the end, how many frames there were and how
many the kernel had to drop. Runs wherever Python runs: it needs nothing else of this tree.
"""

import errno
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from types import FrameType

RADIOTAP = 127  # LINKTYPE_IEEE802_11_RADIOTAP
NANOSECONDS = 0xA1B23C4D  # the magic number of a pcap file in nanoseconds
MAX_FRAME = 65535
BUFFER_BYTES = 8 << 20
ETH_P_ALL = 3
# include/uapi/asm-generic/socket.h; not in Python's socket module
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
SOL_PACKET, PACKET_STATISTICS = 263, 6  # include/uapi/linux/if_packet.h
PACKET_OUTGOING = 4
MAX_BATCH = 256


def file_header() -> bytes:
    """The beginning of a pcap file of radiotap frames in nanoseconds."""
    return struct.pack("=IHHiIII", NANOSECONDS, 2, 4, 0, 0, MAX_FRAME, RADIOTAP)


def record(time_ns: int, data: bytes) -> bytes:
    """One frame in such a file."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return struct.pack("=IIII", seconds, nanoseconds, len(data), len(data)) + data


def wall_offset_ns() -> int:
    """By how much the wall clock is ahead of CLOCK_MONOTONIC."""
    before = time.monotonic_ns()
    wall = time.time_ns()
    return wall - (before + time.monotonic_ns()) // 2


def open_interface(interface: str) -> socket.socket:
    """A packet socket that hears everything on the interface."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    tap.setblocking(False)
    tap.bind((interface, ETH_P_ALL))
    return tap


def drain(tap: socket.socket) -> list[tuple[int, bytes]]:
    """The frames that are waiting, at most MAX_BATCH, each with its time on CLOCK_MONOTONIC."""
    offset_ns = wall_offset_ns()
    frames = []
    for _ in range(MAX_BATCH):
        try:
            data, control, _flags, sender = tap.recvmsg(MAX_FRAME, 64)
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno == errno.ENETDOWN:  # told once; the socket works again when it is up
                continue
            raise
        # What was injected is heard when the radio reports it sent; this is only the order.
        if sender[2] == PACKET_OUTGOING:
            continue
        seconds, nanoseconds = struct.unpack("=qq", control[0][2])
        frames.append((seconds * 1_000_000_000 + nanoseconds - offset_ns, data))
    return frames


class _Ended(Exception):
    """A signal asked for the end."""


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Ended


def main(interface: str, path: str) -> None:
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    count = 0
    with open_interface(interface) as tap, Path(path).open("wb", buffering=0) as file:
        file.write(file_header())
        print(f"capturing {interface}, wall_offset_ns {wall_offset_ns()}", flush=True)
        try:
            while True:
                select.select([tap], [], [])
                frames = drain(tap)
                # In one write, so that nobody finds half a frame in the file.
                file.write(b"".join(record(*frame) for frame in frames))
                count += len(frames)
        except _Ended:
            _, dropped = struct.unpack("=II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            print(f"captured {count}, dropped {dropped}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
