"""scapy is the oracle of the frame parser: every sample, and any well-formed frame."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch._csrc import ffi, lib
from meshwatch.frames import Frame, decode
from tests.pure import frame_bytes as f

SAMPLES = sorted((Path(__file__).resolve().parent.parent / "c/frames").glob("*.bin"))
# scapy 2.8 knows neither the namespaces of vendors nor an HT Control field in management frames.
UNKNOWN_TO_SCAPY = {"made-beacon-vendor"}
FIELDS = ffi.typeof("enum mw_frame_field").relements
SELF_PROTECTED = 15


def elements(first: Any) -> dict[int, bytes]:
    """The payload of each element, the first one if there are several, before a MIC."""
    from scapy.layers.dot11 import Dot11Elt

    found: dict[int, bytes] = {}
    while isinstance(first, Dot11Elt) and first.ID != f.MIC:
        found.setdefault(first.ID, bytes(first)[2 : 2 + first.len])
        first = first.payload
    return found


def peering_of(action: Any) -> tuple[int, dict[int, bytes]] | None:
    """Action and elements of a peering frame."""
    from scapy.layers.dot11 import Dot11Elt

    if action.category != SELF_PROTECTED:
        return None
    load = bytes(action.payload)
    fixed = {f.OPEN: 3, f.CONFIRM: 5, f.CLOSE: 1}
    return (load[0], elements(Dot11Elt(load[fixed[load[0]] :]))) if load[0] in fixed else None


def management(action: int, payload: bytes) -> dict[str, int]:
    """Mesh Peering Management, without a PMKID."""
    numbers = struct.unpack(f"<{len(payload) % 16 // 2}H", payload[: len(payload) % 16])
    names = {f.OPEN: ("llid",), f.CONFIRM: ("llid", "plid"), f.CLOSE: ("llid", "plid", "reason")}
    said = numbers[1:]
    if action == f.CLOSE and len(said) == 2:
        return {"llid": said[0], "reason": said[1]}
    return dict(zip(names[action], said, strict=True))


def oracle(data: bytes) -> dict[str, Any]:
    """What scapy makes of a frame, in our words."""
    from scapy.layers.dot11 import Dot11, Dot11Action, Dot11Beacon, Dot11FCS, Dot11QoS, RadioTap

    tap = RadioTap(data)
    air = tap[Dot11FCS] if Dot11FCS in tap else tap[Dot11]
    said: dict[str, Any] = {"kind": lib.MW_FRAME_OTHER}
    for name, theirs in (
        ("tsft_us", "mac_timestamp"),
        ("signal", "dBm_AntSignal"),
        ("tx_flags", "TXFlags"),
    ):
        if (value := getattr(tap, theirs)) is not None:
            said[name] = int(value)
    found: dict[int, bytes] = {}
    if Dot11Beacon in air:
        beacon = air[Dot11Beacon]
        found = elements(beacon.payload)
        is_mesh = {f.MESH_ID, f.CONFIGURATION} <= found.keys()
        said["kind"] = lib.MW_FRAME_BEACON if is_mesh else lib.MW_FRAME_FOREIGN
        said |= {"interval_tu": beacon.beacon_interval, "capability": int(beacon.cap)}
        # scapy reads the capability as if it were big-endian
        said["capability"] = int.from_bytes(said["capability"].to_bytes(2, "big"), "little")
    elif Dot11Action in air and (peering := peering_of(air[Dot11Action])):
        said |= {"kind": lib.MW_FRAME_PEERING, "action": peering[0]}
        found = peering[1]
        said |= management(peering[0], found[f.PEERING])
    elif Dot11QoS in air and "tx_flags" in said:
        said["kind"] = lib.MW_FRAME_STATUS
    said |= {"receiver": air.addr1, "transmitter": air.addr2}
    if f.MESH_ID in found:
        said["mesh_id"] = found[f.MESH_ID]
    if f.CONFIGURATION in found:
        said["configuration"] = tuple(found[f.CONFIGURATION][:7])
    return said


def ours(frame: Frame) -> dict[str, Any]:
    """What is present, as the oracle has it."""
    has = {name for name, bit in FIELDS.items() if frame.present >> bit & 1}
    said: dict[str, Any] = {"kind": frame.kind}
    said |= {"receiver": frame.receiver.hex(":"), "transmitter": frame.transmitter.hex(":")}
    if frame.kind in (lib.MW_FRAME_BEACON, lib.MW_FRAME_FOREIGN):
        said |= {"interval_tu": frame.interval_tu, "capability": frame.capability}
    if frame.kind == lib.MW_FRAME_PEERING:
        said["action"] = frame.action
    configuration = frame[frame._fields.index("path_protocol") :][:7]
    for flag, name, value in (
        ("MW_HAS_TSFT", "tsft_us", frame.tsft_us),
        ("MW_HAS_SIGNAL", "signal", frame.signal),
        ("MW_HAS_TX_FLAGS", "tx_flags", frame.tx_flags),
        ("MW_HAS_MESH_ID", "mesh_id", frame.mesh_id),
        ("MW_HAS_CONFIGURATION", "configuration", configuration),
        ("MW_HAS_LLID", "llid", frame.llid),
        ("MW_HAS_PLID", "plid", frame.plid),
        ("MW_HAS_REASON", "reason", frame.reason),
    ):
        if flag in has:
            said[name] = value
    return said


def compared(data: bytes) -> None:
    frame = decode(data)
    assert frame is not None
    assert ours(frame) == oracle(data)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_samples(sample: Path) -> None:
    if sample.stem not in UNKNOWN_TO_SCAPY:
        compared(sample.read_bytes())


# ---- any well-formed frame ----------------------------------------------------------------------

# Radiotap fields of which scapy knows size and alignment: bit, alignment, size.
RADIOTAP = (
    *((0, 8, 8), (1, 1, 1), (2, 1, 1), (3, 2, 4), (5, 1, 1), (6, 1, 1), (7, 2, 2), (11, 1, 1)),
    *((14, 2, 2), (15, 2, 2)),
)
FLAGS, CHECKSUM = 1, 0x10
# Elements that scapy has no opinion of, and the mesh's.
PLAIN = (5, 6, 51, 70, 72, 127)
stations = st.sampled_from([f.OWN, f.A, f.B])


def exactly(size: int) -> st.SearchStrategy[bytes]:
    """Any bytes, so many."""
    return st.binary(min_size=size, max_size=size)


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A radiotap header, and whether it says that the frame ends with its checksum."""
    present, fields = 0, b""
    checksum = False
    for bit, align, size in sorted(draw(st.sets(st.sampled_from(RADIOTAP)))):
        value = draw(exactly(size))
        if bit == FLAGS:
            checksum = draw(st.booleans())
            value = bytes((CHECKSUM if checksum else 0,))
        present |= 1 << bit
        fields += bytes(-len(fields) % align) + value
    return f.radiotap(present, fields), checksum


