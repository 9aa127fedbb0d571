"""Recordings: what goes out comes in, also from a file cut short, but not from other machines."""

from __future__ import annotations

import os
import platform
import resource
import struct
import sys
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshwatch.observations import Monitor
from meshwatch.pcap import MalformedCapture
from meshwatch.recording import (
    LOSS_MARK,
    RADIOTAP,
    Packet,
    Recording,
    RecordingFailed,
    Writer,
    open_recording,
)

GENERIC, ROUTE = 16, 0
SECOND_NS = 1_000_000_000
COOKED = bytes.fromhex("00040338 00000000 00000000 00000010")
MON0, MON1 = Monitor(7, "mon0", 0), Monitor(9, "mon1", 1)
FRAME = bytes.fromhex("0000080000000000 c800")  # an empty radiotap header, and little else
REQUEST = struct.pack("=IHHII", 20, 32, 0x301, 7, 0) + b"\x11\x00\x00\x00"


def written(path: Path, packets: list[Packet], wall_offset_ns: int = 0) -> bytes:
    with closing(
        Writer(path, release="0.1.0", kernel="6.1.0", wall_offset_ns=wall_offset_ns)
    ) as writer:
        for packet in packets:
            note(writer, packet)
    return path.read_bytes()


def note(writer: Writer, packet: Packet) -> None:
    if packet.monitor is None:
        how = writer.sent if packet.outgoing else writer.received
        how(packet.protocol, packet.data, packet.time_ns)
    else:
        how_frame = writer.sent_frame if packet.outgoing else writer.received_frame
        how_frame(packet.monitor, packet.data, packet.time_ns)


def read(data: bytes) -> list[Packet]:
    return list(Recording(BytesIO(data)))


def heard(time_ns: int, monitor: Monitor = MON0) -> Packet:
    """A frame from the air."""
    return Packet(time_ns, RADIOTAP, False, FRAME, monitor)


packets = st.builds(
    Packet,
    time_ns=st.integers(0, 1 << 61),
    protocol=st.sampled_from([GENERIC, ROUTE]),
    outgoing=st.booleans(),
    data=st.binary(max_size=100),
    monitor=st.none(),
) | st.builds(
    Packet,
    time_ns=st.integers(0, 1 << 61),
    protocol=st.just(RADIOTAP),
    outgoing=st.booleans(),
    data=st.binary(min_size=1, max_size=100),
    monitor=st.sampled_from([MON0, MON1])
    | st.builds(Monitor, st.integers(0, 1 << 31), st.text(max_size=15), st.integers(0, 1 << 31)),
)


@settings(deadline=None)
@given(st.lists(packets, max_size=20), st.integers(0, 1 << 60))
def test_what_goes_out_comes_in(
    tmp_path_factory: pytest.TempPathFactory, originals: list[Packet], wall_offset_ns: int
) -> None:
    path = tmp_path_factory.mktemp("out") / "x.pcapng"
    written(path, originals, wall_offset_ns)
    with closing(open_recording(path)) as recording:
        copies = list(recording)
    assert recording.ours
    assert not recording.cut
    assert recording.skipped == 0
    assert len(copies) == len(originals)
    for original, copy in zip(originals, copies, strict=True):
        # The recording's clock may differ, its wall time not.
        wall_ns = original.time_ns + wall_offset_ns
        assert copy.time_ns + recording.wall_offset_ns == wall_ns
        assert 0 <= copy.time_ns - original.time_ns < SECOND_NS
        assert copy._replace(time_ns=0) == original._replace(time_ns=0)


def test_says_what_made_it_and_nothing_of_where(tmp_path: Path) -> None:
    data = written(tmp_path / "x.pcapng", [Packet(5, GENERIC, False, b"abcd")], 1_700_000_000_123)
    recording = Recording(BytesIO(data))
    assert recording.application == "meshwatch 0.1.0"
    assert b"wall clock minus monotonic clock at the start: 1700000000123 ns" in data
    assert b"Linux 6.1.0" in data
    assert platform.node().encode() not in data


