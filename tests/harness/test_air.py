"""The rules by which links and silence are read from frames (see tools/harness/air.py)."""

from __future__ import annotations

import struct

import pytest

from tests.harness.spoken import (
    MESH,
    A,
    B,
    C,
    acknowledgement,
    at,
    beacons,
    closed,
    confirmed,
    opened,
    peering,
)
from tools.harness import craft
from tools.harness.air import Air, Ids
from tools.harness.blocks import MalformedBlocks, blocks
from tools.harness.capture import Frame
from tools.harness.reach import Reach
from tools.harness.truth import State, spells

S = 1_000_000_000


def acknowledged(frames: list[Frame], *lost: int) -> list[Frame]:
    """Each frame with the acknowledgement it drew, but for the lost ones."""
    told = []
    for number, frame in enumerate(frames):
        told.append(frame)
        if number not in lost:
            sender = frame.mpdu[10:16].hex(":")
            told.append(acknowledgement(frame.time_ns / S + 0.0002, sender))
    return told


def states(air: Air, observer: str, neighbor: str) -> list[tuple[float, State]]:
    return [(spell.begin_ns / S, spell.state) for spell in spells(air, observer, neighbor)]


# ---- links --------------------------------------------------------------------------------------


def test_both_have_to_confirm() -> None:
    frames = peering(1, A, B, llid=11, plid=22)
    for count in range(4):
        assert not Air(frames[:count]).peered(A, B, 2 * S)
    air = Air(frames)
    assert not air.peered(A, B, round(1.0029 * S))
    assert air.peered(A, B, round(1.003 * S))
    assert air.side(A, B).at(2 * S) == Ids(11, 22)
    assert air.side(B, A).at(2 * S) == Ids(22, 11)


def test_confirms_of_different_links_establish_nothing() -> None:
    frames = [
        opened(1, A, B, 11),
        opened(1.1, B, A, 22),
        confirmed(1.2, A, B, 11, 22),
        confirmed(1.3, B, A, 23, 11),
    ]
    assert not Air(frames).peered(A, B, 2 * S)


def test_a_lost_confirm_leaves_one_side_behind() -> None:
    frames = peering(1, A, B)
    air = Air(acknowledged(frames, 3))  # A's own Confirm did not arrive at B
    assert air.side(A, B).at(2 * S) == Ids(1, 2)
    assert air.side(B, A).at(2 * S) is None
    again = Air(acknowledged([*frames, confirmed(1.1, A, B, 1, 2)], 3))
    assert again.peered(A, B, 2 * S)


def test_an_acknowledgement_is_for_the_newest_frame() -> None:
    """A frame that was lost is not delivered by the answer to the next one."""
    lost = confirmed(1.002, B, A, 2, 1)
    frames = [*peering(1, A, B)[:2], lost, opened(1.05, B, A, 2), confirmed(1.06, A, B, 1, 2)]
    air = Air(acknowledged(frames, 2))
    assert air.side(A, B).at(2 * S) is None


def test_two_processors_acknowledge_in_any_order() -> None:
    frames = peering(1, A, B)
    answers = [acknowledgement(1.004 + n / 1000, s) for n, s in enumerate((A, A, B, B))]
    assert Air([*frames, *answers]).peered(A, B, 2 * S)


def test_a_close_ends_both_sides_at_once() -> None:
    for closer, other in ((A, B), (B, A)):
        air = Air([*peering(1, A, B), closed(2, closer, other)])
        assert air.peered(A, B, 2 * S - 1)
        assert air.side(A, B).at(2 * S) is None
        assert air.side(B, A).at(2 * S) is None


def test_any_ids_will_do_in_a_close() -> None:
    air = Air([*peering(1, A, B), closed(2, B, A, llid=999, plid=998)])
    assert air.side(A, B).at(2 * S) is None


def test_a_close_that_was_lost_ends_its_senders_side_only() -> None:
    frames = [*peering(1, A, B), closed(2, B, A)]
    air = Air(acknowledged(frames, 4))
    assert air.side(B, A).at(3 * S) is None
    assert air.side(A, B).at(3 * S) == Ids(1, 2)


def test_a_close_among_others_ends_nothing_here() -> None:
    air = Air([*peering(1, A, B), closed(2, B, C), closed(2, C, A)])
    assert air.peered(A, B, 3 * S)


