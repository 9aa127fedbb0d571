"""Wireshark understands our recordings, down to the names of nl80211's attributes."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from meshwatch.recording import open_recording
from tools.record.expect import recordings

OURS = [path for path in recordings() if path.suffix == ".pcapng"]

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def tshark(path: Path, *arguments: str) -> list[str]:
    run = subprocess.run(
        ["tshark", "-n", "-r", path, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.stdout.splitlines()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_stations_by_name(path: Path) -> None:
    with closing(open_recording(path)) as recording:
        times_ns = [packet.time_ns + recording.wall_offset_ns for packet in recording]
    epochs = tshark(path, "-T", "fields", "-e", "frame.time_epoch")
    assert [round(float(epoch)) for epoch in epochs] == [round(t / 1e9) for t in times_ns]
    # 19 is NEW_STATION; the attributes of a station, by name.
    text = "\n".join(tshark(path, "-V", "-Y", "nl80211.cmd == 19"))
    for name in ("NL80211_ATTR_MAC", "NL80211_STA_INFO_PLINK_STATE", "NL80211_STA_INFO_SIGNAL"):
        assert text.count(name) > 10, name
