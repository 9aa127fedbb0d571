"""Kernel bytes to Python: one call of the C decoder a datagram, one struct a station.

Everything is read in host byte order, as netlink writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from mmap import mmap
from struct import Struct
from typing import NamedTuple

from meshwatch._csrc import ffi, lib
from meshwatch.observations import Station

Buffer = bytes | bytearray | memoryview


class Kind(IntEnum):
    """What a netlink message is (``enum mw_kind``)."""

    STATION = 0  # NL80211_CMD_NEW_STATION; body: Station
    STATION_DELETED = 1  # NL80211_CMD_DEL_STATION; body: Station, its last statistics
    MPATH = 2  # answer to NL80211_CMD_GET_MPATH; body: PathInfo
    MPP = 3  # answer to NL80211_CMD_GET_MPP; body: ProxyInfo
    CANDIDATE = 4  # NL80211_CMD_NEW_PEER_CANDIDATE; body: CandidateInfo
    INTERFACE = 5  # NL80211_CMD_NEW_INTERFACE, _SET_INTERFACE; body: InterfaceInfo
    INTERFACE_DELETED = 6  # NL80211_CMD_DEL_INTERFACE; body: InterfaceInfo
    SCAN = 7  # NL80211_CMD_TRIGGER_SCAN, _NEW_SCAN_RESULTS, _SCAN_ABORTED; body: InterfaceInfo
    FAMILY = 8  # CTRL_CMD_NEWFAMILY; body: FamilyInfo
    FAMILY_DELETED = 9  # CTRL_CMD_DELFAMILY; body: FamilyInfo
    REQUEST = 10  # a program's message to nl80211
    DONE = 11  # the end of a dump
    ERROR = 12  # an acknowledgement (error 0) or a refusal
    OVERRUN = 13  # NLMSG_OVERRUN: data was lost here
    MALFORMED = 14  # refused
    OTHER = 15  # of no interest, and hardly looked at


class InterfaceInfo(NamedTuple):
    """A wireless interface; ``name`` is "" when it has no network device."""

    name: str
    iftype: int  # enum nl80211_iftype
    wiphy: int
    address: str
    frequency_mhz: int | None


class PathInfo(NamedTuple):
    """A mesh path to the message's address (``enum nl80211_mpath_info``)."""

    next_hop: str  # "00:00:00:00:00:00": not resolved
    frame_qlen: int | None
    sn: int | None
    metric: int | None
    expiry_ms: int | None
    discovery_timeout_ms: int | None
    changes: int | None
    generation: int | None
    flags: int | None  # enum nl80211_mpath_flags
    discovery_retries: int | None
    hop_count: int | None


class ProxyInfo(NamedTuple):
    """The mesh station that stands for the message's address."""

    proxy: str
    generation: int | None


class CandidateInfo(NamedTuple):
    """A peer that a user-space peering manager may open a link to."""

    signal_dbm: int | None


class FamilyInfo(NamedTuple):
    """A generic netlink family: its number and its multicast groups."""

    id: int
    name: str
    groups: dict[str, int]


Body = Station | InterfaceInfo | PathInfo | ProxyInfo | CandidateInfo | FamilyInfo | None


class Message(NamedTuple):
    """One netlink message; the first fields are its header's."""

    kind: Kind
    type: int
    flags: int
    seq: int
    portid: int
    command: int  # of the generic netlink header, 0 without
    error: int  # DONE, ERROR: positive errno, 0 = none; MALFORMED: for reason_text()
    ifindex: int  # 0: absent
    address: str  # "": absent
    body: Body


# The layouts of csrc/nl80211.h in struct's native mode, which pads as the C compiler does.
_RECORD_BYTES = ffi.sizeof("struct mw_message")
_BODY = ffi.offsetof("struct mw_message", "body")
_HEADER = Struct(f"@QI2H4IB?6s{_RECORD_BYTES - _BODY}x")
_STATION = Struct("@QIIQQIIIIQQIIIHQQqQbbbbbBHHIIIBBII" + "IBBHH0I" * 2 + "I")
_PATH = Struct("@8I3B6s")
_CANDIDATE = Struct("@i?")
_INTERFACE = Struct("@8x3I5x16s")  # wdev, generation and use_4addr are of no interest here
_FAMILY = Struct("@HH16s")
_GROUP = Struct("@I16s")
_KINDS = tuple(Kind)

_CAPACITY = 64  # messages a call; a dump's datagram of 32 KiB holds 26 stations
_SLOT_BYTES = 32768  # the kernel builds no larger datagram (net/netlink/af_netlink.c)


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _interface(view: memoryview, offset: int, address: str) -> InterfaceInfo:
    iftype, wiphy, frequency, name = _INTERFACE.unpack_from(view, offset)
    return InterfaceInfo(_text(name), iftype, wiphy, address, frequency or None)


def _path(view: memoryview, offset: int, address: str) -> PathInfo:
    present, *values, next_hop = _PATH.unpack_from(view, offset)
    return PathInfo(
        next_hop.hex(":"),
        *(value if present & 1 << bit else None for bit, value in enumerate(values)),
    )


def _proxy(view: memoryview, offset: int, address: str) -> ProxyInfo:
    path = _path(view, offset, address)
    return ProxyInfo(path.next_hop, path.generation)


