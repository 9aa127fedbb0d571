"""IPv6 addresses that are made of a hardware address (RFC 4291, 2.5.1 and Appendix A)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

LINK_LOCAL = IPv6Network("fe80::/64")


def derived(prefix: IPv6Network, address: str) -> str:
    """The address in a /64 that a station with this hardware address makes of it: modified
    EUI-64, the ``universal`` bit inverted and ff:fe in the middle."""
    octets = bytes.fromhex(address.replace(":", ""))
    identifier = bytes((octets[0] ^ 0x02,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(int(prefix.network_address) | int.from_bytes(identifier)))


def prefix_of(ip: str) -> IPv6Network:
    """The /64 that an address is in."""
    return IPv6Network((ip, 64), strict=False)
