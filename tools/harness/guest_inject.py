"""Sends the frames of a pcap file through a monitor interface, as far apart as they are in it.

guest_inject.py INTERFACE FILE      FILE as tools/harness/craft.py makes it

Each frame has a radiotap header in front, which tells the radio how to send it. The interface
must be up and on a channel. Prints how many frames the kernel took. Needs nothing else of this
tree.
"""

import errno
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HEADER, RECORD = 24, 16
BUSY = {errno.ENOBUFS, errno.EAGAIN}
MAX_BUSY_S = 5.0


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Time in ns and bytes of each frame; the file is in nanoseconds of this byte order."""
    at = HEADER
    while at < len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("=IIII", data, at)
        at += RECORD
        yield seconds * 1_000_000_000 + nanoseconds, data[at : at + length]
        at += length


def send(tap: socket.socket, frame: bytes) -> bool:
    """Whether the kernel took it: it refuses what it cannot even parse (EINVAL)."""
    give_up = time.monotonic() + MAX_BUSY_S
    while True:
        try:
            tap.send(frame)
            return True
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            if error.errno not in BUSY or time.monotonic() > give_up:
                raise
        time.sleep(0.001)  # the radio's queue is full


def main(interface: str, path: str) -> None:
    taken = refused = 0
    first_ns: int | None = None
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
        tap.bind((interface, 0))
        begun_ns = time.monotonic_ns()
        for time_ns, frame in frames(Path(path).read_bytes()):
            first_ns = time_ns if first_ns is None else first_ns
            wait_ns = begun_ns + time_ns - first_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
            if send(tap, frame):
                taken += 1
            else:
                refused += 1
    print(f"sent {taken}, refused {refused}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
