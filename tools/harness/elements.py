"""Scapy layers for the elements that mesh stations put into their frames.

An element whose length the standard does not know stays a plain Dot11Elt, so that a malformed
one never swallows what follows it, and any frame is rebuilt as it was. Clause numbers are those
of IEEE Std 802.11-2016; numbers of elements and reasons also stand in the kernel's
include/linux/ieee80211.h.
"""
# ruff: noqa: RUF012 (a layer is described by class attributes, and scapy completes them)

from __future__ import annotations

from typing import Any

from scapy.fields import (
    BitField,
    ByteEnumField,
    ByteField,
    ConditionalField,
    FieldLenField,
    FlagsField,
    LEIntField,
    LEShortEnumField,
    LEShortField,
    MACField,
    PacketListField,
    StrLenField,
    XStrFixedLenField,
)
from scapy.layers.dot11 import Dot11Elt
from scapy.packet import Packet, Raw

REASONS = {  # Table 9-45
    52: "peering canceled",
    53: "maximum of peers",
    54: "configuration policy violation",
    55: "close received",
    56: "maximum of retries",
    57: "confirm timeout",
    58: "invalid GTK",
    59: "inconsistent parameters",
    60: "invalid security capability",
    61: "path error: no proxy information",
    62: "path error: no forwarding information",
    63: "path error: destination unreachable",
    64: "MAC address already exists in the MBSS",
    65: "channel switch: regulatory requirements",
    66: "channel switch: unspecified",
}
_NO_ADDRESS = "00:00:00:00:00:00"
_EXTENSION = 0x40  # Address Extension, in the flags of PREQ, PREP and of a PERR's destination


def _head(number: int, name: str) -> list[Any]:
    return [ByteEnumField("ID", number, {number: name}), ByteField("len", None)]


def _extended(packet: Packet) -> bool:
    return bool(packet.flags & _EXTENSION)


class Dot11EltMesh(Dot11Elt):
    """An element of 802.11s; ``fits`` says whether a body has a length that it may have."""

    name = "802.11 Mesh Element"
    match_subclass = True

    @classmethod
    def fits(cls, body: bytes) -> bool:
        """Whether the standard allows an element of this length."""
        return True

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *_: Any, **__: Any) -> type[Packet]:
        """This class, or the plain element for a body that is too short, too long or cut."""
        if _pkt:
            body = _pkt[2 : 2 + _pkt[1]] if len(_pkt) > 1 else b""
            if len(_pkt) < 2 + len(body) or len(body) < _pkt[1] or not cls.fits(body):
                return Dot11Elt
        return cls


class Dot11EltMeshConfiguration(Dot11EltMesh):
    """9.4.2.98; whatever follows is left to those who know it, as mac80211 does."""

    name = "802.11 Mesh Configuration"
    fields_desc = [
        *_head(113, "Mesh Configuration"),
        ByteEnumField("path_protocol", 1, {1: "HWMP", 255: "vendor"}),
        ByteEnumField("path_metric", 1, {1: "airtime", 255: "vendor"}),
        ByteEnumField("congestion_control", 0, {0: "none", 1: "signaling", 255: "vendor"}),
        ByteEnumField("synchronization", 1, {1: "neighbor offset", 255: "vendor"}),
        ByteEnumField("authentication", 0, {0: "none", 1: "SAE", 2: "802.1X", 255: "vendor"}),
        BitField("connected_to_as", 0, 1),
        BitField("peerings", 0, 6),
        BitField("connected_to_gate", 0, 1),
        FlagsField(
            "capability",
            0x09,
            8,
            ["accepting", "mcca_supported", "mcca_enabled", "forwarding", "mbca_enabled",
             "tbtt_adjusting", "power_save", "reserved"],
        ),
        StrLenField("more", b"", length_from=lambda p: p.len - 7),
    ]  # fmt: skip

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) >= 7


class Dot11EltMeshID(Dot11EltMesh):
    """9.4.2.99; empty is the wildcard."""

    name = "802.11 Mesh ID"
    fields_desc = [
        *_head(114, "Mesh ID"),
        StrLenField("mesh_id", b"", length_from=lambda p: p.len),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) <= 32


