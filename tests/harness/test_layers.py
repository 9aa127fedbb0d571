"""What scapy learns of 802.11s: every frame is taken apart, and put together as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.dot11 import Dot11, Dot11Action, Dot11Elt, Dot11EltRates, Dot11QoS, RadioTap
from scapy.layers.l2 import LLC, SNAP
from scapy.packet import Packet, Raw

from tools.harness import elements, layers
from tools.harness.capture import Frame, read
from tools.harness.elements import (
    Dot11EltMeshAwakeWindow,
    Dot11EltMeshChannelSwitch,
    Dot11EltMeshConfiguration,
    Dot11EltMeshID,
    Dot11EltMeshLinkMetric,
    Dot11EltMIC,
    Dot11EltPERR,
    Dot11EltPREP,
    Dot11EltPREQ,
    Dot11EltRANN,
    Dot11PERRDestination,
    Dot11PREQTarget,
)
from tools.harness.layers import (
    CLOSE,
    CONFIRM,
    OPEN,
    Dot11EltMeshPeering,
    Dot11MeshAction,
    Dot11MeshControl,
    Dot11SelfProtected,
)

# One frame of each sort that mac80211 and wpa_supplicant send in a mesh: two kinds of peering,
# HWMP in all its forms, proxied data, power save, a channel switch. Captured on hwsim0.
FRAMES = list(read(Path(__file__).parent / "frames.pcap"))
A, B = "02:00:00:00:00:00", "02:00:00:00:01:00"


def rebuilt(packet: Packet, *forgotten: str) -> bytes:
    """The bytes made anew from the fields, of which some were forgotten."""
    packet = packet.copy()
    packet.clear_cache()
    layer: Packet | None = packet
    while layer:
        if type(layer).__module__ in {elements.__name__, layers.__name__}:
            for name in forgotten:
                layer.fields.pop(name, None)
        layer = layer.payload
    return bytes(packet)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame.time_ns // 1_000_000))
def test_rebuilt_as_it_was(frame: Frame) -> None:
    assert rebuilt(RadioTap(frame.data)) == frame.data


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame.time_ns // 1_000_000))
def test_lengths_and_counts_are_computed(frame: Frame) -> None:
    packet = RadioTap(frame.data)
    peering = packet.getlayer(Dot11EltMeshPeering)
    # The only form that nothing but its length tells: a Close to a peer whose id is not known.
    if peering is None or peering.len != 6 or packet[Dot11SelfProtected].action != CLOSE:
        assert rebuilt(packet, "len", "target_count", "count") == frame.data


def test_the_sample_has_everything_that_linux_sends() -> None:
    seen = {layer for frame in FRAMES for layer in RadioTap(frame.data).layers()}
    ours = {
        value
        for module in (elements, layers)
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    parts = {elements.Dot11EltMesh, Dot11PREQTarget, Dot11PERRDestination}
    assert ours - parts - seen == {Dot11EltMeshLinkMetric}
    extensions = {
        control.extension
        for frame in FRAMES
        if (control := RadioTap(frame.data).getlayer(Dot11MeshControl))
    }
    assert extensions == {0, 1, 2}


def test_data_of_a_mesh_is_understood_to_its_end() -> None:
    """Also what Linux 6.1 forwards without the bit that announces a Mesh Control."""
    bits = set()
    for frame in FRAMES:
        packet = RadioTap(frame.data)
        if packet.haslayer(Dot11MeshControl):
            assert packet.haslayer(SNAP)
            bits.add(packet[Dot11QoS].TXOP & 1)
    assert bits == {0, 1}


def test_no_mesh_control_outside_a_mesh() -> None:
    snap = bytes(LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x86DD) / Raw(bytes(40)))
    for direction in ("to_DS", "from_DS"):
        header = Dot11(type=2, subtype=8, FCfield=direction, addr1=A, addr2=B, addr3=B)
        for body in (snap, bytes(40)):  # the first byte could be the flags of a Mesh Control
            packet = Dot11(bytes(header / Dot11QoS(TXOP=1)) + body)
            assert packet.haslayer(LLC)
            assert not packet.haslayer(Dot11MeshControl)


def test_a_mesh_control_announces_itself() -> None:
    header = Dot11(type=2, subtype=8, FCfield=3, addr1=A, addr2=B, addr3=A, addr4=B)
    control = Dot11MeshControl(extension=2, sequence=9, addr5=A, addr6=B)
    packet = Dot11(bytes(header / Dot11QoS() / control / LLC() / SNAP(code=0x86DD)))
    assert packet[Dot11QoS].TXOP & 1
    assert (packet[Dot11MeshControl].addr5, packet[Dot11MeshControl].addr6) == (A, B)
    assert packet[SNAP].code == 0x86DD


@pytest.mark.parametrize(
    ("action", "length", "fields"),
    [
        (OPEN, 4, {"llid"}),
        (OPEN, 20, {"llid", "pmk"}),
        (CONFIRM, 6, {"llid", "plid"}),
        (CONFIRM, 22, {"llid", "plid", "pmk"}),
        (CLOSE, 6, {"llid", "reason"}),
        (CLOSE, 8, {"llid", "plid", "reason"}),
        (CLOSE, 24, {"llid", "plid", "reason", "pmk"}),
    ],
)
def test_forms_of_peering(action: int, length: int, fields: set[str]) -> None:
    protocol = 1 if "pmk" in fields else 0
    values: dict[str, int | bytes]
    values = {"llid": 0x1234, "plid": 0x5678, "reason": 55, "pmk": b"\xee" * 16}
    data = bytes([15, action]) + bytes({OPEN: 2, CONFIRM: 4, CLOSE: 0}[action])
    data += bytes([117, length, protocol, 0])
    for name, value in values.items():
        if name in fields:
            data += value if isinstance(value, bytes) else value.to_bytes(2, "little")
    element = Dot11Action(data)[Dot11EltMeshPeering]
    held = {"llid"} | {name for name in ("plid", "reason", "pmk") if element.holds(name)}
    assert held == fields
    assert {name: getattr(element, name) for name in held} == {n: values[n] for n in held}
    assert rebuilt(Dot11Action(data)) == data


def test_a_peering_element_takes_the_form_of_its_frame() -> None:
    for action, length in ((OPEN, 4), (CONFIRM, 6), (CLOSE, 8)):
        packet = Dot11Action(category=15) / Dot11SelfProtected(action=action)
        assert bytes(packet / Dot11EltMeshPeering())[-length - 1] == length
        assert bytes(packet / Dot11EltMeshPeering(protocol=1))[-length - 17] == length + 16


# What Linux does not send, or seldom.
BUILT = [
    Dot11EltMeshID(mesh_id=b""),
    Dot11EltMeshConfiguration(
        connected_to_as=1, peerings=63, connected_to_gate=1, capability="accepting+power_save"
    ),
    Dot11EltMeshLinkMetric(flags="request", metric=8193),
    Dot11EltMeshChannelSwitch(ttl=3, flags="initiator", reason=65, precedence=515),
    Dot11EltMeshAwakeWindow(window=300),
    Dot11EltRANN(flags="gate", hop_count=2, root=A, sequence=7, interval=2000, metric=90),
    Dot11EltPREQ(
        flags="extension",
        originator=A,
        originator_external=B,
        targets=[Dot11PREQTarget(target=B, sequence=5), Dot11PREQTarget(target=A)],
    ),
    Dot11EltPREP(flags="extension", target=A, target_external=B, originator=B, lifetime=9),
    Dot11EltPERR(
        destinations=[
            Dot11PERRDestination(destination=A, reason=62),
            Dot11PERRDestination(flags="extension", destination=B, destination_external=A),
        ]
    ),
    Dot11EltMIC(mic=b"\x55" * 16),
]


@pytest.mark.parametrize("element", BUILT, ids=lambda element: type(element).__name__)
def test_built_and_read_back(element: Packet) -> None:
    data = bytes(Dot11MeshAction() / element)
    read_back = Dot11MeshAction(data).payload
    assert type(read_back) is type(element)
    assert rebuilt(read_back) == bytes(element)
    for name in {field.name for field in element.fields_desc} - {"len", "target_count", "count"}:
        was, is_ = getattr(element, name), getattr(read_back, name)
        assert [*map(bytes, is_)] == [*map(bytes, was)] if isinstance(was, list) else is_ == was


@pytest.mark.parametrize("element", BUILT, ids=lambda element: type(element).__name__)
def test_a_wrong_length_swallows_nothing(element: Packet) -> None:
    """It stays a plain element, and what follows is read all the same."""
    after = bytes(Dot11EltRates(rates=[0x82]))
    for data in (bytes(element)[2:] + b"\x00", bytes(element)[2:-1], b""):
        if isinstance(element, Dot11EltMeshID) and len(data) <= 32:
            continue
        if isinstance(element, Dot11EltMeshConfiguration) and len(data) >= 7:
            continue
        spoiled = bytes([element.ID, len(data)]) + data
        packet = Dot11MeshAction(b"\x01" + spoiled + after)
        assert type(packet.payload) is Dot11Elt
        assert packet.haslayer(Dot11EltRates)
        assert rebuilt(packet) == b"\x01" + spoiled + after


def test_a_configuration_may_be_longer() -> None:
    """tshark does not read it then; mac80211 does."""
    element = Dot11EltMeshConfiguration(peerings=1, more=b"new")
    packet = Dot11MeshAction(bytes(Dot11MeshAction() / element / Dot11EltRates(rates=[0x82])))
    assert packet.payload.peerings == 1
    assert packet.haslayer(Dot11EltRates)


def test_what_follows_a_mic_is_encrypted() -> None:
    packet = Dot11MeshAction(bytes(Dot11MeshAction() / Dot11EltMIC()) + b"\x71\x07" * 9)
    assert type(packet.lastlayer()) is Raw
