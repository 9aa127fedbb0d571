"""Crafted frames: honest ones are mac80211's own, the others hurt nothing of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.dot11 import RadioTap

from tests.harness.spoken import MESH, A, B, at
from tools.harness import craft
from tools.harness.capture import Frame, read
from tools.harness.craft import Crafted
from tools.harness.dissect import Beacon, Peering, dissect
from tools.harness.layers import CLOSE, CONFIRM, OPEN

RECORDED = [frame.mpdu for frame in read(Path(__file__).parent / "frames.pcap")]
FORGED = "02:00:00:00:09:00"
MALFORMED = [
    *craft.malformed_beacons(FORGED, MESH),
    *craft.malformed_peerings(FORGED, A, MESH),
]
# The monitor interface's MTU: nothing longer can be injected.
MAX_BYTES = 1500


def recorded(subtype: int, action: int | None = None) -> bytes:
    """The first frame of that sort that mac80211 sent in an open mesh with one channel."""
    for mpdu in RECORDED:
        if mpdu[0] == subtype << 4 and (action is None or mpdu[24:26] == bytes([15, action])):
            return mpdu
    raise AssertionError(f"no frame of subtype {subtype}, action {action}")


def masked(mpdu: bytes) -> bytes:
    """Without what differs from frame to frame: duration, sequence, time, and TIM's counter."""
    data = bytearray(mpdu)
    data[2:4] = data[22:24] = bytes(2)
    if mpdu[0] == 0x80:
        data[24:32] = bytes(8)
        data[data.index(b"\x05\x04") + 2] = 0
    return bytes(data)


def test_an_honest_beacon_is_what_linux_sends() -> None:
    theirs = recorded(8)
    said = dissect(at(0, craft.EMPTY_RADIOTAP + theirs))
    assert said is not None
    assert isinstance(said.body, Beacon)
    assert said.sender is not None
    ours = craft.beacon(said.sender, said.body.mesh_id, peerings=said.body.peerings)
    assert masked(ours[8:]) == masked(theirs)


@pytest.mark.parametrize("action", [OPEN, CONFIRM, CLOSE])
def test_honest_peering_frames_are_what_linux_sends(action: int) -> None:
    theirs = recorded(13, action)
    said = dissect(at(0, craft.EMPTY_RADIOTAP + theirs))
    assert said is not None
    assert isinstance(said.body, Peering)
    assert said.sender is not None
    names = said.sender, said.receiver, b"testmesh"
    if action == OPEN:
        ours = craft.peering_open(*names, said.body.llid)
    elif action == CONFIRM:
        ours = craft.peering_confirm(*names, said.body.llid, said.body.plid or 0)
    else:
        ids = said.body.llid, said.body.plid or 0
        ours = craft.peering_close(*names, *ids, reason=said.body.reason or 0)
    assert masked(ours[8:]) == masked(theirs)


def test_every_malformed_frame_is_another_one() -> None:
    assert len({crafted.name for crafted in MALFORMED}) == len(MALFORMED)
    assert len({crafted.data for crafted in MALFORMED}) > 0.95 * len(MALFORMED)
    honest = {craft.beacon(FORGED, MESH), craft.peering_open(FORGED, A, MESH, 0x1234)}
    assert not honest & {crafted.data for crafted in MALFORMED}


@pytest.mark.parametrize("crafted", MALFORMED, ids=lambda crafted: crafted.name)
def test_malformed_frames_are_taken_apart_without_harm(crafted: Crafted) -> None:
    assert craft.HEADER_BYTES <= len(crafted.data) <= MAX_BYTES
    packet = RadioTap(crafted.data)
    packet.clear_cache()
    assert bytes(packet) == crafted.data
    dissect(Frame(0, crafted.data))


@pytest.mark.parametrize(
    ("name", "interval_tu"), [(f"beacon with interval {n}", n) for n in (0, 1, 65535)]
)
def test_absurd_intervals_are_read_as_they_are(name: str, interval_tu: int) -> None:
    (crafted,) = (crafted for crafted in MALFORMED if crafted.name == name)
    said = dissect(Frame(0, crafted.data))
    assert said is not None
    assert isinstance(said.body, Beacon)
    assert said.body.interval_tu == interval_tu


def test_a_forged_close_names_its_victim() -> None:
    said = dissect(at(0, craft.peering_close(B, A, MESH, 1, 2, reason=55)))
    assert said is not None
    assert (said.sender, said.receiver, said.body) == (B, A, Peering(CLOSE, 1, 2, 55))


def test_a_storm() -> None:
    frames = list(craft.timed(craft.storm(20, 3, MESH), spacing_s=0.01))
    heard = [dissect(frame) for frame in frames]
    assert len({said.sender for said in heard if said}) == 20
    assert all(said and isinstance(said.body, Beacon) and not said.by_us for said in heard)
    assert frames[-1].time_ns == 590_000_000