@pytest.mark.parametrize("interfaces", [None, frozenset(), frozenset({"mesh0", "mesh1"})])
def test_remembers_what_it_was_told_to_look_at(
    tmp_path: Path, interfaces: frozenset[str] | None
) -> None:
    path = tmp_path / "x.pcapng"
    Writer(path, release="0", kernel="0", wall_offset_ns=0, interfaces=interfaces).close()
    with closing(open_recording(path)) as recording:
        assert recording.interfaces == interfaces


def test_cut_anywhere_gives_the_whole_packets_before(tmp_path: Path) -> None:
    originals = [Packet(i, GENERIC, i % 2 == 0, bytes(i)) for i in range(6)]
    originals[3:5] = [heard(3), heard(4, MON1)]
    data = written(tmp_path / "x.pcapng", originals)
    ends = {}
    for size in range(4, len(data) + 1):
        recording = Recording(BytesIO(data[:size]))
        found = list(recording)
        assert found == originals[: len(found)]
        if not recording.cut:
            ends[size] = len(found)
    # The section and the interfaces end whole too.
    assert list(ends.values()) == [0, 0, 1, 2, 3, 3, 4, 4, 5, 6]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    for head in (b"", b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a", b"\xd4\xc3\xb2\xa1"):
        try:
            read(head + noise)
        except MalformedCapture as error:
            assert "at byte" in str(error)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_recording_is_refused_or_read(data: st.DataObject) -> None:
    sane = bytearray(pcapng("="))
    for _ in range(data.draw(st.integers(1, 4))):
        sane[data.draw(st.integers(0, len(sane) - 1))] = data.draw(st.integers(0, 255))
    try:
        for packet in Recording(BytesIO(sane)):
            assert packet.time_ns >= 0
    except MalformedCapture as error:
        assert 0 <= error.offset <= len(sane)


def test_disk_full_ends_the_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="No space left"):
        Writer(Path("/dev/full"), release="0", kernel="0", wall_offset_ns=0)
    with pytest.raises(RecordingFailed, match="No such file"):
        Writer(tmp_path / "no" / "file", release="0", kernel="0", wall_offset_ns=0)


def test_disk_full_leaves_whole_packets(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Writer(path, release="0", kernel="0", wall_offset_ns=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RecordingFailed, match="File too large"):
            for i in range(200):
                writer.received(GENERIC, bytes(1000), i)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    size = path.stat().st_size
    writer.received(GENERIC, b"", 500)  # over: no error, no effect
    writer.close()
    assert path.stat().st_size == size
    with closing(open_recording(path)) as recording:
        assert [packet.time_ns for packet in recording] == list(range(63))  # a buffer full
    assert not recording.cut


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingFailed, match="pipe"):
        Writer(tmp_path / "pipe", release="0", kernel="0", wall_offset_ns=0)


def test_at_most_a_second_waits_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    writer = Writer(path, release="0", kernel="0", wall_offset_ns=0)
    writer.received(GENERIC, b"one", 10 * SECOND_NS)
    writer.sent(GENERIC, b"two", 10 * SECOND_NS + 5)
    assert len(read(path.read_bytes())) == 1
    writer.lost(ROUTE, 11 * SECOND_NS)
    assert read(path.read_bytes())[1:] == [
        Packet(10 * SECOND_NS + 5, GENERIC, True, b"two"),
        Packet(11 * SECOND_NS, ROUTE, False, LOSS_MARK),
    ]


# ---- foreign files ------------------------------------------------------------------------------


def pcap(order: str, magic: int, frames: list[tuple[int, int, bytes]], linktype: int) -> bytes:
    head = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 262144, linktype)
    return head + b"".join(
        struct.pack(order + "IIII", seconds, fraction, len(data), len(data)) + data
        for seconds, fraction, data in frames
    )