def test_who_opens_anew_has_forgotten_the_link() -> None:
    air = Air([*peering(1, A, B), opened(2, B, A, 77)])
    assert air.side(B, A).at(2 * S) is None
    assert air.side(A, B).at(2 * S) == Ids(1, 2)  # until B gives up and closes


def test_an_open_that_is_repeated_changes_nothing() -> None:
    air = Air([*peering(1, A, B), opened(2, B, A, 2)])
    assert air.peered(A, B, 3 * S)


def test_a_restart_shows_as_new_ids() -> None:
    frames = [*peering(1, A, B), closed(2, B, A), *peering(3, A, B, 5, 6)]
    changes = [ids for _, ids in Air(frames).side(A, B).changes]
    assert changes == [Ids(1, 2), None, Ids(5, 6)]


def by_us(frame: Frame, *, failed: bool = False) -> Frame:
    """As the radio that sent it shows it: with TX flags."""
    header = struct.pack("<BBHIHH", 0, 0, 12, 1 << 15, int(failed), 0)
    return Frame(frame.time_ns, header + frame.mpdu)


def test_ones_own_radio_tells_what_arrived() -> None:
    frames = peering(1, A, B)
    own = [by_us(f) if f.mpdu[10:16].hex(":") == A else f for f in frames]
    assert Air(own).peered(A, B, 2 * S)
    lost = [*own[:3], by_us(frames[3], failed=True)]
    assert Air(lost).side(A, B).at(2 * S) == Ids(1, 2)
    assert Air(lost).side(B, A).at(2 * S) is None


def test_an_acknowledgement_to_ones_own_radio_is_a_sign_of_life() -> None:
    null = bytes.fromhex("00000800000000004801") + bytes(2)
    to_b = at(5, null + b"".join(bytes.fromhex(a.replace(":", "")) for a in (B, A, A)) + bytes(2))
    assert Air([*peering(1, A, B), by_us(to_b)]).lives(B, A)[-1] == 5 * S
    assert Air([*peering(1, A, B), by_us(to_b, failed=True)]).lives(B, A)[-1] < 5 * S
    assert Air([*peering(1, A, B), to_b]).lives(B, A)[-1] < 5 * S


def test_malformed_peering_frames_are_signs_of_life_and_nothing_else() -> None:
    good = peering(1, A, B)
    bad = [at(2, crafted.data) for crafted in craft.malformed_peerings(C, A, MESH)]
    air = Air([*good, *bad])
    assert air.peered(A, B, 3 * S)
    assert air.side(A, C).at(3 * S) is None
    assert air.stations[C].lives


def test_a_link_blocked_by_hand_ends_on_that_side_without_a_word() -> None:
    frames = [*peering(1, A, B, 11, 22), *beacons(A, 1, 6), *beacons(B, 1, 6)]
    air = Air(frames, blocks=blocks(f"3.5 {A} {B}\n"))
    assert air.side(A, B).at(round(3.4 * S)) == Ids(11, 22)
    assert air.side(A, B).at(4 * S) is None
    assert air.side(B, A).at(4 * S) == Ids(22, 11)
    assert states(air, A, B)[-1] == (3.5, State.HEARD)
    reopened = Air([*frames, *peering(5, A, B, 12, 23)], blocks=blocks(f"3.5 {A} {B}\n"))
    assert reopened.side(A, B).at(6 * S) == Ids(12, 23)


@pytest.mark.parametrize("line", ["", "3.5 02:00:00:00:00:00", "soon A B", "1 A B C"])
def test_malformed_blocks_are_refused(line: str) -> None:
    with pytest.raises(MalformedBlocks, match="SECONDS STATION OTHER"):
        list(blocks(f"{line}\n"))


# ---- life ---------------------------------------------------------------------------------------


def linked() -> list[Frame]:
    """A and B are peers from second 1.003 on, before beacons."""
    alone = [at(0, craft.beacon(A, MESH)), at(0.1, craft.beacon(B, MESH))]
    return [*alone, *peering(1, A, B)]


def test_silence_begins_with_the_last_frame() -> None:
    frames = [*linked(), *beacons(B, 1.1, 9), *beacons(A, 1.1, 30)]
    last = max(frame.time_ns for frame in frames if frame.mpdu[10:16].hex(":") == B) / S
    assert states(Air(frames), A, B) == [
        (0, State.HEARD), (1.003, State.LINKED), (last, State.SILENT)
    ]  # fmt: skip


