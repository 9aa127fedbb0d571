"""Wireshark's dissectors are the oracle of ours: field by field, for every frame."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from scapy.layers.dot11 import Dot11, Dot11CSA, RadioTap
from scapy.packet import Packet

from tests.harness.test_layers import BUILT
from tools.harness.capture import Frame, read, write
from tools.harness.elements import (
    Dot11EltMeshAwakeWindow,
    Dot11EltMeshChannelSwitch,
    Dot11EltMeshConfiguration,
    Dot11EltMeshID,
    Dot11EltPERR,
    Dot11EltPREP,
    Dot11EltPREQ,
    Dot11EltRANN,
)
from tools.harness.layers import (
    Dot11EltMeshPeering,
    Dot11MeshAction,
    Dot11MeshControl,
    Dot11MeshPeeringConfirm,
    Dot11SelfProtected,
)

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

HERE = Path(__file__).parent

# Layer: its fields, and what Wireshark calls them.
HWMP = {"flags": "flags", "hop_count": "hopcount", "ttl": "ttl", "lifetime": "lifetime",
        "metric": "metric", "originator": "orig_sta"}  # fmt: skip
HWMP = {ours: f"wlan.hwmp.{theirs}" for ours, theirs in HWMP.items()}
FIELDS: dict[type[Packet], dict[str, str]] = {
    Dot11EltMeshID: {"mesh_id": "wlan.mesh.id"},
    Dot11EltMeshConfiguration: {
        "path_protocol": "wlan.mesh.config.ps_protocol",
        "path_metric": "wlan.mesh.config.ps_metric",
        "congestion_control": "wlan.mesh.config.cong_ctl",
        "synchronization": "wlan.mesh.config.sync_method",
        "authentication": "wlan.mesh.config.auth_protocol",
        "connected_to_as": "wlan.mesh.formation_info.connect_to_as",
        "peerings": "wlan.mesh.config.formation_info.num_peers",
        "connected_to_gate": "wlan.mesh.formation_info.connect_to_mesh_gate",
        "capability": "wlan.mesh.config.cap",
    },
    Dot11EltMeshChannelSwitch: {
        "ttl": "wlan.csa.mesh_channel_switch.ttl",
        "flags": "wlan.csa.mesh_channel_switch.flag",
        "reason": "wlan.csa.mesh_channel_switch.reason_code",
        "precedence": "wlan.csa.mesh_channel_switch.pre_value",
    },
    Dot11EltMeshAwakeWindow: {"window": "wlan.mesh.mesh_awake_window"},
    Dot11EltRANN: {
        "flags": "wlan.rann.flags",
        "hop_count": "wlan.hwmp.hopcount",
        "ttl": "wlan.hwmp.ttl",
        "root": "wlan.rann.root_sta",
        "sequence": "wlan.rann.rann_sn",
        "interval": "wlan.rann.interval",
        "metric": "wlan.hwmp.metric",
    },
    Dot11EltPREQ: HWMP
    | {
        "discovery_id": "wlan.hwmp.pdid",
        "originator_sequence": "wlan.hwmp.orig_sn",
        "originator_external": "wlan.hwmp.orig_ext",
        "target_count": "wlan.hwmp.targ_count",
    },
    Dot11EltPREP: HWMP
    | {
        "target": "wlan.hwmp.targ_sta",
        "target_sequence": "wlan.hwmp.targ_sn",
        "target_external": "wlan.hwmp.targ_ext",
        "originator_sequence": "wlan.hwmp.orig_sn",
    },
    Dot11EltPERR: {"ttl": "wlan.hwmp.ttl", "count": "wlan.hwmp.targ_count"},
    Dot11SelfProtected: {"action": "wlan.fixed.selfprot_action"},
    Dot11MeshAction: {"action": "wlan.fixed.mesh_action"},
    Dot11MeshPeeringConfirm: {"aid": "wlan.fixed.aid"},
    Dot11EltMeshPeering: {
        "protocol": "wlan.peering.proto",
        "llid": "wlan.peering.local_id",
        "plid": "wlan.peering.peer_id",
        "reason": "wlan.fixed.reason_code",
    },
    Dot11MeshControl: {
        "ttl": "wlan.fixed.mesh_ttl",
        "sequence": "wlan.fixed.mesh_sequence",
        "addr4": "wlan.fixed.mesh_addr4",
        "addr5": "wlan.fixed.mesh_addr5",
        "addr6": "wlan.fixed.mesh_addr6",
    },
}
TARGETS = {"flags": "wlan.hwmp.targ_flags", "target": "wlan.hwmp.targ_sta",
           "sequence": "wlan.hwmp.targ_sn"}  # fmt: skip
DESTINATIONS = {
    "flags": "wlan.hwmp.targ_flags",
    "destination": "wlan.hwmp.targ_sta",
    "sequence": "wlan.hwmp.targ_sn",
    "destination_external": "wlan.hwmp.targ_ext",
    "reason": "wlan.fixed.reason_code",
}
NAMES = sorted(
    {name for names in (*FIELDS.values(), TARGETS, DESTINATIONS) for name in names.values()}
)


def theirs(path: Path) -> list[dict[str, list[str]]]:
    """What tshark says of each frame."""
    fields = [word for name in NAMES for word in ("-e", name)]
    run = subprocess.run(
        ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|", "-E", "aggregator=,",
         *fields],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return [
        {name: text.split(",") for name, text in zip(NAMES, line.split("|"), strict=True) if text}
        for line in run.stdout.splitlines()
    ]


def values(packet: Packet, names: dict[str, str]) -> list[tuple[str, object]]:
    """The fields of a layer that are there, under Wireshark's names."""
    there = {
        field.name
        for field in packet.fields_desc
        if not hasattr(field, "cond") or field.cond(packet)
    }
    return [(name, getattr(packet, ours)) for ours, name in names.items() if ours in there]


