"""Recordings: netlink datagrams and frames with time and direction, pcapng out, pcapng and pcap in.

A recording is an ordinary pcapng file (draft-ietf-opsawg-pcapng), so Wireshark opens it. Its
first interface is of link type NETLINK; when its first packet is the family reply of nl80211,
Wireshark names the attributes too. Each monitor interface that was tapped is one more, of link
type IEEE802_11_RADIOTAP, and each mesh interface, for its echoes, one of link type ETHERNET.
Its clock is the monotonic clock moved by less than a second, such that the rest of the way to
wall time is the whole seconds of ``if_tsoffset``: a replay gets a steady clock and Wireshark gets
the date. Frames bear the time at which the kernel received them, so one may stand behind a
datagram that is a little younger.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from meshwatch import pcap
from meshwatch.observations import Monitor, Tapped, Wire
from meshwatch.pcap import CaptureFile, Frame, Interface, MalformedCapture

APPLICATION = "meshwatch"
Buffer = bytes | bytearray | memoryview
LOSS_MARK = struct.pack("=IHHII", 16, 4, 0, 0, 0)
"""A bare NLMSG_OVERRUN message in place of datagrams that were lost."""
RADIOTAP = -127
"""In place of a netlink protocol: frames, each behind a radiotap header."""
ETHERNET = -1
"""In place of a netlink protocol: frames of an Ethernet."""
LOST_FRAMES = b""
"""In place of frames that were lost."""

_LINKTYPE_NETLINK = 253
_LINKTYPE_RADIOTAP = 127
_LINKTYPE_ETHERNET = 1
_COOKED = struct.Struct(">HH10xH")  # packet type, ARPHRD type, netlink protocol
_ARPHRD_NETLINK = 824
_PACKET_HOST, _PACKET_OUTGOING = 0, 4  # linux/if_packet.h

_ONLY = "only"  # the comment that names the interfaces
_INBOUND, _OUTBOUND = struct.pack("=I", pcap.INBOUND), struct.pack("=I", pcap.OUTBOUND)
_MONITOR = re.compile(r"monitor (\d{1,10}) (\d{1,10})", re.ASCII)  # its ifindex, its radio's number
_WIRE = re.compile(r"wire (\d{1,10}) ((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", re.ASCII)  # its address
_SECOND_NS = 1_000_000_000
_BUFFER_BYTES = 64 * 1024


class Packet(NamedTuple):
    """One netlink datagram, or one frame on the air.

    ``time_ns`` is on the recording's clock, ``protocol`` the netlink protocol (16 generic
    netlink, 0 rtnetlink), or RADIOTAP or ETHERNET for a frame, which ``monitor`` heard.
    ``outgoing`` means a request or a frame that meshwatch sent; it is always False in a foreign
    capture, since a netlink monitor device shows whatever passes as outgoing.
    """

    time_ns: int
    protocol: int
    outgoing: bool
    data: bytes
    monitor: Tapped | None = None


class RecordingFailed(Exception):
    """The file cannot be written (disk full, no permission): recording is over."""


class Writer:
    """Writes a recording; at most 64 KiB or one second of packets wait in memory.

    Nothing is synced: a write costs a copy into the page cache. Any method may raise
    :class:`RecordingFailed`; the file then ends with a whole packet, and further calls do nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        release: str,
        kernel: str,
        wall_offset_ns: int,
        interfaces: Collection[str] | None = None,
    ) -> None:
        """``wall_offset_ns`` is wall clock minus the clock of ``now``.

        ``interfaces`` are the only ones that were looked at, if not all were.
        """
        self._offset_s, self._shift_ns = divmod(wall_offset_ns, _SECOND_NS)
        self._monitors: dict[Tapped, int] = {}  # and the numbers of their interfaces
        self._whole_bytes = 0
        self._flushed_ns = 0
        self._file: BinaryIO | None = None
        comments = [f"wall clock minus monotonic clock at the start: {wall_offset_ns} ns"]
        if interfaces is not None:
            comments.append(" ".join((_ONLY, *sorted(interfaces))))
        section = struct.pack("=IHHq", pcap.BYTE_ORDER_MAGIC, 1, 0, -1) + _options(
            *((pcap.COMMENT, comment.encode()) for comment in comments),
            (pcap.OPERATING_SYSTEM, f"Linux {kernel}".encode()),
            (pcap.USER_APPLICATION, f"{APPLICATION} {release}".encode()),
        )
        self._buffer = bytearray(_block(pcap.SECTION, section))
        self._describe(_LINKTYPE_NETLINK, "netlink")
        # A pipe that nobody empties would stop the daemon.
        if path.is_fifo():
            raise RecordingFailed(f"{path} is a pipe; a recording needs a file")
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise RecordingFailed(str(error)) from error
        self.flush()

    def received(self, protocol: int, data: Buffer, now: int) -> None:
        """A datagram came from the kernel."""
        self._netlink(_PACKET_HOST, protocol, data, now)

    def sent(self, protocol: int, request: Buffer, now: int) -> None:
        """A request went to the kernel."""
        self._netlink(_PACKET_OUTGOING, protocol, request, now)

    def lost(self, protocol: int, now: int) -> None:
        """Here datagrams were lost."""
        self._netlink(_PACKET_HOST, protocol, LOSS_MARK, now)

    def received_frame(self, monitor: Tapped, frame: Buffer, now: int) -> None:
        """A frame was heard at ``now``."""
        self._write(self._number(monitor), frame, now, (pcap.PACKET_FLAGS, _INBOUND))

    def sent_frame(self, monitor: Tapped, frame: Buffer, now: int) -> None:
        """A frame was handed to the radio."""
        self._write(self._number(monitor), frame, now, (pcap.PACKET_FLAGS, _OUTBOUND))

    def lost_frames(self, monitor: Tapped, now: int) -> None:
        """Here frames were lost."""
        self._write(self._number(monitor), LOST_FRAMES, now, (pcap.COMMENT, b"frames were lost"))

    def _number(self, monitor: Tapped) -> int:
        if monitor not in self._monitors:
            self._monitors[monitor] = len(self._monitors) + 1
            if isinstance(monitor, Monitor):
                linktype, comment = _LINKTYPE_RADIOTAP, f"monitor {monitor.ifindex} {monitor.wiphy}"
            else:
                linktype, comment = _LINKTYPE_ETHERNET, f"wire {monitor.ifindex} {monitor.address}"
            self._describe(linktype, monitor.name, (pcap.COMMENT, comment.encode()))
        return self._monitors[monitor]

    def _describe(self, linktype: int, name: str, *options: tuple[int, bytes]) -> None:
        interface = struct.pack("=HHI", linktype, 0, 0) + _options(
            *options,
            (pcap.NAME, name.encode()),
            (pcap.TIME_RESOLUTION, b"\x09"),
            (pcap.TIME_OFFSET, struct.pack("=q", self._offset_s)),
        )
        self._buffer += _block(pcap.INTERFACE, interface)

    def _netlink(self, direction: int, protocol: int, data: Buffer, now: int) -> None:
        self._write(0, _COOKED.pack(direction, _ARPHRD_NETLINK, protocol) + data, now)

    def _write(self, interface: int, data: Buffer, now: int, *options: tuple[int, bytes]) -> None:
        if self._file is None:
            return
        high, low = divmod(now + self._shift_ns, 1 << 32)
        head = struct.pack("=IIIII", interface, high, low, len(data), len(data))
        body = head + _padded(data) + (_options(*options) if options else b"")
        self._buffer += _block(pcap.ENHANCED_PACKET, body)
        if len(self._buffer) >= _BUFFER_BYTES or now >= self._flushed_ns + _SECOND_NS:
            self._flushed_ns = now
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if self._file is None:
            return
        try:
            rest = memoryview(bytes(self._buffer))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):  # a device has no length to cut back to
                self._file.truncate(self._whole_bytes)
            self._abandon()
            raise RecordingFailed(str(error)) from error
        self._whole_bytes += len(self._buffer)
        self._buffer.clear()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._abandon()

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a late error of a file that is given up anyway
                file.close()


