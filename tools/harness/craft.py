"""Frames that no honest mesh station sends: malformed, forged, and far too many.

Each maker gives frames with an injectable radiotap header in front; `timed` spreads them over
time, capture.write puts them into a file and guest.inject on a simulated air. All addresses are
arguments: nothing here sends anything by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scapy.layers.dot11 import Dot11, Dot11Action, Dot11Beacon, Dot11Elt, Dot11EltRates, RadioTap
from scapy.packet import Packet

from tools.harness.capture import Frame
from tools.harness.elements import Dot11EltMeshConfiguration, Dot11EltMeshID
from tools.harness.layers import (
    CLOSE,
    CONFIRM,
    OPEN,
    Dot11EltMeshPeering,
    Dot11MeshPeeringConfirm,
    Dot11MeshPeeringOpen,
    Dot11SelfProtected,
)

BROADCAST = "ff:ff:ff:ff:ff:ff"
EMPTY_RADIOTAP = bytes([0, 0, 8, 0, 0, 0, 0, 0])
HEADER_BYTES = 24  # of a management frame
FIXED_BYTES = 12  # of a beacon's body: timestamp, interval, capability
RATES = [0x82, 0x04, 0x0B, 0x16, 0x0C, 0x12, 0x18, 0x24]  # of which 1 Mb/s is basic
MORE_RATES = [0x30, 0x48, 0x60, 0x6C]
MESH_ID, MESH_CONFIGURATION, PEERING = 114, 113, 117


class Crafted(NamedTuple):
    """One frame and what is wrong with it."""

    name: str
    data: bytes


# ---- honest frames, to be spoiled ---------------------------------------------------------------


def _management(subtype: int, receiver: str, sender: str) -> Packet:
    header = Dot11(type=0, subtype=subtype, addr1=receiver, addr2=sender, addr3=sender)
    return RadioTap(present=0) / header


def _elements(mesh_id: bytes, peerings: int) -> Packet:
    return Dot11EltMeshID(mesh_id=mesh_id) / Dot11EltMeshConfiguration(peerings=peerings)


def _rates(between: Packet | None = None) -> Packet:
    rates = Dot11EltRates(rates=RATES)
    more = Dot11EltRates(ID=50, rates=MORE_RATES)
    return rates / more if between is None else rates / between / more


def beacon(
    sender: str, mesh_id: bytes, *, interval_tu: int = 1000, peerings: int = 0, channel: int = 1
) -> bytes:
    """A mesh beacon as mac80211 sends it, for the channel it is sent on (2.4 GHz)."""
    fixed = Dot11Beacon(beacon_interval=interval_tu, cap=0)
    where = Dot11Elt(ID=3, info=bytes([channel])) / Dot11Elt(ID=5, info=bytes([1, 2, 0, 0]))
    frame = _management(8, BROADCAST, sender) / fixed / Dot11Elt(ID=0) / _rates(where)
    return bytes(frame / _elements(mesh_id, peerings))


def _peering(action: int, sender: str, receiver: str) -> Packet:
    return (
        _management(13, receiver, sender)
        / Dot11Action(category=15)
        / Dot11SelfProtected(action=action)
    )


def peering_open(sender: str, receiver: str, mesh_id: bytes, llid: int) -> bytes:
    """An Open for a link that its sender calls ``llid``."""
    frame = _peering(OPEN, sender, receiver) / Dot11MeshPeeringOpen() / _rates()
    return bytes(frame / _elements(mesh_id, 0) / Dot11EltMeshPeering(llid=llid))


def peering_confirm(sender: str, receiver: str, mesh_id: bytes, llid: int, plid: int) -> bytes:
    """A Confirm of the receiver's Open, which said ``plid``."""
    frame = _peering(CONFIRM, sender, receiver) / Dot11MeshPeeringConfirm(aid=1) / _rates()
    return bytes(frame / _elements(mesh_id, 0) / Dot11EltMeshPeering(llid=llid, plid=plid))


def peering_close(
    sender: str, receiver: str, mesh_id: bytes, llid: int, plid: int, *, reason: int = 52
) -> bytes:
    """A Close of the link."""
    frame = _peering(CLOSE, sender, receiver) / Dot11EltMeshID(mesh_id=mesh_id)
    return bytes(frame / Dot11EltMeshPeering(llid=llid, plid=plid, reason=reason))


# ---- malformed ----------------------------------------------------------------------------------


