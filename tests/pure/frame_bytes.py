"""Frames as a monitor interface of Linux gives them: radiotap header, then 802.11."""

from __future__ import annotations

import struct

OWN, A, B = "42:00:00:00:00:00", "42:00:00:00:01:00", "42:00:00:00:02:00"
EVERYBODY = "ff:ff:ff:ff:ff:ff"

# As mac80211_hwsim on Linux 6.1 had them on the air, in the mesh "testmesh": radiotap header with
# TSFT, flags, rate and channel, no signal. OWN opens a link to A, and A confirms it. A closes its
# link with B, and OWN one with A of which it knows no link ID of A's. REAL_NULL tells A that OWN
# is awake.
REAL_BEACON = bytes.fromhex(
    "000016000f000000082d74ffdc60060000026c09a00080000000ffffffffffff420000000000420000000000"
    "0000652d74ffdc600600e80300000000010882040b160c12182403010105040102000032043048606c720874"
    "6573746d657368710701010001000009"
)
REAL_OPEN = bytes.fromhex(
    "000016000f00000015a293ffdc60060000026c09a000d0003a01420000000100420000000000420000000000"
    "50000f010000010882040b160c12182432043048606c7208746573746d657368710701010001000009750400"
    "00bf0f"
)
REAL_CONFIRM = bytes.fromhex(
    "000016000f0000003ef093ffdc60060000026c09a000d0003a01420000000000420000000100420000000100"
    "30000f0200000100010882040b160c12182432043048606c7208746573746d65736871070101000100000975"
    "0600002390bf0f"
)
REAL_CLOSE = bytes.fromhex(
    "000016000f0000002eee0000dd60060000026c09a000d0003a01420000000200420000000100420000000100"
    "10010f037208746573746d657368750800002c44443b3400"
)
REAL_SHORT_CLOSE = bytes.fromhex(
    "000016000f000000a2a83c01dd60060000026c09a000d0003a01420000000100420000000000420000000000"
    "60020f037208746573746d6573687506000000003400"
)
REAL_NULL = bytes.fromhex(
    "000016000f000000a9fa93ffdc60060000046c09a000c8033a01420000000100420000000000420000000100"
    "00004200000000001700"
)

AIR_BYTES = 22  # of the radiotap header of each

MESH_ID, CONFIGURATION, PEERING, MIC = 114, 113, 117, 140  # elements
OPEN, CONFIRM, CLOSE = 1, 2, 3
TX_FAIL = 0x0001


def mac(address: str) -> bytes:
    """A hardware address on the air."""
    return bytes.fromhex(address.replace(":", ""))


def radiotap(present: int, fields: bytes = b"", *more: int) -> bytes:
    """A radiotap header: presence words, then fields with their padding."""
    words = struct.pack(f"<{1 + len(more)}I", present, *more)
    return struct.pack("<BxH", 0, 4 + len(words) + len(fields)) + words + fields


def heard(frame: bytes, signal_dbm: int = -30) -> bytes:
    """Received: TSFT, flags, rate, channel, signal, antenna, rx flags, as mac80211 writes them."""
    fields = struct.pack("<QBBHHbBH", 0x0660DCFF742D08, 0, 2, 2412, 0xA0, signal_dbm, 0, 0)
    return radiotap(0x482F, fields) + frame


def reported(frame: bytes, tx_flags: int = 0, retries: int = 0) -> bytes:
    """Sent by us: rate, tx flags, retries, as mac80211 writes them."""
    return radiotap(0x28004, struct.pack("<BxHB", 2, tx_flags, retries)) + frame


def header(control: int, receiver: str, transmitter: str, address3: str = "") -> bytes:
    """An 802.11 header of three addresses; the second byte of frame control is the higher one."""
    addresses = mac(receiver) + mac(transmitter) + mac(address3 or transmitter)
    return struct.pack("<HH", control, 0) + addresses + bytes(2)


def element(number: int, payload: bytes = b"") -> bytes:
    """An element: its number, its size, its payload."""
    return bytes((number, len(payload))) + payload


def configuration(
    peers: int = 0, *, formation: int = 0, capability: int = 0x09, authentication: int = 0
) -> bytes:
    """Mesh Configuration: HWMP, airtime, neighbor offset synchronization."""
    formation |= peers << 1
    return element(CONFIGURATION, bytes((1, 1, 0, 1, authentication, formation, capability)))


MESH = element(MESH_ID, b"testmesh")
RATES = element(1, bytes.fromhex("82040b160c121824"))


def beacon(
    transmitter: str = A,
    *elements: bytes,
    interval_tu: int = 1000,
    capability: int = 0,
    control: int = 0x0080,
) -> bytes:
    """A beacon without radiotap header; of a mesh, if no elements are given."""
    fixed = struct.pack("<QHH", 0x0660DCFF742D65, interval_tu, capability)
    found = elements or (element(0), RATES, MESH, configuration())
    return header(control, EVERYBODY, transmitter) + fixed + b"".join(found)


def peering(
    action: int,
    receiver: str,
    transmitter: str,
    management: bytes,
    *elements: bytes,
    control: int = 0x00D0,
) -> bytes:
    """A Mesh Peering frame; ``management`` is the payload of Mesh Peering Management."""
    fixed = {OPEN: bytes(2), CONFIRM: bytes((0, 0, 1, 0)), CLOSE: b""}[action]
    config = b"" if action == CLOSE else RATES + configuration()
    body = bytes((15, action)) + fixed + MESH + config + element(PEERING, management)
    return header(control, receiver, transmitter) + body + b"".join(elements)


def close(receiver: str, transmitter: str, reason: int = 52) -> bytes:
    """A Mesh Peering Close of a link with both its link ids."""
    return peering(CLOSE, receiver, transmitter, struct.pack("<4H", 0, 0x442C, 0x3B44, reason))


def null(receiver: str, transmitter: str) -> bytes:
    """A QoS Null frame between two stations, as our probes are."""
    return header(0x00C8, receiver, transmitter) + bytes(2)
