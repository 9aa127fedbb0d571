"""Frames with times, from a pcap file or from a monitor interface of this machine."""

from __future__ import annotations

import select
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.harness import guest_capture

_TICKS_NS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # magic number: nanoseconds in a tick
_MAX_FRAME = 1 << 18

_TSFT, _FLAGS, _TX_FLAGS, _MORE_WORDS = 1 << 0, 1 << 1, 1 << 15, 1 << 31
_FLAG_FCS = 0x10


class MalformedCapture(ValueError):
    """The file is no pcap file of radiotap frames."""


class Frame(NamedTuple):
    """One frame, its radiotap header in front; ``time_ns`` is on the clock of its capture."""

    time_ns: int
    data: bytes

    @property
    def mpdu(self) -> bytes:
        """The 802.11 frame itself, without its checksum; empty if the radiotap header is bad."""
        length, present = self._radiotap()
        if not 8 <= length <= len(self.data):
            return b""
        body = self.data[length:]
        return body[:-4] if self._flags(length, present) & _FLAG_FCS else body

    @property
    def by_us(self) -> bool:
        """Whether the radio that captured it also sent it, and reports how that went."""
        return bool(self._radiotap()[1] & _TX_FLAGS)

    def _radiotap(self) -> tuple[int, int]:
        if len(self.data) < 8:
            return 0, 0
        length, present = struct.unpack_from("<2xHI", self.data)
        return length, present

    def _flags(self, length: int, present: int) -> int:
        """The field Flags, which only the time can precede (radiotap.org)."""
        at, word = 8, present
        while word & _MORE_WORDS and at + 4 <= length:
            (word,) = struct.unpack_from("<I", self.data, at)
            at += 4
        if present & _TSFT:
            at = (at + 7) // 8 * 8 + 8
        return self.data[at] if present & _FLAGS and at < length else 0


def read(path: Path, wall_offset_ns: int = 0) -> Iterator[Frame]:
    """The frames of a pcap file in their order; a frame that the file's end cuts is left out.

    ``wall_offset_ns`` is what the capture's clock is ahead of CLOCK_MONOTONIC: nothing for a file
    of tools/harness/guest_capture.py, which says the number to use for files of other programs.
    """
    with path.open("rb") as file:
        head = file.read(24)
        for order in "<>":
            magic, linktype = struct.unpack(order + "I16xI", head.ljust(24, b"\0"))
            if magic in _TICKS_NS and linktype & 0x0FFFFFFF == guest_capture.RADIOTAP:
                break
        else:
            raise MalformedCapture(f"{path} is not a pcap file of radiotap frames")
        while len(head := file.read(16)) == 16:
            seconds, ticks, captured, _ = struct.unpack(order + "IIII", head)
            if captured > _MAX_FRAME:
                raise MalformedCapture(f"{path}: a frame of {captured} bytes")
            if len(data := file.read(captured)) < captured:
                return
            time_ns = seconds * 1_000_000_000 + ticks * _TICKS_NS[magic]
            yield Frame(time_ns - wall_offset_ns, data)


def live(interface: str) -> Iterator[Frame]:
    """What a monitor interface hears from now on, for as long as one asks."""
    with guest_capture.open_interface(interface) as tap:
        while True:
            select.select([tap], [], [])
            for time_ns, data in guest_capture.drain(tap):
                yield Frame(time_ns, data)


def write(path: Path, frames: Iterable[Frame]) -> None:
    """A pcap file of these frames."""
    records = (guest_capture.record(*frame) for frame in frames)
    path.write_bytes(b"".join([guest_capture.file_header(), *records]))
