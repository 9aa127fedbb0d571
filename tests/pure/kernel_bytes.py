"""Datagrams as the kernel writes them, for conversations that have no socket."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

FAMILY = 32  # nl80211's number in the run that REAL_STATION comes from
MESH0 = 8
A, B, C = "42:00:00:00:01:00", "42:00:00:00:02:00", "42:00:00:00:03:00"

MULTI, DUMP_INTR, DUMP = 0x2, 0x10, 0x300
GET_INTERFACE, NEW_INTERFACE, DEL_INTERFACE = 5, 7, 8
GET_STATION, NEW_STATION, DEL_STATION, NEW_PEER_CANDIDATE = 17, 19, 20, 72
PROBE_MESH_LINK = 136
TX_PACKETS, TX_FAILED, EXPECTED_THROUGHPUT = 10, 12, 27  # in a station's description
CH_SWITCH_NOTIFY, CH_SWITCH_STARTED_NOTIFY, FRAME_TX_STATUS = 88, 110, 60
GET_MPATH, NEW_MPATH, GET_MPP = 21, 23, 107
TRIGGER_SCAN, NEW_SCAN_RESULTS, SCAN_ABORTED = 33, 34, 35
IBSS, MANAGED, MONITOR, MESH = 1, 2, 6, 7
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
UP, RUNNING = 0x1, 0x10000
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
AF_INET, AF_INET6 = 2, 10
INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, NOARP, PERMANENT = (1 << n for n in range(8))

# Part of a station dump of Linux 6.1 with mac80211_hwsim: peer A of interface 8, established
# 116 ms before its last frame was read, sequence number 19.
REAL_STATION = bytes.fromhex((Path(__file__).parent / "station-6.1.hex").read_text())
REAL_NEW_STATION = bytes.fromhex(
    "340000002000000000000000000000001301000008000300080000000a000600420000000100000008002e00"
    "0100000004001500"
)

# From another run of it, interface 3 in a row of three: the paths to A (of one hop) and B, which
# expire in 472 ms (number 0x40000005); a host bridged to B's interface (0x4000000A); the
# beginning of a scan of all channels.
REAL_PATHS, REAL_PROXIES, REAL_TRIGGER_SCAN = (
    bytes.fromhex((Path(__file__).parent / f"{name}-6.1.hex").read_text())
    for name in ("paths", "proxies", "scan")
)


def message(type_: int, payload: bytes = b"", *, flags: int = 0, seq: int = 0) -> bytes:
    """``struct nlmsghdr`` and what follows, padded."""
    length = 16 + len(payload)
    return struct.pack("=IHHII", length, type_, flags, seq, 0) + payload + bytes(-length % 4)


def attribute(type_: int, payload: bytes) -> bytes:
    """``struct nlattr`` and its payload, padded."""
    length = 4 + len(payload)
    return struct.pack("=HH", length, type_) + payload + bytes(-length % 4)


def u32(type_: int, value: int) -> bytes:
    """An attribute of 32 bits."""
    return attribute(type_, struct.pack("=I", value))


def done(seq: int, error: int = 0, flags: int = MULTI) -> bytes:
    """NLMSG_DONE."""
    return message(3, struct.pack("=i", -error), flags=flags, seq=seq)


def refused(seq: int, error: int) -> bytes:
    """NLMSG_ERROR; error 0 is an acknowledgement."""
    return message(2, struct.pack("=i16x", -error), seq=seq)


def overrun() -> bytes:
    """What a recording holds where data was lost."""
    return message(4)


def renumbered(datagram: bytes, seq: int) -> bytes:
    """The (single) message under another sequence number."""
    return datagram[:8] + struct.pack("=I", seq) + datagram[12:]


def head(request: bytes) -> tuple[int, int, int]:
    """Type, flags and sequence number of a request."""
    _, type_, flags, seq, _ = struct.unpack_from("=IHHII", request)
    return type_, flags, seq


# ---- generic netlink --------------------------------------------------------------------------


def nl80211(
    command: int, *attributes: bytes, flags: int = 0, seq: int = 0, family: int = FAMILY
) -> bytes:
    """A message of nl80211."""
    payload = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    return message(family, payload, flags=flags, seq=seq)


def family(number: int = FAMILY, name: str = "nl80211", *, gone: bool = False) -> bytes:
    """nlctrl's announcement of a family, or its obituary."""
    attributes = attribute(2, name.encode() + b"\0") + attribute(1, struct.pack("=H", number))
    return message(16, struct.pack("=BBH", 2 if gone else 1, 2, 0) + attributes)


def mac(address: str) -> bytes:
    """NL80211_ATTR_MAC."""
    return attribute(6, bytes.fromhex(address.replace(":", "")))