def test_a_short_pause_is_no_silence() -> None:
    frames = [*linked(), *beacons(B, 1.1, 5), *beacons(B, 7, 20), *beacons(A, 1.1, 20)]
    assert states(Air(frames), A, B)[-1] == (1.003, State.LINKED)


def test_it_returns_with_its_first_frame() -> None:
    frames = [*linked(), *beacons(B, 1.1, 5), *beacons(B, 12, 20), *beacons(A, 1.1, 20)]
    air = Air(frames)
    assert states(air, A, B)[-1] == (12, State.LINKED)
    assert [spell.event for spell in spells(air, A, B)] == [
        None, "established", "vanished", "returned"
    ]  # fmt: skip


def test_the_interval_is_what_most_beacons_claim() -> None:
    frames = [*linked(), *beacons(B, 1.1, 9, interval_tu=100), *beacons(A, 1.1, 15)]
    lie = at(5.01, craft.beacon(B, MESH, interval_tu=65535, peerings=1))
    zero = at(5.02, craft.beacon(B, MESH, interval_tu=0, peerings=1))
    air = Air([*frames, lie, zero])
    assert air.stations[B].interval_ns(5_030_000_000) == 102_400_000
    assert states(air, A, B)[-1][1] is State.SILENT


def test_goodbye_and_gone() -> None:
    frames = [*linked(), *beacons(B, 1.1, 5), closed(6, B, A), *beacons(A, 1.1, 20)]
    last = spells(Air(frames), A, B)[-1]
    assert (last.begin_ns, last.state, last.event) == (6 * S, State.ABSENT, "closed")
    assert (last.heard_ns, last.parted_ns) == (6 * S, 6 * S)


def test_closed_but_still_there() -> None:
    frames = [*linked(), *beacons(B, 1.1, 20), closed(6, B, A), *beacons(A, 1.1, 20)]
    last = spells(Air(frames), A, B)[-1]
    assert (last.state, last.event) == (State.HEARD, "closed")


def test_links_older_than_the_capture_are_not_known() -> None:
    frames = [*beacons(A, 0, 10), *beacons(B, 0.5, 10)]
    assert states(Air(frames), A, B) == [(0, State.UNKNOWN)]
    alone = [*frames, at(4, craft.beacon(A, MESH, peerings=0))]
    assert states(Air(alone), A, B) == [(0, State.UNKNOWN), (4, State.HEARD)]
    close = [*frames, closed(4, B, A)]
    assert states(Air(close), A, B) == [(0, State.UNKNOWN), (4, State.HEARD)]


def test_who_never_sent_a_frame_is_absent() -> None:
    frames = [at(0, craft.beacon(A, MESH)), *beacons(A, 1, 10)]
    assert states(Air(frames), A, C)[-1][1] is State.ABSENT


def test_who_is_no_mesh_station_is_absent() -> None:
    frames = beacons(A, 0, 10, peerings=0)
    data = craft.EMPTY_RADIOTAP + b"\x08\0\0\0" + bytes.fromhex("ffffffffffff020000000200") * 2
    air = Air([*frames, *(at(second, data) for second in range(10))])
    assert C in air.stations
    assert {state for _, state in states(air, A, C)} == {State.ABSENT}


def test_nobody_is_a_group() -> None:
    group = "03:00:00:00:00:00"
    assert group not in Air([*linked(), at(2, craft.beacon(group, MESH))]).stations


def test_what_is_out_of_reach_is_not_heard() -> None:
    frames = [*linked(), *beacons(B, 1.1, 20), *beacons(A, 1.1, 20)]
    reach = Reach(f"5.0 {B} 2\n15.0 {B} 1\n")
    air = Air(frames, reach)
    begun = [state for _, state in states(air, A, B)]
    assert begun == [State.HEARD, State.LINKED, State.SILENT, State.LINKED]
    assert states(air, A, B)[-1][0] > 15
    assert not reach.hears(B, A, 10 * S)
    assert reach.hears(B, A, 16 * S)


def test_nothing_was_captured() -> None:
    air = Air([])
    assert spells(air, A, B) == []
