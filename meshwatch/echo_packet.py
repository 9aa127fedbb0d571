"""ICMPv6 echo requests and replies in Ethernet frames, to bytes and back (RFC 4443 4.1, 4.2)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview

ETHERNET_BYTES, IPV6_BYTES = 14, 40

_ETHERNET = struct.Struct(">6s6sH")
_IPV6 = struct.Struct(">IHBB16s16s")
_ECHO = struct.Struct(">BBHHH")  # type, code, checksum, identifier, sequence number
_PSEUDO = struct.Struct(">16s16sI3xB")  # RFC 8200 8.1
_ETH_P_IPV6, _VERSION, _ICMPV6 = 0x86DD, 6, 58
_REQUEST, _REPLY = 128, 129
_HOP_LIMIT = 1  # it is for the neighbor and nobody behind it


class Echo(NamedTuple):
    """An echo request, or its reply."""

    receiver: str  # hardware addresses
    sender: str
    destination: str  # IPv6 addresses in canonical text
    source: str
    identifier: int
    sequence: int
    data: bytes
    reply: bool = False


def encode(echo: Echo) -> bytes:
    """The frame."""
    head = _ECHO.pack(_REPLY if echo.reply else _REQUEST, 0, 0, echo.identifier, echo.sequence)
    source, destination = IPv6Address(echo.source).packed, IPv6Address(echo.destination).packed
    body = head + echo.data
    checksum = _checksum(_pseudo(source, destination, len(body)) + body)
    return (
        _ETHERNET.pack(_octets(echo.receiver), _octets(echo.sender), _ETH_P_IPV6)
        + _IPV6.pack(_VERSION << 28, len(body), _ICMPV6, _HOP_LIMIT, source, destination)
        + body[:2]
        + struct.pack(">H", checksum)
        + body[4:]
    )


def decode(frame: Buffer) -> Echo | None:
    """The echo in a frame; None if it is none, was cut off, or came damaged.

    What the kernel makes of a packet does not matter to a packet socket, so its checksum is
    verified here.
    """
    if len(frame) < ETHERNET_BYTES + IPV6_BYTES + _ECHO.size:
        return None
    receiver, sender, protocol = _ETHERNET.unpack_from(frame)
    first, length, following, _, source, destination = _IPV6.unpack_from(frame, ETHERNET_BYTES)
    body = bytes(frame[ETHERNET_BYTES + IPV6_BYTES :])[:length]  # an Ethernet pads
    if (
        (protocol, first >> 28, following) != (_ETH_P_IPV6, _VERSION, _ICMPV6)
        or not _ECHO.size <= length == len(body)
        or _checksum(_pseudo(source, destination, length) + body)
    ):
        return None
    kind, code, _, identifier, sequence = _ECHO.unpack_from(body)
    if kind not in (_REQUEST, _REPLY) or code:
        return None
    return Echo(
        receiver.hex(":"),
        sender.hex(":"),
        str(IPv6Address(destination)),
        str(IPv6Address(source)),
        identifier,
        sequence,
        body[_ECHO.size :],
        kind == _REPLY,
    )


def _pseudo(source: bytes, destination: bytes, length: int) -> bytes:
    return _PSEUDO.pack(source, destination, length, _ICMPV6)


def _checksum(data: bytes) -> int:
    """RFC 1071; 0 of what holds its own."""
    words = memoryview(data + b"\0" * (len(data) % 2))
    total: int = sum(struct.unpack(f">{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _octets(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))