def station(
    address: str,
    *,
    seq: int,
    plink: int = 4,
    inactive_ms: int = 100,
    generation: int = 1,
    flags: int = MULTI,
    ifindex: int = MESH0,
    more: Mapping[int, int] | None = None,
) -> bytes:
    """A part of a station dump; ``more`` numbers of 32 bits in its STA_INFO."""
    info = u32(1, inactive_ms) + attribute(6, bytes([plink]))
    info += b"".join(u32(type_, value) for type_, value in (more or {}).items())
    return nl80211(
        NEW_STATION,
        u32(3, ifindex),
        mac(address),
        u32(46, generation),
        attribute(21, info),
        flags=flags,
        seq=seq,
    )


def path(
    address: str,
    next_hop: str,
    *,
    seq: int,
    active: bool = True,
    hop_count: int = 1,
    expiry_ms: int = 4000,
    generation: int = 1,
    flags: int = MULTI,
    info: bytes | None = None,
) -> bytes:
    """A part of a dump of mesh paths."""
    if info is None:
        info = u32(3, 418) + u32(4, expiry_ms) + attribute(5, bytes([0x10 | active]))
        info += attribute(8, bytes([hop_count]))
    return nl80211(
        NEW_MPATH,
        u32(3, MESH0),
        mac(address),
        attribute(26, bytes.fromhex(next_hop.replace(":", ""))),
        u32(46, generation),
        attribute(27, info),
        flags=flags,
        seq=seq,
    )


def proxied(
    address: str, proxy: str, *, seq: int, generation: int = 1, flags: int = MULTI
) -> bytes:
    """A part of a dump of proxied addresses."""
    return path(address, proxy, seq=seq, generation=generation, flags=flags, info=b"")


def station_event(command: int, address: str, ifindex: int = MESH0) -> bytes:
    """NEW_STATION as an event (it describes nothing) or DEL_STATION."""
    return nl80211(command, u32(3, ifindex), mac(address), u32(46, 1), attribute(21, b""))


def candidate(address: str, signal_dbm: int, ifindex: int = MESH0) -> bytes:
    """NEW_PEER_CANDIDATE."""
    signal = attribute(151, struct.pack("=i", signal_dbm))
    return nl80211(NEW_PEER_CANDIDATE, u32(3, ifindex), mac(address), signal)


def scan(command: int, wiphy: int = 0, *attributes: bytes) -> bytes:
    """A radio's scan begins or ends; without attributes, that of a P2P device."""
    return nl80211(command, u32(1, wiphy), *attributes, attribute(153, struct.pack("=Q", 1)))


def interface(
    ifindex: int = MESH0,
    name: str = "mesh0",
    type_: int = MESH,
    *,
    seq: int = 0,
    flags: int = 0,
    command: int = NEW_INTERFACE,
    frequency_mhz: int | None = None,
) -> bytes:
    """An interface: a part of a dump, or an event."""
    attributes = [
        u32(3, ifindex),
        attribute(4, name.encode() + b"\0"),
        u32(1, 0),
        u32(5, type_),
        attribute(153, struct.pack("=Q", ifindex)),
        mac("42:00:00:00:00:00"),
        u32(46, 5),
    ]
    if frequency_mhz is not None:
        attributes.append(u32(38, frequency_mhz))
    return nl80211(command, *attributes, flags=flags, seq=seq)


# ---- rtnetlink --------------------------------------------------------------------------------


def link(
    ifindex: int,
    name: str,
    state: int = UP | RUNNING,
    *,
    type_: int = RTM_NEWLINK,
    seq: int = 0,
    flags: int = 0,
    family: int = 0,
) -> bytes:
    """A network device: a part of a dump, or an event."""
    payload = struct.pack("=BxHiII", family, 1, ifindex, state, 0)
    return message(type_, payload + attribute(3, name.encode() + b"\0"), flags=flags, seq=seq)


def neighbor(
    ip: str,
    address: str | None = A,
    state: int = STALE,
    *,
    ifindex: int = MESH0,
    type_: int = RTM_NEWNEIGH,
    seq: int = 0,
    flags: int = 0,
    family: int | None = None,
    entry_flags: int = 0,
) -> bytes:
    """An entry of a neighbor table: a part of a dump, or an event."""
    packed = ip_address(ip)
    if family is None:
        family = AF_INET6 if packed.version == 6 else AF_INET
    payload = struct.pack("=B3xiHBB", family, ifindex, state, entry_flags, 1)
    payload += attribute(1, packed.packed)
    if address is not None:
        payload += attribute(2, bytes.fromhex(address.replace(":", "")))
    return message(type_, payload, flags=flags, seq=seq)


def own_address(
    ip: str,
    state: int = 0,
    *,
    ifindex: int = MESH0,
    type_: int = RTM_NEWADDR,
    seq: int = 0,
    flags: int = 0,
) -> bytes:
    """An address of an interface of ours: a part of a dump, or an event."""
    payload = struct.pack("=BBBBi", AF_INET6, 64, state & 0xFF, 0, ifindex)
    payload += attribute(1, ip_address(ip).packed) + u32(8, state)
    return message(type_, payload, flags=flags, seq=seq)
