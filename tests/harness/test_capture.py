"""Frames with their times, from files of any pcap writer."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tools.harness.capture import Frame, MalformedCapture, read, write
from tools.harness.craft import EMPTY_RADIOTAP, beacon
from tools.harness.guest_inject import frames as to_inject

BEACON = beacon("02:00:00:00:00:00", b"classroom")
FRAMES = [Frame(1_234_567_890, BEACON), Frame(2_000_000_001, EMPTY_RADIOTAP)]


def test_written_and_read(tmp_path: Path) -> None:
    write(tmp_path / "a.pcap", FRAMES)
    assert list(read(tmp_path / "a.pcap")) == FRAMES
    assert list(to_inject((tmp_path / "a.pcap").read_bytes())) == FRAMES


@pytest.mark.parametrize("order", "<>")
def test_microseconds_of_wall_time(tmp_path: Path, order: str) -> None:
    header = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 127)
    record = struct.pack(order + "IIII", 1_700_000_000, 250_000, len(BEACON), len(BEACON))
    (tmp_path / "a.pcap").write_bytes(header + record + BEACON)
    frames = read(tmp_path / "a.pcap", wall_offset_ns=1_699_999_990_000_000_000)
    assert list(frames) == [Frame(10_250_000_000, BEACON)]


def test_a_file_that_ends_within_a_frame(tmp_path: Path) -> None:
    write(tmp_path / "a.pcap", FRAMES)
    whole = (tmp_path / "a.pcap").read_bytes()
    for size in range(24, len(whole)):
        (tmp_path / "cut.pcap").write_bytes(whole[:size])
        complete = size >= len(whole) - len(EMPTY_RADIOTAP) - 16
        assert list(read(tmp_path / "cut.pcap")) == FRAMES[: int(complete)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no capture at all, but long enough to be one",
        struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1),
        struct.pack("=IHHiIIIIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 127, 0, 0, 1 << 30, 1 << 30),
    ],
    ids=["empty", "text", "ethernet", "a frame of a GiB"],
)
def test_what_is_no_capture_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pcap").write_bytes(data)
    with pytest.raises(MalformedCapture):
        list(read(tmp_path / "a.pcap"))


def radiotap(present: int, fields: bytes, more: tuple[int, ...] = ()) -> bytes:
    words = struct.pack(f"<{1 + len(more)}I", present, *more)
    return struct.pack("<BBH", 0, 0, 4 + len(words) + len(fields)) + words + fields


MPDU = BEACON[len(EMPTY_RADIOTAP) :]


@pytest.mark.parametrize(
    ("header", "checksum"),
    [
        (radiotap(0x0, b""), b""),
        (radiotap(0x2, b"\x00"), b""),
        (radiotap(0x2, b"\x10"), b"crc!"),
        (radiotap(0x3, bytes(8) + b"\x10"), b"crc!"),
        (radiotap(0x3, b"\x10" * 8 + b"\x00"), b""),
        # The time begins where 8 divides, so four bytes after a second word of presence.
        (radiotap(0x80000003, bytes(4) + bytes(8) + b"\x10", (0,)), b"crc!"),
        (radiotap(0x80000002, b"\x10", (0x80000000, 0)), b"crc!"),
    ],
)
def test_the_frame_without_its_header_and_checksum(header: bytes, checksum: bytes) -> None:
    assert Frame(0, header + MPDU + checksum).mpdu == MPDU


@pytest.mark.parametrize("header", [b"", b"\0\0\7\0\0\0\0\0", b"\0\0\xff\xff\0\0\0\0", b"\0\0\x08"])
def test_a_bad_header_has_no_frame_behind_it(header: bytes) -> None:
    assert Frame(0, header).mpdu == b""
