"""What one captured frame says: who sent it to whom, and what of its body the truth needs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from scapy.layers.dot11 import Dot11Action, Dot11Beacon, RadioTap

from tools.harness.capture import Frame
from tools.harness.elements import Dot11EltMeshConfiguration, Dot11EltMeshID
from tools.harness.layers import Dot11EltMeshPeering, Dot11SelfProtected

_MANAGEMENT, _CONTROL, _DATA = 0, 1, 2
_BEACON, _ACTION, _ACK = 8, 13, 13
_WITH_SENDER = {4, 5, 6, 8, 9, 10, 11, 14, 15}  # control frames that name their sender
_SELF_PROTECTED = 15
_PROTECTED = 0x40
_TX_FAIL = 0x0001  # of radiotap's TX flags


class Beacon(NamedTuple):
    """A mesh beacon. ``peerings`` is how many peers its sender counts, at most 63."""

    interval_tu: int
    mesh_id: bytes
    peerings: int


class Peering(NamedTuple):
    """An Open, Confirm or Close. The link ids are those of its sender and of its receiver."""

    action: int
    llid: int
    plid: int | None
    reason: int | None


class Said(NamedTuple):
    """One frame. ``sender`` is None where a frame does not name it (acknowledgements).

    ``by_us``: sent by the radio that captured it; ``failed``: and never acknowledged.
    """

    time_ns: int
    sender: str | None
    receiver: str
    acknowledges: bool = False
    body: Beacon | Peering | None = None
    by_us: bool = False
    failed: bool = False

    @property
    def group(self) -> bool:
        """Whether it goes to more than one, so that nobody acknowledges it."""
        return bool(int(self.receiver[:2], 16) & 1)


def dissect(frame: Frame) -> Said | None:
    """What the frame says; None if it is none of 802.11, too short, or from a group address.

    A body that is malformed is no body: its sender is on the air all the same.
    """
    mpdu = frame.mpdu
    if len(mpdu) < 10:
        return None
    kind, subtype = mpdu[0] >> 2 & 3, mpdu[0] >> 4
    receiver = mpdu[4:10].hex(":")
    if kind == _CONTROL and subtype not in _WITH_SENDER:
        return Said(frame.time_ns, None, receiver, subtype == _ACK)
    if len(mpdu) < 16 or kind not in {_MANAGEMENT, _CONTROL, _DATA}:
        return None
    if mpdu[10] & 1:  # nobody is a group
        return None
    sender = mpdu[10:16].hex(":")
    body: Beacon | Peering | None = None
    if kind == _MANAGEMENT and not mpdu[1] & _PROTECTED:
        if subtype == _BEACON and len(mpdu) >= 36:
            body = _beacon(int.from_bytes(mpdu[32:34], "little"), mpdu[36:])
        elif subtype == _ACTION and mpdu[24:25] == bytes([_SELF_PROTECTED]):
            body = _peering(mpdu[24:])
    by_us = frame.by_us
    said = Said(frame.time_ns, sender, receiver, False, body, by_us)
    if by_us and not said.group:
        said = said._replace(failed=bool(RadioTap(frame.data).TXFlags & _TX_FAIL))
    return said


# Beacons repeat themselves, and scapy takes its time.
@lru_cache(maxsize=4096)
def _beacon(interval_tu: int, elements: bytes) -> Beacon | None:
    # As a payload: what scapy cannot take apart is raw bytes there, and an error on its own.
    packet = Dot11Beacon(bytes(12) + elements)
    mesh_id = packet.getlayer(Dot11EltMeshID)
    configuration = packet.getlayer(Dot11EltMeshConfiguration)
    if mesh_id is None or configuration is None:
        return None
    return Beacon(interval_tu, mesh_id.mesh_id, configuration.peerings)


def _peering(action_frame: bytes) -> Peering | None:
    packet = Dot11Action(action_frame)
    element = packet.getlayer(Dot11EltMeshPeering)
    if element is None:
        return None
    action = packet[Dot11SelfProtected].action
    # A field that is not there gives its default.
    plid = element.plid if element.holds("plid") else None
    reason = element.reason if element.holds("reason") else None
    return Peering(action, element.llid, plid, reason)
