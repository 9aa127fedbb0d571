"""Frames in recordings: each tap has its interface, and what others captured is left alone."""

from __future__ import annotations

import struct
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshwatch.observations import Monitor
from meshwatch.pcap import CaptureFile, MalformedCapture
from meshwatch.recording import LOST_FRAMES, RADIOTAP, Packet, Recording, Writer, open_recording

GENERIC = 16
NETLINK, RADIOTAP_LINK = 253, 127  # link types
INBOUND, OUTBOUND = 1, 2
MON0, MON1 = Monitor(7, "mon0", 0), Monitor(9, "mon1", 1)
FRAME = bytes.fromhex("0000080000000000 c8000000")  # an empty radiotap header, and little else


def written(path: Path) -> Writer:
    return Writer(path, release="0.1.0", kernel="6.1.0", wall_offset_ns=5_000_000_000)


def test_each_tap_is_an_interface_that_says_which(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with closing(written(path)) as writer:
        writer.received(GENERIC, b"netlink", 1)
        writer.received_frame(MON0, FRAME, 2)
        writer.received_frame(MON1, FRAME, 3)
        writer.sent_frame(MON0, FRAME, 4)
    with path.open("rb") as file:
        frames = [
            (frame.interface.linktype, frame.interface.name, frame.interface.comments)
            for frame in CaptureFile(file)
        ]
    assert frames == [
        (NETLINK, "netlink", ()),
        (RADIOTAP_LINK, "mon0", ("monitor 7 0",)),
        (RADIOTAP_LINK, "mon1", ("monitor 9 1",)),
        (RADIOTAP_LINK, "mon0", ("monitor 7 0",)),
    ]
    with closing(open_recording(path)) as recording:
        assert list(recording)[1:] == [
            Packet(2, RADIOTAP, False, FRAME, MON0),
            Packet(3, RADIOTAP, False, FRAME, MON1),
            Packet(4, RADIOTAP, True, FRAME, MON0),
        ]
        assert recording.wall_offset_ns == 5_000_000_000


def test_lost_frames_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with closing(written(path)) as writer:
        writer.lost_frames(MON0, 3)
    assert b"frames were lost" in path.read_bytes()
    with closing(open_recording(path)) as recording:
        assert list(recording) == [Packet(3, RADIOTAP, False, LOST_FRAMES, MON0)]


def test_a_frame_may_be_older_than_the_datagram_before_it(tmp_path: Path) -> None:
    """It has the kernel's time, a datagram that of its reading."""
    path = tmp_path / "x.pcapng"
    with closing(written(path)) as writer:
        writer.received(GENERIC, b"netlink", 9)
        writer.received_frame(MON0, FRAME, 7)
    with closing(open_recording(path)) as recording:
        assert [packet.time_ns for packet in recording] == [9, 7]


# ---- files of others, and damaged ones ----------------------------------------------------------


def option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes) -> bytes:
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length


def capture(
    *,
    application: bytes = b"meshwatch 9",
    comment: bytes = b"monitor 7 0",
    linktype: int = RADIOTAP_LINK,
    flags: int | None = INBOUND,
    lost: int = 0,
) -> bytes:
    """A capture of one frame on mon0, ``lost`` bytes of which were not kept."""
    section = struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1) + option(4, application)
    interface = struct.pack("=HHI", linktype, 0, 0)
    interface += option(1, comment) + option(2, b"mon0") + bytes(4)
    packet = struct.pack("=IIIII", 0, 0, 3_500_000, len(FRAME), len(FRAME) + lost) + FRAME
    if flags is not None:
        packet += option(1, b"a comment") + option(2, struct.pack("=I", flags))
    return block(0x0A0D0D0A, section) + block(1, interface) + block(6, packet)


def read(data: bytes) -> list[Packet]:
    return list(Recording(BytesIO(data)))


@pytest.mark.parametrize(
    ("flags", "outgoing"), [(None, False), (INBOUND, False), (0x44 | OUTBOUND, True), (3, False)]
)
def test_the_direction(flags: int | None, outgoing: bool) -> None:
    assert read(capture(flags=flags)) == [Packet(3_500_000_000, RADIOTAP, outgoing, FRAME, MON0)]


def test_a_shortened_frame_is_a_loss() -> None:
    (packet,) = read(capture(lost=1))
    assert packet.data == LOST_FRAMES


def test_frames_that_others_captured_are_no_recording() -> None:
    with pytest.raises(MalformedCapture, match=r"link type 127, not netlink \(253\): frames alone"):
        read(capture(application=b"Dumpcap (Wireshark) 4.0.17"))


@pytest.mark.parametrize(
    "comment",
    [
        b"",
        b"monitor",
        b"monitor 7",
        b"monitor 7 0 0",
        b"monitor -7 0",
        b"monitor 7 zero",
        "monitor \N{ARABIC-INDIC DIGIT SEVEN} 0".encode(),
        b"monitor 7 " + b"9" * 5000,
        b"\xff\xfe",
    ],
)
def test_an_interface_that_does_not_say_which_is_skipped(comment: bytes) -> None:
    with pytest.raises(MalformedCapture, match="link type 127"):
        read(capture(comment=comment))


def test_other_link_types_beside_are_skipped(tmp_path: Path) -> None:
    """As in a file that a later meshwatch wrote, or that Wireshark merged."""
    path = tmp_path / "x.pcapng"
    with closing(written(path)) as writer:
        writer.received(GENERIC, b"netlink", 1)
    data = path.read_bytes() + capture(linktype=1) + capture(comment=b"") + capture()
    recording = Recording(BytesIO(data))
    assert [packet.monitor for packet in recording] == [None, MON0]
    assert recording.skipped == 2


@settings(deadline=None)
@given(st.data())
def test_a_damaged_recording_is_refused_or_read(data: st.DataObject) -> None:
    sane = bytearray(capture())
    for _ in range(data.draw(st.integers(1, 4))):
        sane[data.draw(st.integers(0, len(sane) - 1))] = data.draw(st.integers(0, 255))
    try:
        for packet in Recording(BytesIO(sane)):
            assert packet.time_ns >= 0
    except MalformedCapture as error:
        assert 0 <= error.offset <= len(sane)
