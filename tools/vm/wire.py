"""The frames that the host and the agent in the guest exchange over one byte stream."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct(">IBI")  # job, kind, payload length in bytes


class Kind(IntEnum):
    HELLO = 1  # guest: the agent is ready; JSON {release}
    START = 2  # host: begin a job; JSON as in tools.vm.channel.Request
    STARTED = 3  # guest: JSON {pid}
    STDIN = 4  # host: bytes for the job; none: end of file
    STDOUT = 5  # guest: bytes
    STDERR = 6  # guest: bytes
    KILL = 7  # host: one byte, the signal for the job's process group
    RESIZE = 8  # host: JSON [rows, columns] of the terminal
    EXIT = 9  # guest: the job is over; JSON {returncode}, negative for a signal


class Frame(NamedTuple):
    job: int
    kind: Kind
    payload: bytes = b""

    def encode(self) -> bytes:
        return HEADER.pack(self.job, self.kind, len(self.payload)) + self.payload


class Decoder:
    """Cuts a stream that arrives in arbitrary pieces into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        self._buffer += piece
        while len(self._buffer) >= HEADER.size:
            job, kind, length = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(job, Kind(kind), payload)
