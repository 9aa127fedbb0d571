"""The tee: everything heard and said is in the recording, until that fails, which is told once."""

from __future__ import annotations

import resource
from contextlib import closing
from pathlib import Path

import pytest

from meshwatch.observations import Monitor
from meshwatch.recording import (
    LOSS_MARK,
    LOST_FRAMES,
    RADIOTAP,
    Packet,
    RecordingFailed,
    open_recording,
)
from meshwatch.tee import Tee

GENERIC = 16
MON0 = Monitor(7, "mon0", 0)


def test_everything_in_order(tmp_path: Path) -> None:
    complaints: list[str] = []
    tee = Tee(tmp_path / "x.pcapng", 0, None, complaints.append)
    tee.received(GENERIC, memoryview(b"answer"), 1)
    tee.sent(GENERIC, b"request", 2)
    tee.lost(GENERIC, 3)
    tee.received_frame(MON0, memoryview(b"beacon"), 4)
    tee.sent_frame(MON0, b"probe", 5)
    tee.lost_frames(MON0, 6)
    tee.close()
    tee.received_frame(MON0, memoryview(b"too late"), 7)
    with closing(open_recording(tmp_path / "x.pcapng")) as recording:
        assert list(recording) == [
            Packet(1, GENERIC, False, b"answer"),
            Packet(2, GENERIC, True, b"request"),
            Packet(3, GENERIC, False, LOSS_MARK),
            Packet(4, RADIOTAP, False, b"beacon", MON0),
            Packet(5, RADIOTAP, True, b"probe", MON0),
            Packet(6, RADIOTAP, False, LOST_FRAMES, MON0),
        ]
    assert complaints == []


def test_a_failure_is_told_once_and_ends_nothing_else(tmp_path: Path) -> None:
    complaints: list[str] = []
    path = tmp_path / "x.pcapng"
    tee = Tee(path, 0, None, complaints.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for i in range(400):
            tee.received_frame(MON0, memoryview(bytes(1000)), i)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    tee.lost_frames(MON0, 500)
    tee.close()
    (complaint,) = complaints
    assert "File too large" in complaint
    with closing(open_recording(path)) as recording:
        assert {packet.monitor for packet in recording} == {MON0}
    assert not recording.cut


def test_a_file_that_cannot_be_begun_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="No such file"):
        Tee(tmp_path / "no" / "file", 0, None, lambda why: None)
