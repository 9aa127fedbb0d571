"""Link probes through a monitor interface: how one is sent, answered, and given up."""

from __future__ import annotations

import pytest

from meshwatch.frames import Frames, probe
from meshwatch.model import InterfaceType, PowerMode
from meshwatch.observations import (
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    LookWanted,
    Monitor,
    ProbeAnswered,
    ProbeWanted,
)
from tests.pure import frame_bytes as f
from tests.pure.frame_bytes import OWN, A, B
from tests.pure.turns import MS, Turns

MESH0, MESH1 = 8, 10
OWN1 = "42:00:00:00:00:01"
PROBE = "0000080000000000c800000042000000010042000000000042000000000000000000"


def listening(**interfaces: str) -> Frames:
    """A conversation that knows mesh interfaces of its radio, by these addresses."""
    frames = Frames(Monitor(9, "mon0", 0))
    frames.begin(0)
    for name, address in interfaces.items():
        ifindex = {"mesh0": MESH0, "mesh1": MESH1}[name]
        frames.notice(InterfaceSeen(ifindex, name, InterfaceType.MESH, 0, address), 0)
    return frames


def probing(*addresses: str) -> tuple[Frames, Turns]:
    """Probes of MESH0 to these are sent at 0 ms, by a driver that tells of acknowledgements."""
    frames = listening(mesh0=OWN, mesh1=OWN1)
    frames.receive(f.reported(f.close(B, OWN)), 0)
    turns = Turns(frames)
    for address in addresses:
        frames.notice(ProbeWanted(MESH0, address), 0)
    turns.at(0)
    assert len(turns.asked) == len(addresses)
    return frames, turns


def test_a_probe_is_a_qos_null_frame_behind_an_empty_radiotap_header() -> None:
    assert probe(OWN, A).hex() == PROBE
    _, turns = probing(A)
    assert [data.hex() for data in turns.asked] == [PROBE]
    turns.at(1)
    assert turns.asked == []


@pytest.mark.parametrize(
    ("local_pm", "control", "qos"),
    [
        (PowerMode.ACTIVE, 0x00, 0x00),
        (PowerMode.LIGHT_SLEEP, 0x10, 0x00),
        (PowerMode.DEEP_SLEEP, 0x10, 0x02),
        (PowerMode.UNKNOWN, 0x10, 0x00),
    ],
)
def test_a_probe_tells_our_power_mode_as_mac80211_would(
    local_pm: PowerMode, control: int, qos: int
) -> None:
    """net/mac80211/mesh_ps.c, ieee80211_mps_set_frame_flags: whatever is not active sleeps."""
    frames, turns = probing()
    frames.notice(ProbeWanted(MESH0, A, local_pm), 0)
    turns.at(0)
    expected = bytearray.fromhex(PROBE)
    expected[9], expected[-1] = control, qos
    assert turns.asked == [bytes(expected)]
    assert turns.at(3, f.reported(turns.asked[0][8:])) == [ProbeAnswered(MESH0, A, True)]


@pytest.mark.parametrize(("tx_flags", "acknowledged"), [(0, True), (1, False), (4, True)])
def test_a_probe_is_answered_by_what_became_of_it(tx_flags: int, acknowledged: bool) -> None:
    frames, turns = probing(A)
    status = f.reported(f.null(A, OWN), tx_flags, retries=7)
    assert turns.at(3, status) == [ProbeAnswered(MESH0, A, acknowledged)]
    assert turns.at(4, status) == []  # once
    assert turns.deadline_ms() is None
    assert frames.unanswered == 0


def test_a_driver_that_never_told_of_an_acknowledgement_proves_no_absence() -> None:
    frames = listening(mesh0=OWN)
    turns = Turns(frames)
    for at, tx_flags, answers in [
        (0, f.TX_FAIL, []),
        (10, 0, [ProbeAnswered(MESH0, A, True)]),
        (20, f.TX_FAIL, [ProbeAnswered(MESH0, A, False)]),
    ]:
        frames.notice(ProbeWanted(MESH0, A), at)
        turns.at(at)
        assert turns.at(at + 3, f.reported(f.null(A, OWN), tx_flags)) == answers
    assert frames.unanswered == 1


def test_one_probe_at_a_time_to_a_neighbor() -> None:
    frames, turns = probing(A)
    frames.notice(ProbeWanted(MESH0, A), 1)
    frames.notice(ProbeWanted(MESH0, B), 1)
    frames.notice(ProbeWanted(MESH0, B), 1)
    turns.at(1)
    assert turns.asked == [probe(OWN, B)]
    assert turns.at(2, f.reported(f.null(B, OWN))) == [ProbeAnswered(MESH0, B, True)]
    assert turns.at(2, f.reported(f.null(A, OWN))) == [ProbeAnswered(MESH0, A, True)]
    frames.notice(ProbeWanted(MESH0, A), 2)
    turns.at(3)
    assert turns.asked == [probe(OWN, A)]


