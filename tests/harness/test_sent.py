"""What meshwatch sends is told from what a radio sends anyway."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import LLC, SNAP
from scapy.packet import Packet

from meshwatch import frames
from tests.harness.spoken import A, B, C, at
from tools.harness.capture import Frame, read
from tools.harness.layers import Dot11MeshControl
from tools.lab.sent import Sent, sent

NOTHING = Sent(0, 0, 0, 0)
HERE = Path(__file__).parent
TO_AND_FROM, FROM = (
    0x03,
    0x02,
)  # in the second byte of frame control; there 0x08 is a retry, 0x40 encrypted


def data(inside: Packet, *, flags: int = TO_AND_FROM, source: str = A) -> Frame:
    """A mesh data frame from A to B, or to a group."""
    header = Dot11(type=2, subtype=8, FCfield=flags, addr1=B, addr2=A, addr3=B, addr4=source)
    if flags & TO_AND_FROM == FROM:
        header = Dot11(type=2, subtype=8, FCfield=flags, addr1=GROUP, addr2=A, addr3=source)
    carried = Dot11MeshControl(sequence=1) / LLC() / SNAP(code=0x86DD) / inside
    return at(1, bytes(RadioTap(present=0) / header / Dot11QoS() / carried))


POKE = IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=4444, dport=9)
GROUP = "33:33:ff:00:00:02"
SOLICITATION = IPv6(src="fe80::1", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt="fe80::2")
ECHO = IPv6(src="fe80::1", dst="ff02::1", hlim=1) / ICMPv6EchoRequest()


def test_each_kind_is_counted() -> None:
    probe = at(1, frames.probe(A, B))
    heard = [probe, probe, data(POKE), data(ECHO), data(ECHO, flags=FROM)]
    heard += [data(SOLICITATION, flags=FROM)] * 3
    assert sent(heard, A) == Sent(2, 1, 2, 3)
    assert sent(heard, B) == NOTHING
    assert sent(heard, A, since_s=1.5) == NOTHING


@pytest.mark.parametrize(
    "frame",
    [
        data(IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=9, dport=53)),
        data(IPv6(src="fe80::1", dst="fe80::2") / ICMPv6EchoReply()),
        data(POKE, source=C),
        data(SOLICITATION, flags=FROM, source=C),
        data(POKE, flags=TO_AND_FROM | 0x08),
        data(POKE, flags=TO_AND_FROM | 0x40),
        data(POKE)._replace(data=data(POKE).data[:60]),
    ],
    ids=["a query", "a reply", "forwarded", "a group's", "repeated", "encrypted", "cut"],
)
def test_all_else_is_not(frame: Frame) -> None:
    assert sent([frame], A) == NOTHING


def test_what_mac80211_sends_when_links_are_made_is_not_ours() -> None:
    """No daemon was there; power modes were told all the same, in QoS Null frames."""
    captured = list(read(HERE / "frames.pcap"))
    nulls = [frame for frame in captured if frame.mpdu[0] == 0xC8]
    assert nulls
    assert {sent(captured, frame.mpdu[10:16].hex(":")) for frame in nulls} == {NOTHING}


def test_rates() -> None:
    assert Sent(30, 0, 6, 0).per_hour(1800) == "60 probes, 12 echoes an hour (36 frames in 1800 s)"
    assert NOTHING.per_hour(60) == "nothing an hour (0 frames in 60 s)"
