"""Echo requests and replies as bytes; the oracle is scapy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from meshwatch.echo_packet import Echo, decode, encode

OURS, PEER = "02:00:00:00:00:ff", "02:00:00:00:00:01"
REQUEST = Echo(PEER, OURS, "ff02::1", "fe80::ff:fe00:ff", 0x1234, 1, b"eight by")
REPLY = Echo(OURS, PEER, "fe80::ff:fe00:ff", "fe80::f6d:dbfb:d78c:5691", 0x1234, 1, b"odd", True)


@pytest.mark.parametrize("echo", [REQUEST, REPLY])
def test_a_frame_is_what_others_make_of_it(echo: Echo) -> None:
    kind = ICMPv6EchoReply if echo.reply else ICMPv6EchoRequest
    frame = bytes(
        Ether(dst=echo.receiver, src=echo.sender)
        / IPv6(dst=echo.destination, src=echo.source, hlim=1)
        / kind(id=echo.identifier, seq=echo.sequence, data=echo.data)
    )
    assert encode(echo) == frame
    assert decode(frame) == echo


@given(st.binary(max_size=64), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 20))
def test_what_is_encoded_is_decoded(
    data: bytes, identifier: int, sequence: int, padding: int
) -> None:
    echo = REPLY._replace(data=data, identifier=identifier, sequence=sequence)
    assert decode(encode(echo) + bytes(padding)) == echo


def test_nothing_of_a_frame_that_is_cut_off_or_damaged_is_believed() -> None:
    frame = encode(REPLY)
    for length in range(len(frame)):
        assert decode(frame[:length]) is None
    assert decode(memoryview(frame)) == REPLY
    for place in range(22, len(frame)):  # addresses and message: what the checksum covers
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        assert decode(damaged) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [(12, 0x08), (14, 0x40), (20, 17), (18, 0xFF), (18, 0)],
    ids=["IPv4", "version", "UDP", "longer than it is", "length of a jumbogram"],
)
def test_what_is_no_echo(place: int, value: int) -> None:
    frame = bytearray(encode(REPLY))
    frame[place] = value
    if place == 18 and value == 0:
        frame[19] = 0
    assert decode(frame) is None


def test_another_message_is_no_echo() -> None:
    solicitation = encode(REPLY)
    other = bytearray(solicitation)
    other[54], other[56:58] = 135, bytes(2)
    assert decode(other) is None


@given(st.binary(max_size=128))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    decode(data)
