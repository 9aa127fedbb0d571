"""What meshwatch put on the air of its own accord, counted in a capture of hwsim0.

Probes, pokes and echo requests are told from a radio's other frames by their form: a QoS Null
frame of mac80211, which it sends when a link is made, has four addresses, a probe three. A poke
to somebody whom the kernel never sent anything is a neighbor solicitation instead, sent to a
group; what the kernel solicits for others counts as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tools.harness.capture import Frame

HOUR_S = 3600.0

_QOS_NULL, _QOS_DATA = 0xC8, 0x88
# In the second byte of frame control.
_TO_AND_FROM, _FROM, _RETRY, _PROTECTED = 0x03, 0x02, 0x08, 0x40
_HEADER, _ADDRESS, _ADDRESS_3, _QOS_CONTROL = 24, 6, 16, 2
_MESH_CONTROL = {0: 6, 1: 12, 2: 18}  # bytes, by address extension
_IPV6_FOLLOWS = bytes.fromhex("aaaa0300000086dd")  # LLC and SNAP
_UDP, _ICMPV6 = 17, 58
_DISCARD, _ECHO_REQUEST, _SOLICITATION = 9, 128, 135


class Sent(NamedTuple):
    """Frames of one radio; what the radio repeats counts once."""

    probes: int
    pokes: int
    echoes: int
    solicitations: int

    @property
    def frames(self) -> int:
        """All together."""
        return sum(self)

    def per_hour(self, span_s: float) -> str:
        """In words, if they were sent within so long."""
        kinds = zip(self._fields, self, strict=True)
        said = ", ".join(f"{count * HOUR_S / span_s:.0f} {kind}" for kind, count in kinds if count)
        return f"{said or 'nothing'} an hour ({self.frames} frames in {span_s:.0f} s)"


def sent(frames: Iterable[Frame], transmitter: str, since_s: float = 0.0) -> Sent:
    """By the radio with this address, since then."""
    kinds = [
        _kind(frame.mpdu)
        for frame in frames
        if frame.time_ns >= since_s * 1e9 and frame.mpdu[10:16].hex(":") == transmitter
    ]
    return Sent(*(kinds.count(kind) for kind in Sent._fields))


def _kind(mpdu: bytes) -> str:
    """Of which sort a frame is, "" if of none."""
    if len(mpdu) < _HEADER + _QOS_CONTROL or mpdu[1] & (_RETRY | _PROTECTED):
        return ""
    if mpdu[0] == _QOS_NULL and not mpdu[1] & _TO_AND_FROM:
        return "probes"
    if mpdu[0] != _QOS_DATA:
        return ""
    if mpdu[1] & _TO_AND_FROM == _TO_AND_FROM:
        source, body = mpdu[_HEADER : _HEADER + _ADDRESS], mpdu[_HEADER + _ADDRESS :]
    elif mpdu[1] & _TO_AND_FROM == _FROM:
        source, body = mpdu[_ADDRESS_3 : _ADDRESS_3 + _ADDRESS], mpdu[_HEADER:]
    else:
        return ""  # of no mesh
    body = body[_QOS_CONTROL:]
    if source != mpdu[10:16] or len(body) < 1:
        return ""  # forwarded
    packet = body[_MESH_CONTROL.get(body[0] & 3, len(body)) :]
    if not packet.startswith(_IPV6_FOLLOWS) or len(packet) < len(_IPV6_FOLLOWS) + 44:
        return ""
    ipv6 = packet[len(_IPV6_FOLLOWS) :]
    if ipv6[6] == _UDP and int.from_bytes(ipv6[42:44], "big") == _DISCARD:
        return "pokes"
    icmp = ipv6[40] if ipv6[6] == _ICMPV6 else 0
    return {_ECHO_REQUEST: "echoes", _SOLICITATION: "solicitations"}.get(icmp, "")
