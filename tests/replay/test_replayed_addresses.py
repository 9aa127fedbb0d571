"""Addresses in a recording: neighbor tables, our own addresses, and the echoes on an interface."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from meshwatch.echo_packet import Echo, encode
from meshwatch.model import AddressProof
from meshwatch.observations import AddressFailed, AddressSeen, OwnAddresses, Wire
from meshwatch.recording import ETHERNET, Packet, open_recording
from meshwatch.replay import NETLINK_ROUTE
from tests.pure import kernel_bytes as k
from tests.replay.mixed import MESH_IFINDEX, OWN, A, beside, meeting, write
from tests.replay.test_taps import SECOND_NS, play

MESH0 = Wire(MESH_IFINDEX, "mesh0", OWN)
LINK_LOCAL, FOUR = "fe80::f6d:dbfb:d78c:5691", "10.0.0.7"
REQUEST = Echo(A, OWN, "ff02::1", "fe80::1", 7, 1, b"asked")
REPLY = Echo(OWN, A, "fe80::1", LINK_LOCAL, 7, 1, b"asked", reply=True)
AT_NS = 20 * SECOND_NS


def event(after_ms: int, message: bytes) -> Packet:
    return Packet(AT_NS + after_ms * 1_000_000, NETLINK_ROUTE, False, message)


def echo(after_ms: int, packet: Echo) -> Packet:
    time_ns = AT_NS + after_ms * 1_000_000
    return Packet(time_ns, ETHERNET, not packet.reply, encode(packet), MESH0)


def replayed(path: Path, *packets: Packet) -> list[object]:
    """What is told of addresses, after all was written to a file and read again."""
    write(path, beside(meeting(), packets))
    with closing(open_recording(path)) as recording:
        read = list(recording)
        assert (recording.skipped, recording.cut) == (0, False)
    assert [packet for packet in packets if packet not in read] == []
    return [told for _, told in play(read).of(AddressSeen, AddressFailed, OwnAddresses)]


def test_what_the_kernel_told_of_addresses(tmp_path: Path) -> None:
    told = replayed(
        tmp_path / "x.pcapng",
        event(0, k.own_address("fe80::1", ifindex=MESH_IFINDEX)),
        event(1, k.neighbor(FOUR, A, ifindex=MESH_IFINDEX)),
        event(2, k.neighbor(FOUR, A, ifindex=MESH_IFINDEX + 1)),
        event(3, k.neighbor(FOUR, None, k.FAILED, ifindex=MESH_IFINDEX)),
    )
    assert told == [
        OwnAddresses(MESH_IFINDEX, ("fe80::1",)),
        AddressSeen(MESH_IFINDEX, A, FOUR, AddressProof.KERNEL),
        AddressFailed(MESH_IFINDEX, FOUR),
    ]


def test_echoes_are_answered_as_they_were(tmp_path: Path) -> None:
    told = replayed(tmp_path / "x.pcapng", echo(0, REQUEST), echo(1, REPLY))
    assert told == [AddressSeen(MESH_IFINDEX, A, LINK_LOCAL, AddressProof.ECHO)]


def test_an_answer_to_nothing_that_was_asked(tmp_path: Path) -> None:
    assert replayed(tmp_path / "x.pcapng", echo(1, REPLY)) == []
