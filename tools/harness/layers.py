"""Scapy layers for the frames of 802.11s: Mesh Control, peering frames and mesh actions.

Importing this file teaches scapy to dissect and build them, with the elements of
tools.harness.elements. Clause numbers are those of IEEE Std 802.11-2016.
"""
# ruff: noqa: RUF012 (a layer is described by class attributes, and scapy completes them)

from __future__ import annotations

from typing import Any

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    ConditionalField,
    FlagsField,
    LEIntField,
    LEShortEnumField,
    LEShortField,
    MACField,
    XStrFixedLenField,
)
from scapy.layers.dot11 import Dot11, Dot11Action, Dot11Elt, Dot11QoS, capability_list
from scapy.layers.l2 import LLC
from scapy.packet import Packet, bind_bottom_up, bind_layers, bind_top_down, split_bottom_up

from tools.harness.elements import REASONS, Dot11EltMesh

OPEN, CONFIRM, CLOSE, GROUP_KEY_INFORM, GROUP_KEY_ACK = 1, 2, 3, 4, 5
_NO_ADDRESS = "00:00:00:00:00:00"
_SNAP = b"\xaa\xaa\x03"


class Dot11MeshControl(Packet):
    """9.2.4.7.3, in front of the LLC header of a mesh data frame.

    ``addr4`` is the source of a group-addressed frame that a gate proxied; ``addr5`` and
    ``addr6`` are the ends of an individually addressed one outside the mesh.
    """

    name = "802.11 Mesh Control"
    fields_desc = [
        BitField("reserved", 0, 6),
        BitEnumField(
            "extension", 0, 2, {0: "none", 1: "address 4", 2: "addresses 5 and 6", 3: "reserved"}
        ),
        ByteField("ttl", 31),
        LEIntField("sequence", 0),
        ConditionalField(MACField("addr4", _NO_ADDRESS), lambda p: p.extension == 1),
        ConditionalField(MACField("addr5", _NO_ADDRESS), lambda p: p.extension == 2),
        ConditionalField(MACField("addr6", _NO_ADDRESS), lambda p: p.extension == 2),
    ]

    @classmethod
    def dispatch_hook(
        cls, _pkt: bytes | None = None, *_: Any, _underlayer: Packet | None = None, **__: Any
    ) -> type[Packet]:
        """LLC in a frame that has no Mesh Control."""
        if _pkt and isinstance(_underlayer, Dot11QoS) and not _has_mesh_control(_underlayer, _pkt):
            return LLC
        return cls


def _has_mesh_control(qos: Packet, body: bytes) -> bool:
    """Whether the body of this QoS data frame begins with a Mesh Control.

    Bit 8 of QoS Control, which scapy calls bit 0 of TXOP, announces one. Outside a mesh the same
    bit counts queued frames or airtime, so the addresses and the flags must fit too; and Linux
    6.1 forwards group-addressed frames with a QoS Control of 0 (net/mac80211/rx.c), so that the
    place of the SNAP header must do where the bit is not set.
    """
    header = qos.underlayer
    if not isinstance(header, Dot11) or len(body) < 6:
        return False
    direction = int(header.FCfield) & 3  # to DS, from DS
    group = int(header.addr1[:2], 16) & 1
    lengths = {3: {0: 6, 2: 18}, 2: {0: 6, 1: 12} if group else {}}
    length = lengths.get(direction, {}).get(body[0])
    if length is None:
        return False
    return bool(qos.TXOP & 1) or (body[length:].startswith(_SNAP) and not body.startswith(_SNAP))


class Dot11SelfProtected(Packet):
    """9.6.16: what mesh stations say before they are peers."""

    name = "802.11 Self-protected Action"
    fields_desc = [
        ByteEnumField(
            "action",
            OPEN,
            {
                OPEN: "Mesh Peering Open",
                CONFIRM: "Mesh Peering Confirm",
                CLOSE: "Mesh Peering Close",
                GROUP_KEY_INFORM: "Mesh Group Key Inform",
                GROUP_KEY_ACK: "Mesh Group Key Acknowledge",
            },
        )
    ]


