"""Link probes through nl80211: a frame between looks, and what they say of its fate."""

from __future__ import annotations

import errno

import pytest

from meshwatch import codec
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import Observation, ProbeAnswered, ProbeWanted, SourceState, Station
from meshwatch.probes import Probes
from meshwatch.records import Kind, decode
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0, A, B
from tests.pure.nl80211_turns import Kernel, begun, seq_of, settled
from tests.pure.turns import MS

OWN = "42:00:00:00:00:00"
WANTED = ProbeWanted(MESH0, A)


def kernel(*, probes: bool = True) -> Kernel:
    """A and B are established and were heard 700 ms ago, nothing is under way."""
    talk = Kernel(settled(A, B, nl80211=Nl80211(probes=probes)), A, B)
    talk.run(700)
    return talk


def answers(seen: list[Observation]) -> list[Observation]:
    return [o for o in seen if isinstance(o, ProbeAnswered)]


# ---- the conversation ---------------------------------------------------------------------------


def test_who_acknowledges_is_there() -> None:
    talk = kernel()
    talk.notice(700, WANTED)
    assert (talk.looks_ms, talk.frames_ms) == ([(700, A)], [(700, A)])
    talk.run(729)
    assert answers(talk.seen) == []
    talk.run(730)
    assert answers(talk.seen) == [ProbeAnswered(MESH0, A, acknowledged=True)]
    talk.run(900)
    assert [ms for ms, _ in talk.looks_ms] == [700, 730, 760, 820]
    assert len(answers(talk.seen)) == 1


def test_who_does_not_acknowledge_may_be_away() -> None:
    talk = kernel()
    talk.entries[A].in_reach = False
    talk.entries[A].tx_failed = 77  # of frames before
    talk.notice(700, WANTED)
    talk.run(729)
    assert answers(talk.seen) == []
    talk.run(900)
    assert answers(talk.seen) == [ProbeAnswered(MESH0, A, acknowledged=False)]


def test_a_sign_of_life_from_before_the_probe_is_no_answer() -> None:
    talk = kernel()
    talk.entries[A].heard_ms = 695
    talk.notice(700, WANTED)
    talk.entries[A].in_reach = False
    talk.run(900)
    assert answers(talk.seen) == [ProbeAnswered(MESH0, A, acknowledged=False)]


def test_what_shows_too_late_is_no_answer() -> None:
    talk = kernel()
    talk.answer_ms = 200
    talk.notice(700, WANTED)
    talk.run(5000)
    assert talk.entries[A].heard_ms == 900
    assert answers(talk.seen) == []


def test_the_frame() -> None:
    talk = kernel()
    talk.notice(700, WANTED)
    (frame,) = talk.frames
    assert len(frame) == 60
    assert frame[:14] == bytes.fromhex((A + OWN).replace(":", "")) + b"\x88\xb5"
    assert not any(frame[14:])
    request = codec.probe_mesh_link(k.FAMILY, MESH0, A, OWN, 60)
    (message,) = decode(request, k.FAMILY)
    assert (message.kind, message.command) == (Kind.REQUEST, k.PROBE_MESH_LINK)
    assert message.flags == 0x5  # with an acknowledgement, else it would never end
    assert codec.frame_bytes(request) == 60


def test_one_probe_a_station_and_several_stations_at_once() -> None:
    talk = kernel()
    talk.notice(700, WANTED, WANTED, ProbeWanted(MESH0, B))
    talk.notice(720, WANTED)
    talk.run(900)
    assert talk.frames_ms == [(700, A), (700, B)]
    assert answers(talk.seen) == [ProbeAnswered(MESH0, a, acknowledged=True) for a in (A, B)]
    talk.notice(900, WANTED)
    assert talk.frames_ms[2:] == [(900, A)]


def test_it_sends_nothing_unless_told_to() -> None:
    talk = kernel(probes=False)
    talk.notice(700, WANTED)
    talk.run(2000)
    assert (talk.frames_ms, talk.looks_ms) == ([], [])


def test_only_mesh_stations_are_probed() -> None:
    turns = begun((MESH0, "adhoc0", k.IBSS), nl80211=Nl80211(probes=True))
    turns.at(0, k.station(A, seq=seq_of(turns)), k.done(seq_of(turns)))
    talk = Kernel(turns, A)
    talk.notice(700, WANTED, ProbeWanted(99, A))
    assert talk.looks_ms == []


