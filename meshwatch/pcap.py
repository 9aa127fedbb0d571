"""Capture files, pcapng and pcap, as a stream of frames of any kind.

Formats: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap. A file has the byte order of the machine
that wrote it, and so has the netlink in it: one of the other order is refused.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SECTION, INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
COMMENT = 1  # an option of anything
OPERATING_SYSTEM, USER_APPLICATION = 3, 4  # options of a section
NAME, TIME_RESOLUTION, TIME_OFFSET = 2, 9, 14  # options of an interface
PACKET_FLAGS = 2  # an option of an enhanced packet
INBOUND, OUTBOUND = 1, 2  # the lowest two of its bits

_SECTION_WORD = b"\x0a\x0d\x0d\x0a"  # the same in either byte order
_ORDER_WORD = struct.pack("=I", BYTE_ORDER_MAGIC)
_OTHER_ORDER = "from a machine of the other byte order, whose netlink cannot be read here"
_PCAP_TICKS = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}
_SECOND_NS = 1_000_000_000
_BYTES_MAX = 16 * 1024 * 1024
_TIME_NS_MAX = (1 << 62) - 1


class MalformedCapture(ValueError):
    """The file is no capture that can be read here, or is damaged at byte ``offset``."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(f"at byte {offset}: {problem}")
        self.offset = offset


class Interface(NamedTuple):
    """Where frames were captured, and how their times are meant."""

    linktype: int
    ticks_per_second: int = 1_000_000
    wall_offset_s: int = 0
    comments: tuple[str, ...] = ()
    name: str = ""


class Frame(NamedTuple):
    """One captured frame; ``shortened`` if the capture kept only its beginning.

    Wall time is ``time_ns`` plus the interface's ``wall_offset_s`` seconds. ``outbound`` is False
    also where the capture does not say.
    """

    interface: Interface
    time_ns: int
    data: bytes
    shortened: bool
    outbound: bool


class CaptureFile:
    """An open capture file: iterate it, once, for its frames.

    ``application`` and ``comments`` are what a pcapng file says of its making, known from the
    first frame on. ``skipped`` counts frames that bear no time; ``cut`` becomes True when the
    file ends within a frame, as it does when a disk was full or a machine died. Damage raises
    :class:`MalformedCapture`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.application = ""
        self.comments: list[str] = []
        self.skipped = 0
        self.cut = False
        self._file = file
        self._offset = 0

    def __iter__(self) -> Iterator[Frame]:
        try:
            word = self._take_word()
            if word == _SECTION_WORD:
                yield from self._pcapng(word)
                return
            magic = int.from_bytes(word, sys.byteorder)
            if magic in _PCAP_TICKS:
                yield from self._pcap(_PCAP_TICKS[magic])
                return
            if int.from_bytes(word[::-1], sys.byteorder) in _PCAP_TICKS:
                raise MalformedCapture(0, _OTHER_ORDER)
            raise MalformedCapture(0, "neither pcapng nor pcap")
        except EOFError:
            self.cut = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        self._offset += len(data)
        if len(data) < size:
            raise EOFError
        return data

    def _take_word(self) -> bytes:
        """The first word of the next block, empty where the file ends."""
        word = self._file.read(4)
        self._offset += len(word)
        if 0 < len(word) < 4:
            raise EOFError
        return word

    def _frame(
        self, interface: Interface, ticks: int, data: bytes, original: int, outbound: bool = False
    ) -> Frame:
        time_ns = ticks * _SECOND_NS // interface.ticks_per_second
        if time_ns + interface.wall_offset_s * _SECOND_NS not in range(_TIME_NS_MAX):
            raise MalformedCapture(self._offset, "a frame out of time")
        return Frame(interface, time_ns, data, len(data) < original, outbound)

    def _pcap(self, ticks_per_second: int) -> Iterator[Frame]:
        linktype = struct.unpack("=16xI", self._take(20))[0] & 0x0FFFFFFF
        interface = Interface(linktype, ticks_per_second)
        while word := self._take_word():
            start = self._offset - 4
            seconds, fraction, captured, original = struct.unpack("=IIII", word + self._take(12))
            if captured > _BYTES_MAX:
                raise MalformedCapture(start, f"a frame of {captured} bytes")
            ticks = seconds * ticks_per_second + fraction
            yield self._frame(interface, ticks, self._take(captured), original)

    def _pcapng(self, word: bytes) -> Iterator[Frame]:
        interfaces: list[Interface] = []
        while word:
            start = self._offset - 4
            lead = self._take(4)
            body = b""
            if word == _SECTION_WORD:
                body = self._take(4)
                if body == _ORDER_WORD[::-1]:
                    raise MalformedCapture(start, _OTHER_ORDER)
                if body != _ORDER_WORD:
                    raise MalformedCapture(start, "a section without byte order")
            kind, length = struct.unpack("=II", word + lead)
            if length % 4 or not 12 + len(body) <= length <= _BYTES_MAX:
                raise MalformedCapture(start, f"a block of {length} bytes")
            body += self._take(length - 12 - len(body))
            if struct.unpack("=I", self._take(4))[0] != length:
                raise MalformedCapture(start, "a block whose two lengths differ")
            try:
                if kind == SECTION:
                    interfaces = []
                    self._describe(body)
                elif kind == INTERFACE:
                    interfaces.append(_interface(body))
                elif kind == ENHANCED_PACKET:
                    number, high, low, captured, original = struct.unpack_from("=5I", body)
                    if captured > len(body) - 20:
                        raise IndexError("a frame longer than its block")
                    data = body[20 : 20 + captured]
                    outbound = _outbound(body[20 + captured + -captured % 4 :])
                    ticks = high << 32 | low
                    yield self._frame(interfaces[number], ticks, data, original, outbound)
                elif kind in (SIMPLE_PACKET, OBSOLETE_PACKET):
                    self.skipped += 1
            except (struct.error, IndexError) as error:
                raise MalformedCapture(start, f"block of type {kind}: {error}") from error
            word = self._take_word()

    def _describe(self, body: bytes) -> None:
        for code, value in _options(body[16:]):
            if code == USER_APPLICATION and not self.application:
                self.application = value.decode(errors="replace")
            elif code == COMMENT:
                self.comments.append(value.decode(errors="replace"))


def _interface(body: bytes) -> Interface:
    interface = Interface(struct.unpack_from("=H6x", body)[0])
    for code, value in _options(body[8:]):
        if code == TIME_RESOLUTION:
            exponent = value[0] & 0x7F
            ticks_per_second = 2**exponent if value[0] & 0x80 else 10**exponent
            interface = interface._replace(ticks_per_second=ticks_per_second)
        elif code == TIME_OFFSET:
            wall_offset_s = struct.unpack("=q", value)[0]
            interface = interface._replace(wall_offset_s=wall_offset_s)
        elif code == NAME:
            interface = interface._replace(name=value.decode(errors="replace"))
        elif code == COMMENT:
            comment = value.decode(errors="replace")
            interface = interface._replace(comments=(*interface.comments, comment))
    return interface


def _outbound(options: bytes) -> bool:
    for code, value in _options(options):
        if code == PACKET_FLAGS:
            flags: int = struct.unpack("=I", value)[0]
            return flags & 3 == OUTBOUND
    return False


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        code, length = struct.unpack_from("=HH", data, offset)
        value = data[offset + 4 : offset + 4 + length]
        if code == 0:
            return
        if len(value) < length:
            raise IndexError("an option longer than its block")
        yield code, value
        offset += 4 + length + -length % 4