def test_each_interface_probes_under_its_own_address() -> None:
    frames, turns = probing()
    frames.notice(ProbeWanted(MESH0, A), 0)
    frames.notice(ProbeWanted(MESH1, A), 0)
    turns.at(0)
    assert turns.asked == [probe(OWN, A), probe(OWN1, A)]
    assert turns.at(1, f.reported(f.null(A, OWN1), f.TX_FAIL)) == [ProbeAnswered(MESH1, A, False)]


def test_only_probes_through_an_interface_of_this_radio_are_sent() -> None:
    frames, turns = probing()
    frames.notice(ProbeWanted(99, A), 0)
    frames.notice(LookWanted(MESH0, A), 0)
    frames.notice(ProbeWanted(MESH0, A), 0)
    frames.notice(InterfaceDeleted(MESH0), 0)
    turns.at(0)
    assert turns.asked == []
    assert turns.deadline_ms() is None


def test_what_became_of_other_frames_is_no_answer() -> None:
    _, turns = probing(A)
    own = f.reported(f.REAL_NULL[f.AIR_BYTES :])  # mac80211's own, to A
    assert turns.at(1, f.reported(f.null(B, OWN)), f.reported(f.null(A, B))) == []
    assert turns.at(1, f.radiotap(0) + f.null(A, OWN)) == []  # our own, not yet on the air
    assert turns.at(1, own) == [ProbeAnswered(MESH0, A, True)]
    assert turns.at(2, own) == []


def test_a_probe_of_which_nothing_is_heard_is_forgotten_after_200_ms() -> None:
    frames, turns = probing(A)
    frames.notice(ProbeWanted(MESH0, B), 50 * MS)
    turns.at(50)
    assert turns.deadline_ms() == 200
    assert turns.at(199.9) == []
    assert (turns.deadline_ms(), frames.unanswered) == (200, 0)
    assert turns.at(200) == []
    assert (turns.deadline_ms(), frames.unanswered) == (250, 1)
    assert turns.at(201, f.reported(f.null(A, OWN))) == []  # too late
    assert turns.at(260) == []
    assert (turns.deadline_ms(), frames.unanswered) == (None, 2)
    frames.notice(ProbeWanted(MESH0, A), 260 * MS)
    turns.at(261)
    assert turns.asked == [probe(OWN, A)]


def test_without_a_probe_there_is_no_deadline() -> None:
    turns = Turns(listening(mesh0=OWN))
    assert turns.deadline_ms() is None
    turns.at(5, f.heard(f.beacon()))
    assert turns.deadline_ms() is None


def test_in_a_replay_the_recorded_probes_count_and_not_ours() -> None:
    frames, _ = probing()
    recorded = f.radiotap(1 << 15, bytes(2)) + f.null(B, OWN)  # another header than ours
    frames.notice(ProbeWanted(MESH0, A), 0)
    frames.outgoing()
    frames.sent(recorded, 5 * MS)
    assert frames.deadline() == 205 * MS
    status = f.reported(f.null(B, OWN))
    assert list(frames.receive(status, 6 * MS)) == [ProbeAnswered(MESH0, B, True)]
    assert list(frames.receive(f.reported(f.null(A, OWN)), 7 * MS)) == []


def test_a_probe_that_is_recorded_twice_has_its_time_from_the_second() -> None:
    frames, _ = probing(A, B)
    frames.sent(probe(OWN, A), 100 * MS)
    assert frames.deadline() == 200 * MS  # of the one to B
    frames.wake(200 * MS)
    assert (frames.deadline(), frames.unanswered) == (300 * MS, 1)


@pytest.mark.parametrize("data", [b"", b"\0\0\xff\xff", f.radiotap(0) + b"\xc8", f.REAL_CLOSE])
def test_what_is_no_probe_of_ours_was_not_sent(data: bytes) -> None:
    frames = listening(mesh0=A)
    frames.sent(data, 0)
    assert frames.deadline() is None


@pytest.mark.parametrize("data", [b"", f.radiotap(0), f.radiotap(0) + b"\xc8"])
def test_a_torn_probe_is_nobodys(data: bytes) -> None:
    frames = listening(mesh0="")  # an interface may have no address, which is not that of a stump
    frames.sent(data, 0)
    assert frames.deadline() is None


def test_after_a_loss_no_probe_is_waited_for() -> None:
    frames, turns = probing(A)
    turns.at(3)
    assert list(frames.lost(9 * MS)) == [Deaf("frames", 3 * MS)]
    assert frames.deadline() is None
    assert turns.at(10, f.reported(f.null(A, OWN))) == []
    assert frames.unanswered == 0