def ours(packet: Packet) -> dict[str, list[object]]:
    """What our layers say of a frame."""
    found: defaultdict[str, list[object]] = defaultdict(list)
    layer: Packet | None = packet
    while layer:
        parts = [(layer, FIELDS.get(type(layer), {}))]
        if isinstance(layer, Dot11EltPREQ):
            parts += [(target, TARGETS) for target in layer.targets]
        if isinstance(layer, Dot11EltPERR):
            parts += [(destination, DESTINATIONS) for destination in layer.destinations]
        for part, names in parts:
            for name, value in values(part, names):
                if isinstance(value, bytes) and not value:
                    continue  # of a wildcard tshark prints nothing
                found[name].append(value)
        # This one scapy reads as a field of its frame, with all that follows it.
        layer = layer.CSA if isinstance(layer, Dot11CSA) else layer.payload
    return dict(found)


def alike(value: object, text: str) -> bool:
    """Whether our value is what tshark printed."""
    if isinstance(value, bytes):
        return value.decode() == text
    if isinstance(value, str):
        return value == text
    assert hasattr(value, "__int__")
    return int(value) == int(text, 0)


def differences(path: Path) -> list[str]:
    """Where we and tshark are of two minds."""
    found = []
    answers = theirs(path)
    frames = list(read(path))
    assert len(answers) == len(frames)
    for number, (frame, answer) in enumerate(zip(frames, answers, strict=True), 1):
        mine = ours(RadioTap(frame.data))
        for name in NAMES:
            a, b = mine.get(name, []), answer.get(name, [])
            same = len(a) == len(b) and all(
                alike(value, text) for value, text in zip(a, b, strict=True)
            )
            if not same:
                found.append(f"frame {number}, {name}: ours {a}, tshark's {b}")
    return found


def test_what_linux_sends() -> None:
    assert differences(HERE / "frames.pcap") == []


def test_what_we_build(tmp_path: Path) -> None:
    header = RadioTap(present=0) / Dot11(type=0, subtype=13, addr1="ff:ff:ff:ff:ff:ff")
    frames = [
        Frame(number, bytes(header) + b"\x0d" + bytes(Dot11MeshAction(action=1) / element))
        for number, element in enumerate(BUILT)
        if type(element) in FIELDS
    ]
    write(tmp_path / "built.pcap", frames)
    assert differences(tmp_path / "built.pcap") == []


def test_the_oracle_would_notice(tmp_path: Path) -> None:
    """One byte of one frame differs between what we read and what tshark reads."""
    frames = list(read(HERE / "frames.pcap"))
    answers = theirs(HERE / "frames.pcap")
    number = next(n for n, answer in enumerate(answers) if "wlan.hwmp.ttl" in answer)
    spoiled = RadioTap(frames[number].data)
    spoiled.lastlayer().ttl += 1
    assert ours(spoiled)["wlan.hwmp.ttl"] != [int(answers[number]["wlan.hwmp.ttl"][0])]
