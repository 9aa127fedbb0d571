"""Wireshark understands our recordings, down to the names of nl80211's attributes."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from meshwatch.recording import LOST_FRAMES, open_recording
from tests.replay.mixed import (
    OWN,
    RECEIVED,
    TO_BE_SENT,
    A,
    beacon,
    beside,
    heard,
    meeting,
    null,
    write,
)
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


def test_frames_beside_the_kernel(tmp_path: Path) -> None:
    """A beacon, a probe that was sent, a loss; and the kernel's messages as if there were none."""
    path = tmp_path / "mixed.pcapng"
    second_ns = 1_000_000_000
    probe = heard(21 * second_ns, TO_BE_SENT + null(A, OWN))._replace(outgoing=True)
    lost = heard(22 * second_ns, LOST_FRAMES)
    frames = [heard(20 * second_ns, RECEIVED + beacon(A)), probe, lost]
    write(path, beside(meeting(), frames))
    fields = ("frame.interface_name", "frame.packet_flags_direction", "wlan.ta", "wlan.mesh.id",
              "wlan.fixed.beacon", "radiotap.dbm_antsignal")  # fmt: skip
    shown = tshark(path, "-Y", "wlan.fc.type_subtype == 8", "-T", "fields",
                   *(word for field in fields for word in ("-e", field)))  # fmt: skip
    assert shown == [f"mon0\t0x00000001\t{A}\ttestmesh\t1000\t-30"]
    sent = tshark(path, "-Y", "wlan.fc.type_subtype == 44", "-T", "fields",
                  "-e", "frame.packet_flags_direction", "-e", "wlan.ra")  # fmt: skip
    assert sent == [f"0x00000002\t{A}"]
    (marked,) = tshark(path, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment")
    assert marked == "frames were lost"
    stations = tshark(path, "-Y", "nl80211.cmd == 19", "-T", "fields", "-e", "frame.interface_name")
    assert len(stations) > 10
    assert set(stations) == {"netlink"}