class Dot11EltMeshLinkMetric(Dot11EltMesh):
    """9.4.2.100, with the airtime metric."""

    name = "802.11 Mesh Link Metric Report"
    fields_desc = [
        *_head(116, "Mesh Link Metric Report"),
        FlagsField("flags", 0, 8, ["request"]),
        LEIntField("metric", 0),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 5


class Dot11EltMeshChannelSwitch(Dot11EltMesh):
    """9.4.2.103."""

    name = "802.11 Mesh Channel Switch Parameters"
    fields_desc = [
        *_head(118, "Mesh Channel Switch Parameters"),
        ByteField("ttl", 1),
        FlagsField("flags", 0, 8, ["transmit_restrict", "initiator", "reason_valid"]),
        LEShortEnumField("reason", 66, REASONS),
        LEShortField("precedence", 0),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 6


class Dot11EltMeshAwakeWindow(Dot11EltMesh):
    """9.4.2.104; the window is in TU."""

    name = "802.11 Mesh Awake Window"
    fields_desc = [*_head(119, "Mesh Awake Window"), LEShortField("window", 10)]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 2


class Dot11EltRANN(Dot11EltMesh):
    """9.4.2.112; the interval is in TU."""

    name = "802.11 Root Announcement"
    fields_desc = [
        *_head(126, "RANN"),
        FlagsField("flags", 0, 8, ["gate"]),
        ByteField("hop_count", 0),
        ByteField("ttl", 31),
        MACField("root", _NO_ADDRESS),
        LEIntField("sequence", 0),
        LEIntField("interval", 5000),
        LEIntField("metric", 0),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 21


class Dot11PREQTarget(Packet):
    """One target of a path request."""

    name = "Target of a Path Request"
    fields_desc = [
        FlagsField("flags", 0, 8, ["target_only", "reserved", "sequence_unknown"]),
        MACField("target", _NO_ADDRESS),
        LEIntField("sequence", 0),
    ]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class Dot11EltPREQ(Dot11EltMesh):
    """9.4.2.113; the lifetime is in TU."""

    name = "802.11 Path Request"
    fields_desc = [
        *_head(130, "PREQ"),
        FlagsField(
            "flags", 0, 8, ["gate", "individual", "proactive_prep", "", "", "", "extension"]
        ),
        ByteField("hop_count", 0),
        ByteField("ttl", 31),
        LEIntField("discovery_id", 0),
        MACField("originator", _NO_ADDRESS),
        LEIntField("originator_sequence", 0),
        ConditionalField(MACField("originator_external", _NO_ADDRESS), _extended),
        LEIntField("lifetime", 5000),
        LEIntField("metric", 0),
        FieldLenField("target_count", None, count_of="targets", fmt="B"),
        PacketListField("targets", [], Dot11PREQTarget, count_from=lambda p: p.target_count),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        fixed = 26 + 6 * bool(body and body[0] & _EXTENSION)
        return len(body) >= fixed and len(body) == fixed + 11 * body[fixed - 1]


class Dot11EltPREP(Dot11EltMesh):
    """9.4.2.114; the lifetime is in TU."""

    name = "802.11 Path Reply"
    fields_desc = [
        *_head(131, "PREP"),
        FlagsField("flags", 0, 8, ["", "", "", "", "", "", "extension"]),
        ByteField("hop_count", 0),
        ByteField("ttl", 31),
        MACField("target", _NO_ADDRESS),
        LEIntField("target_sequence", 0),
        ConditionalField(MACField("target_external", _NO_ADDRESS), _extended),
        LEIntField("lifetime", 5000),
        LEIntField("metric", 0),
        MACField("originator", _NO_ADDRESS),
        LEIntField("originator_sequence", 0),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 31 + 6 * bool(body and body[0] & _EXTENSION)


class Dot11PERRDestination(Packet):
    """One destination that cannot be reached any more."""

    name = "Destination of a Path Error"
    fields_desc = [
        FlagsField("flags", 0, 8, ["", "", "", "", "", "", "extension"]),
        MACField("destination", _NO_ADDRESS),
        LEIntField("sequence", 0),
        ConditionalField(MACField("destination_external", _NO_ADDRESS), _extended),
        LEShortEnumField("reason", 63, REASONS),
    ]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class Dot11EltPERR(Dot11EltMesh):
    """9.4.2.115."""

    name = "802.11 Path Error"
    fields_desc = [
        *_head(132, "PERR"),
        ByteField("ttl", 31),
        FieldLenField("count", None, count_of="destinations", fmt="B"),
        PacketListField("destinations", [], Dot11PERRDestination, count_from=lambda p: p.count),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        at = 2
        for _ in range(body[1] if len(body) > 1 else 1):
            at += 13 + 6 * bool(body[at : at + 1] and body[at] & _EXTENSION)
        return at == len(body)


class Dot11EltMIC(Dot11EltMesh):
    """9.4.2.119; what follows it in a peering frame is encrypted."""

    name = "802.11 Mesh Peering MIC"
    fields_desc = [*_head(140, "MIC"), XStrFixedLenField("mic", bytes(16), 16)]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) == 16

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return Raw