def test_refused_once_it_is_not_tried_again_until_the_conversation_begins_anew() -> None:
    talk = kernel()
    talk.refuses = errno.EPERM
    talk.notice(700, WANTED, ProbeWanted(MESH0, B))
    assert talk.attempts == 1
    talk.refuses = 0
    talk.notice(900, WANTED)
    talk.run(2000)
    assert talk.frames_ms == []
    assert not [o for o in talk.seen if isinstance(o, SourceState)]
    nl80211 = talk.turns.conversation
    assert isinstance(nl80211, Nl80211)
    nl80211.begin(2_000_000_000)
    talk.turn(2000)
    talk.notice(2100, WANTED)
    assert talk.frames_ms == [(2100, A)]


@pytest.mark.parametrize("error", [errno.ENETDOWN, errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP])
def test_another_refusal_costs_this_probe_only(error: int) -> None:
    talk = kernel()
    talk.refuses = error
    talk.notice(700, WANTED)
    talk.refuses = 0
    talk.entries[A].heard_ms = 705  # nothing was sent: this is no answer
    talk.run(870)
    assert (answers(talk.seen), talk.frames_ms) == ([], [])
    talk.notice(870, WANTED)
    talk.run(1000)
    assert len(answers(talk.seen)) == len(talk.frames_ms) == 1


def test_nobody_is_no_one_to_send_a_frame_to() -> None:
    talk = kernel()
    del talk.entries[A]
    talk.notice(700, WANTED)
    talk.run(900)
    talk.entries[A] = type(talk.entries[B])()  # back, and nobody wants to know any more
    talk.run(5000)
    assert talk.frames_ms == []


def test_in_a_replay_the_recorded_frame_is_what_was_sent() -> None:
    talk = kernel(probes=False)
    talk.run(1000)
    nl80211 = talk.turns.conversation
    assert isinstance(nl80211, Nl80211)
    request = k.renumbered(codec.probe_mesh_link(k.FAMILY, MESH0, A, OWN, 60), 9000)
    nl80211.sent(request, 1000 * MS)
    (acknowledgement,) = talk.answers(request, 1000)
    talk.entries[A].in_reach = False
    talk.turn(1000, acknowledgement)
    talk.run(1200)
    assert answers(talk.seen) == [ProbeAnswered(MESH0, A, acknowledged=False)]


# ---- what entries say ---------------------------------------------------------------------------


def entry(inactive_ms: int, tx_failed: int | None = None) -> Station:
    more = {} if tx_failed is None else {k.TX_FAILED: tx_failed}
    data = k.station(A, seq=1, inactive_ms=inactive_ms, more=more)
    (message,) = decode(data, k.FAMILY)
    assert isinstance(message.body, Station)
    return message.body


@pytest.mark.parametrize(
    ("inactive_ms", "answer"),
    [
        (30, True),  # acknowledged at once
        (39, True),  # so it seems, by a clock of 100 ticks a second
        (41, None),  # a beacon just before the frame
        (3, True),
        (930, None),
    ],
)
def test_an_acknowledgement_at_once_is_one(inactive_ms: int, answer: bool | None) -> None:
    probes = Probes()
    probes.sent(A, entry(900), 100 * MS, 100 * MS)
    assert probes.answered(A, entry(inactive_ms), 130 * MS, 130 * MS) is answer
    assert probes.answered(A, entry(0), 131 * MS, 131 * MS) is (None if answer else True)


def test_a_slow_answer_is_no_sign_of_life() -> None:
    """It was true when the kernel gave it, which may have been when it was asked."""
    probes = Probes()
    probes.sent(A, entry(20), 100 * MS, 100 * MS)
    assert probes.answered(A, entry(50), 130 * MS, 190 * MS) is None


def test_an_entry_that_counts_no_failures_can_only_say_yes() -> None:
    for before in (None, entry(900)):
        probes = Probes()
        probes.sent(A, before, 0, 0)
        assert probes.answered(A, entry(960, tx_failed=9), 60 * MS, 60 * MS) is None
        assert probes.answered(A, entry(5), 61 * MS, 61 * MS) is True