def _padded(data: Buffer) -> bytes:
    return bytes(data) + bytes(-len(data) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack("=HH", code, len(value)) + _padded(value)
        for code, value in (*options, (0, b""))
    )


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("=II", kind, length) + body + struct.pack("=I", length)


def open_recording(path: Path) -> Recording:
    """Open a recording, or a capture of a netlink monitor device.

    Raises OSError and :class:`MalformedCapture`.
    """
    file = path.open("rb")
    try:
        return Recording(file)
    except MalformedCapture:
        file.close()
        raise


class Recording:
    """An open recording or foreign capture: iterate it, once, for its packets.

    ``application`` is the program that the file says wrote it, ``ours`` whether that is meshwatch.
    ``interfaces`` are the only ones that it was told to look at (None: all there were), and
    ``wall_offset_ns`` leads from a packet's time to wall time. During the iteration, which raises
    :class:`MalformedCapture` where the file is damaged, ``cut`` becomes True if the file ends
    within a packet, and ``skipped`` counts what is neither a netlink datagram nor a tap's frame.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read up to the first packet."""
        self._capture = CaptureFile(file)
        self._frames = iter(self._capture)
        self._first = next(self._frames, None)
        self._skipped = 0
        self.application = self._capture.application
        self.ours = self.application.partition(" ")[0] == APPLICATION
        self.interfaces: frozenset[str] | None = None
        for word, *names in map(str.split, filter(None, self._capture.comments)):
            if self.ours and word == _ONLY:
                self.interfaces = frozenset(names)
        self.wall_offset_ns = 0
        if self.ours and self._first is not None:
            self.wall_offset_ns = self._first.interface.wall_offset_s * _SECOND_NS

    def __iter__(self) -> Iterator[Packet]:
        if self._first is None:
            return
        strange: Frame | None = self._first
        for frame in chain((self._first,), self._frames):
            packet = self._datagram(frame) or self._heard(frame)
            if packet is None:
                self._skipped += 1
            else:
                strange = None
                yield packet
        if strange is not None:
            linktype = strange.interface.linktype
            problem = f"link type {linktype}, not netlink ({_LINKTYPE_NETLINK})"
            if linktype == _LINKTYPE_RADIOTAP:
                problem += ": frames alone do not tell what the kernel made of them"
            raise MalformedCapture(0, problem)

    @property
    def cut(self) -> bool:
        """Whether the file was seen to end within a packet."""
        return self._capture.cut

    @property
    def skipped(self) -> int:
        """Frames so far that are neither, or bear no time."""
        return self._skipped + self._capture.skipped

    def close(self) -> None:
        """Close the file."""
        self._capture.close()

    def _datagram(self, frame: Frame) -> Packet | None:
        if frame.interface.linktype != _LINKTYPE_NETLINK or len(frame.data) < _COOKED.size:
            return None
        direction, hardware, protocol = _COOKED.unpack_from(frame.data)
        if hardware != _ARPHRD_NETLINK:
            return None
        time_ns = frame.time_ns
        if not self.ours:  # there the clock is the wall clock
            time_ns += frame.interface.wall_offset_s * _SECOND_NS
        data = LOSS_MARK if frame.shortened else frame.data[_COOKED.size :]
        return Packet(time_ns, protocol, self.ours and direction == _PACKET_OUTGOING, data)

    def _heard(self, frame: Frame) -> Packet | None:
        monitor = _tapped(frame.interface) if self.ours else None
        if monitor is None:
            return None
        protocol = RADIOTAP if isinstance(monitor, Monitor) else ETHERNET
        data = LOST_FRAMES if frame.shortened else frame.data
        return Packet(frame.time_ns, protocol, frame.outbound, data, monitor)


def _tapped(interface: Interface) -> Tapped | None:
    """What we said of an interface with frames, None if it is none of ours."""
    for comment in interface.comments:
        if interface.linktype == _LINKTYPE_RADIOTAP and (found := _MONITOR.fullmatch(comment)):
            return Monitor(int(found[1]), interface.name, int(found[2]))
        if interface.linktype == _LINKTYPE_ETHERNET and (found := _WIRE.fullmatch(comment)):
            return Wire(int(found[1]), interface.name, found[2])
    return None