class Dot11MeshPeeringOpen(Packet):
    """9.6.16.2."""

    name = "802.11 Mesh Peering Open"
    fields_desc = [FlagsField("cap", 0, 16, capability_list)]


class Dot11MeshPeeringConfirm(Packet):
    """9.6.16.3."""

    name = "802.11 Mesh Peering Confirm"
    fields_desc = [FlagsField("cap", 0, 16, capability_list), LEShortField("aid", 0)]


class Dot11EltMeshPeering(Dot11EltMesh):
    """9.4.2.102: how many ids it holds depends on its length and on the frame it is in.

    Built without ``len``, it takes the form of the frame it is put into: an Open names our link,
    a Confirm both links, a Close both and the reason. A Close to a peer whose link id is not
    known has ``len`` 6 and no ``plid``; with protocol 1 a chosen PMK ends the element.
    """

    name = "802.11 Mesh Peering Management"
    fields_desc = [
        ByteEnumField("ID", 117, {117: "Mesh Peering Management"}),
        ByteField("len", None),
        LEShortEnumField("protocol", 0, {0: "MPM", 1: "AMPE", 255: "vendor"}),
        LEShortField("llid", 0),
        ConditionalField(LEShortField("plid", 0), lambda p: p.holds("plid")),
        ConditionalField(LEShortEnumField("reason", 52, REASONS), lambda p: p.holds("reason")),
        ConditionalField(XStrFixedLenField("pmk", bytes(16), 16), lambda p: p.holds("pmk")),
    ]

    @classmethod
    def fits(cls, body: bytes) -> bool:
        return len(body) in {4, 6, 8, 20, 22, 24}

    def holds(self, field: str) -> bool:
        """Whether one of the optional fields is there."""
        action = self._action()
        size = self.len
        if size is None:
            size = {OPEN: 4, CONFIRM: 6, CLOSE: 8}.get(action, 6) + 16 * (self.protocol == 1)
        if field == "pmk":
            return bool(size >= 20)
        ids = size % 16
        if field == "plid":
            return bool(ids == 8 or (ids == 6 and action != CLOSE))
        return bool(ids == 8 or (ids == 6 and action == CLOSE))

    def _action(self) -> int:
        layer = self.underlayer
        while layer is not None and not isinstance(layer, Dot11SelfProtected):
            layer = layer.underlayer
        return CONFIRM if layer is None else int(layer.action)


class Dot11MeshAction(Packet):
    """9.6.17: what peers tell each other."""

    name = "802.11 Mesh Action"
    fields_desc = [
        ByteEnumField(
            "action",
            1,
            {
                0: "Mesh Link Metric Report",
                1: "HWMP Mesh Path Selection",
                2: "Gate Announcement",
                3: "Congestion Control Notification",
                4: "MCCA Setup Request",
                5: "MCCA Setup Reply",
                6: "MCCA Advertisement Request",
                7: "MCCA Advertisement",
                8: "MCCA Teardown",
                9: "TBTT Adjustment Request",
                10: "TBTT Adjustment Response",
            },
        )
    ]


bind_layers(Dot11Action, Dot11SelfProtected, category=15)
bind_layers(Dot11SelfProtected, Dot11MeshPeeringOpen, action=OPEN)
bind_layers(Dot11SelfProtected, Dot11MeshPeeringConfirm, action=CONFIRM)
for _action in (CLOSE, GROUP_KEY_INFORM, GROUP_KEY_ACK):  # elements and nothing else
    bind_layers(Dot11SelfProtected, Dot11Elt, action=_action)
bind_layers(Dot11MeshPeeringOpen, Dot11Elt)
bind_layers(Dot11MeshPeeringConfirm, Dot11Elt)
bind_layers(Dot11Action, Dot11MeshAction, category=13)
for _action in (0, 1, 2, 3):
    bind_layers(Dot11MeshAction, Dot11Elt, action=_action)

# What is bound first is tried first.
split_bottom_up(Dot11QoS, LLC)
bind_bottom_up(Dot11QoS, Dot11MeshControl, A_MSDU_Present=0)
bind_bottom_up(Dot11QoS, LLC)
bind_top_down(Dot11QoS, Dot11MeshControl, TXOP=1)
bind_layers(Dot11MeshControl, LLC)
