"""Addresses made of hardware addresses, as RFC 4291 and others made them."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest

from meshwatch.eui64 import LINK_LOCAL, derived, prefix_of


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("34:56:78:9a:bc:de", "fe80::3656:78ff:fe9a:bcde"),  # RFC 4291, Appendix A
        ("42:00:00:00:02:00", "fe80::4000:ff:fe00:200"),  # Linux made this one
        ("02:00:00:00:00:01", "fe80::ff:fe00:1"),
    ],
)
def test_a_link_local_address(address: str, ip: str) -> None:
    assert derived(LINK_LOCAL, address) == ip


def test_a_derived_address_is_in_its_prefix() -> None:
    prefix = IPv6Network("fd12:3456:789a:1::/64")
    ip = derived(prefix, "02:00:00:00:00:01")
    assert ip == "fd12:3456:789a:1:0:ff:fe00:1"
    assert prefix_of(ip) == prefix