def block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(order: str, interface_options: bytes = b"", linktype: int = 253) -> bytes:
    data = COOKED + REQUEST
    ticks = 3_500_000
    return (
        block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(order, 1, struct.pack(order + "HHI", linktype, 0, 0) + interface_options)
        + block(order, 5, b"statistics of an interface, say ")
        + block(
            order,
            6,
            struct.pack(order + "IIIII", 0, 0, ticks, len(data), len(data)) + data,
        )
    )


@pytest.mark.parametrize(("magic", "per_second"), [(0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9)])
def test_pcap_of_either_kind(magic: int, per_second: int) -> None:
    data = pcap("=", magic, [(3, per_second // 2, COOKED + REQUEST)], 253)
    # A monitor device marks everything as outgoing: that says nothing about who sent it.
    assert read(data) == [Packet(3_500_000_000, GENERIC, False, REQUEST)]


def test_pcapng() -> None:
    assert read(pcapng("=")) == [Packet(3_500_000_000, GENERIC, False, REQUEST)]
    recording = Recording(BytesIO(pcapng("=")))
    assert not recording.ours
    assert recording.application == ""


def test_what_a_machine_of_the_other_byte_order_captured_is_refused() -> None:
    """The netlink in it is of that order, too, and would be no netlink here."""
    other = ">" if sys.byteorder == "little" else "<"
    frames = [(3, 0, COOKED + REQUEST)]
    for data, offset in (
        (pcap(other, 0xA1B2C3D4, frames, 253), 0),
        (pcap(other, 0xA1B23C4D, frames, 253), 0),
        (pcapng(other), 0),
        (pcapng("=") + pcapng(other), len(pcapng("="))),
    ):
        with pytest.raises(MalformedCapture, match="the other byte order") as caught:
            read(data)
        assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("resolution", "time_ns"),
    [(b"\x09", 3_500_000), (b"\x03", 3_500_000_000_000), (b"\x94", 3_337_860_107)],
)
def test_resolution_and_offset_of_time(resolution: bytes, time_ns: int) -> None:
    options = struct.pack("=HH", 9, 1) + resolution + b"\0\0\0"
    options += struct.pack("=HHqHH", 14, 8, 2, 0, 0)
    assert read(pcapng("=", options))[0].time_ns == 2_000_000_000 + time_ns


def test_what_is_not_netlink_is_skipped_or_refused() -> None:
    other = bytes.fromhex("00040001 00000000 00000000 00000800")  # ARPHRD_ETHER
    data = pcap("=", 0xA1B2C3D4, [(1, 0, other), (2, 0, b"x"), (3, 0, COOKED)], 253)
    recording = Recording(BytesIO(data))
    assert len(list(recording)) == 1
    assert recording.skipped == 2
    with pytest.raises(MalformedCapture, match="link type 1, not netlink"):
        read(pcapng("=", linktype=1))
    with pytest.raises(MalformedCapture, match="at byte 0: neither pcapng nor pcap"):
        read(b"ELF, perhaps")
    with pytest.raises(MalformedCapture, match="at byte 0"):
        read(b"")


def test_a_shortened_packet_is_a_loss() -> None:
    data = bytearray(pcap("=", 0xA1B2C3D4, [(1, 0, COOKED + REQUEST)], 253))
    struct.pack_into("=I", data, 24 + 12, 1000)
    assert read(bytes(data))[0].data == LOSS_MARK


def test_damage_is_told_with_its_place() -> None:
    data = bytearray(pcapng("="))
    first_packet = len(data) - 36 - len(COOKED + REQUEST) + 4
    struct.pack_into("=I", data, first_packet + 20, len(COOKED + REQUEST) + 4)
    with pytest.raises(MalformedCapture, match="longer than its block") as caught:
        read(bytes(data))
    assert caught.value.offset == first_packet
    struct.pack_into("=I", data, len(data) - 4, 5)
    with pytest.raises(MalformedCapture, match="two lengths differ") as caught:
        read(bytes(data))
    assert caught.value.offset == first_packet