def _candidate(view: memoryview, offset: int, address: str) -> CandidateInfo:
    signal_dbm, has_signal = _CANDIDATE.unpack_from(view, offset)
    return CandidateInfo(signal_dbm if has_signal else None)


def _family(view: memoryview, offset: int, address: str) -> FamilyInfo:
    number, group_count, name = _FAMILY.unpack_from(view, offset)
    groups = {}
    for i in range(group_count):
        group, group_name = _GROUP.unpack_from(view, offset + _FAMILY.size + i * _GROUP.size)
        groups[_text(group_name)] = group
    return FamilyInfo(number, _text(name), groups)


_STATIONS = (0, 1)  # Kind.STATION, Kind.STATION_DELETED

_BODIES: dict[int, Callable[[memoryview, int, str], Body]] = {
    Kind.MPATH: _path,
    Kind.MPP: _proxy,
    Kind.CANDIDATE: _candidate,
    Kind.INTERFACE: _interface,
    Kind.INTERFACE_DELETED: _interface,
    Kind.SCAN: _interface,
    Kind.FAMILY: _family,
    Kind.FAMILY_DELETED: _family,
}


class _Records:
    """Where one call of the decoder writes."""

    def __init__(self) -> None:
        self.array = ffi.new("struct mw_message[]", _CAPACITY)
        self.bytes = memoryview(ffi.buffer(self.array))


# cffi lets other threads run during a call, so each call of decode() has a place of its own.
_free_records: list[_Records] = []


def decode(data: Buffer, family: int) -> list[Message]:
    """The messages of one NETLINK_GENERIC datagram, in order.

    ``family`` is nl80211's number; with 0, not known yet, only nlctrl, DONE, ERROR and OVERRUN
    are decoded and the rest is OTHER. Never raises for any bytes: what is malformed becomes
    MALFORMED, and decoding goes on behind it if the netlink header can be trusted.
    """
    records = _free_records.pop() if _free_records else _Records()
    view = records.bytes
    new = tuple.__new__  # a NamedTuple's own way there costs twice as much
    source = ffi.from_buffer(data)
    size = len(data)
    messages: list[Message] = []
    end = 0
    count = _CAPACITY
    while count == _CAPACITY:
        count = lib.mw_decode(source, size, end, family, records.array, _CAPACITY)
        offset = _BODY
        for header in _HEADER.iter_unpack(view[: count * _RECORD_BYTES]):
            end, kind, type_, flags, seq, portid, error, ifindex, command, known, address = header
            text = address.hex(":") if known else ""
            body: Body = None
            if kind in _STATIONS:
                body = new(Station, _STATION.unpack_from(view, offset))
            elif kind in _BODIES:
                body = _BODIES[kind](view, offset, text)
            fields = (_KINDS[kind], type_, flags, seq, portid, command, error, ifindex, text, body)
            messages.append(new(Message, fields))
            offset += _RECORD_BYTES
    _free_records.append(records)
    return messages


def reason_text(reason: int) -> str:
    """Why a message is MALFORMED, from its ``error``."""
    return ffi.string(lib.mw_reason_text(reason)).decode()


class Drained(NamedTuple):
    """What a socket had to say."""

    datagrams: list[memoryview]  # valid until the next drain()
    overrun: bool  # ENOBUFS: the kernel threw messages away
    truncated: int  # datagrams that did not fit, dropped
    aliens: int  # datagrams that other programs sent, dropped
    error: int  # errno that ended it, 0: the socket is empty, or what is left can wait
    more: bool  # drain again at once
    times_ns: Sequence[int] = ()  # when each was received, CLOCK_MONOTONIC; () if not known


class Drain:
    """Receives everything that waits in a netlink socket, without blocking."""

    def __init__(self, buffer_bytes: int = 16 * _SLOT_BYTES) -> None:
        """A buffer for ``buffer_bytes // 32768`` datagrams, at most 64 of them.

        Memory is taken only as far as datagrams ever filled it. Raises ValueError below 32768.
        """
        self._slots = min(buffer_bytes // _SLOT_BYTES, lib.MW_SLOTS_MAX)
        if self._slots < 1:
            raise ValueError(f"a drain needs a buffer of at least {_SLOT_BYTES} bytes")
        buffer = mmap(-1, self._slots * _SLOT_BYTES)
        self._buffer = ffi.from_buffer(buffer)
        self._view = memoryview(buffer).toreadonly()
        self._drained = ffi.new("struct mw_drained *")

    def drain(self, fd: int) -> Drained:
        """Everything there is, in order; the datagrams are overwritten by the next call."""
        drained = self._drained
        lib.mw_drain(fd, self._buffer, _SLOT_BYTES, self._slots, drained)
        return Drained(
            [
                self._view[slot * _SLOT_BYTES : slot * _SLOT_BYTES + length]
                for slot, length in enumerate(ffi.unpack(drained.lengths, drained.slots))
                if length
            ],
            drained.overruns > 0,
            drained.truncated,
            drained.aliens,
            drained.error,
            drained.more != 0,
        )


if (_HEADER.size, _STATION.size) != (_RECORD_BYTES, ffi.sizeof("struct mw_station")):
    raise ImportError("meshwatch._csrc was built from other headers: build it again")