def malformed_beacons(sender: str, mesh_id: bytes) -> Iterator[Crafted]:
    """Beacons that a careless parser would stumble over."""
    good = beacon(sender, mesh_id)
    start = len(EMPTY_RADIOTAP) + HEADER_BYTES
    yield from _truncations("beacon", good, start)
    yield from _lengths("beacon", good, start + FIXED_BYTES)
    for interval_tu in (0, 1, 65535):
        data = beacon(sender, mesh_id, interval_tu=interval_tu)
        yield Crafted(f"beacon with interval {interval_tu}", data)
    for size in (0, 32, 33, 255):
        plain = Dot11Elt(ID=MESH_ID, info=b"M" * size)
        yield Crafted(f"beacon with a mesh ID of {size} bytes", _replaced(good, MESH_ID, plain))
    for size in (0, 6, 8, 255):
        whole = bytes(Dot11EltMeshConfiguration())[2:] + bytes(size)
        plain = Dot11Elt(ID=MESH_CONFIGURATION, info=whole[:size])
        name = f"beacon with a configuration of {size} bytes"
        yield Crafted(name, _replaced(good, MESH_CONFIGURATION, plain))
    for number in (MESH_ID, MESH_CONFIGURATION):
        yield Crafted(f"beacon without element {number}", _replaced(good, number, None))
        again = bytes(Dot11Elt(ID=number, info=b"\xff" * 7))
        yield Crafted(f"beacon with element {number} twice", good + again)
    yield Crafted("beacon of a mesh that is no text", beacon(sender, b"\x00\xff\n\x1b[2J"))
    yield Crafted("beacon full of elements", good + bytes(Dot11Elt(ID=221, info=bytes(250))) * 5)


def malformed_peerings(sender: str, receiver: str, mesh_id: bytes) -> Iterator[Crafted]:
    """Peering frames likewise."""
    goods = {
        "open": peering_open(sender, receiver, mesh_id, 0x1234),
        "confirm": peering_confirm(sender, receiver, mesh_id, 0x1234, 0x5678),
        "close": peering_close(sender, receiver, mesh_id, 0x1234, 0x5678),
    }
    start = len(EMPTY_RADIOTAP) + HEADER_BYTES
    fixed = {"open": 4, "confirm": 6, "close": 2}
    for name, good in goods.items():
        yield from _truncations(name, good, start)
        yield from _lengths(name, good, start + fixed[name])
        for size in (0, 1, 3, 5, 7, 9, 20, 22, 24, 255):
            plain = Dot11Elt(
                ID=PEERING, info=b"\x01\x00" + b"\xee" * (size - 2) if size > 1 else b""
            )
            yield Crafted(f"{name} with peering of {size} bytes", _replaced(good, PEERING, plain))
        twice = bytes(Dot11Elt(ID=PEERING, info=b"\xff" * 8))
        yield Crafted(f"{name} with peering twice", good + twice)
        yield Crafted(f"{name} without peering", _replaced(good, PEERING, None))
        yield Crafted(f"{name} to everybody", _to(good, BROADCAST))
        yield Crafted(f"{name} from a group", _from(good, "03:00:00:00:00:00"))
        yield Crafted(f"{name} from its receiver", _from(good, receiver))
    for action in (0, 4, 5, 6, 255):
        data = bytearray(goods["open"])
        data[start + 1] = action
        yield Crafted(f"self-protected action {action}", bytes(data))


def _truncations(name: str, good: bytes, start: int) -> Iterator[Crafted]:
    for size in range(start, len(good)):
        yield Crafted(f"{name} cut after {size - len(EMPTY_RADIOTAP)} bytes", good[:size])


def _lengths(name: str, good: bytes, at: int) -> Iterator[Crafted]:
    """Each element in turn says it is one byte shorter or longer, empty, or as long as can be."""
    while at + 2 <= len(good):
        number, size = good[at], good[at + 1]
        for wrong in sorted({0, max(size - 1, 0), size + 1, 255} - {size}):
            data = bytearray(good)
            data[at + 1] = wrong
            yield Crafted(f"{name} whose element {number} says {wrong} bytes", bytes(data))
        at += 2 + size


def _replaced(good: bytes, number: int, element: Packet | None) -> bytes:
    """The frame with another element in the place of that one, or without it."""
    packet = RadioTap(good)
    before = packet.getlayer(Dot11Elt)
    while before is not None and before.payload.fields.get("ID") != number:
        before = before.payload.getlayer(Dot11Elt)
    assert before is not None, f"no element {number} behind another one"
    after = bytes(before.payload.payload)
    head = good[: len(good) - len(bytes(before.payload))]
    return head + (bytes(element) if element is not None else b"") + after


def _to(good: bytes, receiver: str) -> bytes:
    at = len(EMPTY_RADIOTAP) + 4
    return good[:at] + bytes.fromhex(receiver.replace(":", "")) + good[at + 6 :]


def _from(good: bytes, sender: str) -> bytes:
    at = len(EMPTY_RADIOTAP) + 10
    address = bytes.fromhex(sender.replace(":", ""))
    return good[:at] + address * 2 + good[at + 12 :]


# ---- forged, and too many -----------------------------------------------------------------------


def storm(candidates: int, beacons: int, mesh_id: bytes) -> Iterator[bytes]:
    """Beacons of this many stations that do not exist, in turn, each so many times."""
    for _ in range(beacons):
        for number in range(candidates):
            sender = (0x020000000000 | 0xBAD << 24 | number).to_bytes(6, "big").hex(":")
            yield beacon(sender, mesh_id)


def timed(frames: Iterable[bytes], spacing_s: float, start_s: float = 0) -> Iterator[Frame]:
    """The frames one after the other, this far apart."""
    for number, data in enumerate(frames):
        yield Frame(round((start_s + number * spacing_s) * 1e9), data)