@st.composite
def element_lists(draw: st.DrawFn, *needed: bytes) -> bytes:
    """These elements among others and their own doubles."""
    plain = st.builds(f.element, st.sampled_from(PLAIN), st.binary(max_size=40))
    mesh_id = st.builds(f.element, st.just(f.MESH_ID), st.binary(max_size=32))
    config = st.builds(f.element, st.just(f.CONFIGURATION), st.binary(min_size=7, max_size=12))
    others = draw(st.lists(st.one_of(plain, mesh_id, config), max_size=6))
    return b"".join(draw(st.permutations([*others, *needed])))


@st.composite
def peerings(draw: st.DrawFn) -> bytes:
    """A peering frame."""
    action = draw(st.sampled_from([f.OPEN, f.CONFIRM, f.CLOSE]))
    sizes = {f.OPEN: (4,), f.CONFIRM: (6,), f.CLOSE: (6, 8)}[action]
    size = draw(st.sampled_from(sizes)) + 16 * draw(st.booleans())
    mine = f.element(f.PEERING, draw(exactly(size)))
    end = draw(st.sampled_from([b"", f.element(f.MIC, bytes(16)) + b"\xff\xff"]))
    fixed = bytes((SELF_PROTECTED, action)) + bytes({f.OPEN: 2, f.CONFIRM: 4, f.CLOSE: 0}[action])
    body = fixed + draw(element_lists(mine)) + end
    return f.header(0x00D0, draw(stations), draw(stations)) + body


@st.composite
def beacons(draw: st.DrawFn) -> bytes:
    """A beacon, perhaps of a mesh."""
    fixed = struct.pack(
        "<QHH",
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(1, 65535)),
        draw(st.integers(0, 65535)),
    )
    head = f.header(0x0080, f.EVERYBODY, draw(stations))
    return head + fixed + draw(element_lists())


@given(headers(), st.one_of(beacons(), peerings(), st.builds(f.null, stations, stations)))
def test_any_well_formed_frame_agrees_with_the_oracle(
    head: tuple[bytes, bool], body: bytes
) -> None:
    radiotap, checksum = head
    compared(radiotap + body + b"\1\2\3\4" * checksum)
