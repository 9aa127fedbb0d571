"""Frames in a recording: a conversation for each monitor interface, which knows our interfaces."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from meshwatch.frames import PROBE_TIMEOUT_NS
from meshwatch.model import Change
from meshwatch.neighborhood import Neighborhood
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import (
    BeaconSeen,
    Deaf,
    LookWanted,
    Monitor,
    Observation,
    ProbeAnswered,
    Question,
    SourceState,
)
from meshwatch.paths import Paths
from meshwatch.recording import LOST_FRAMES, RADIOTAP, Packet, open_recording
from meshwatch.replay import NETLINK_GENERIC, NETLINK_ROUTE, Player, conversations
from meshwatch.rtnetlink import Rtnetlink
from meshwatch.table import Table
from tests.replay.mixed import (
    ACKNOWLEDGED,
    MEETING,
    MESH_IFINDEX,
    MON0,
    OWN,
    RECEIVED,
    TO_BE_SENT,
    WIPHY,
    A,
    beacon,
    beside,
    heard,
    meeting,
    null,
    write,
)

SECOND_NS = 1_000_000_000
BEACONS = [heard((20 + i) * SECOND_NS + 7) for i in range(5)]
LOOK = LookWanted(MESH_IFINDEX, "02:00:00:00:00:99")  # the table itself never asks this


class Listening(Table):
    """A table that remembers what it was told, and when, and asks one thing at each beacon."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, Observation]] = []
        self._asked: list[Question] = []

    def observe(self, observation: Observation, now: int) -> list[Change]:
        self.told.append((now, observation))
        if isinstance(observation, BeaconSeen):
            self._asked.append(LOOK)
        return super().observe(observation, now)

    def questions(self) -> list[Question]:
        asked, self._asked = self._asked, []
        return super().questions() + asked

    def of(self, *kinds: type[Observation]) -> list[tuple[int, Observation]]:
        return [(now, told) for now, told in self.told if isinstance(told, kinds)]


def play(packets: Iterable[Packet]) -> Listening:
    table = Listening()
    with closing(open_recording(MEETING)) as recording:
        talk = conversations(recording)
    for _ in Player(packets, talk, table):
        pass
    return table


def heard_times(table: Listening) -> list[int]:
    return [told.heard_ns for _, told in table.of(BeaconSeen) if isinstance(told, BeaconSeen)]


def test_a_tap_that_comes_later_knows_the_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pcapng"
    write(path, beside(meeting(), BEACONS))
    with closing(open_recording(path)) as recording:
        packets = list(recording)
        assert (recording.skipped, recording.cut) == (0, False)
    table = play(packets)
    assert [now for now, _ in table.of(BeaconSeen)] == [packet.time_ns for packet in BEACONS]
    for now, told in table.of(BeaconSeen):
        assert isinstance(told, BeaconSeen)
        assert (told.ifindex, told.address, told.heard_ns) == (MESH_IFINDEX, A, now)
        assert (told.beacon.interval_tu, told.beacon.signal_dbm) == (1000, -30)


def test_a_tap_knows_no_interface_that_is_gone() -> None:
    link = struct.pack("=BxHiII", 0, 1, MESH_IFINDEX, 0, 0)  # struct ifinfomsg
    gone = struct.pack("=IHHII", 32, 17, 0, 0, 0) + link  # RTM_DELLINK
    # Without what nl80211 says later, which describes the interface again.
    before = [packet for packet in meeting() if packet.time_ns < BEACONS[0].time_ns]
    deleted = Packet(BEACONS[0].time_ns, NETLINK_ROUTE, False, gone)
    assert heard_times(play([*before, BEACONS[1]])) == [BEACONS[1].time_ns]
    assert heard_times(play([*before, deleted, BEACONS[1]])) == []


def test_two_taps_of_two_radios() -> None:
    """That of another radio has none of our mesh interfaces to tell about."""
    other = Monitor(21, "mon1", WIPHY + 1)
    frames = [BEACONS[0], heard(21 * SECOND_NS, monitor=other), *BEACONS[2:]]
    table = play(beside(meeting(), frames))
    assert heard_times(table) == [frame.time_ns for frame in (BEACONS[0], *BEACONS[2:])]


def test_a_frame_keeps_the_time_of_its_reception() -> None:
    """It stands behind a datagram that was read a little later than it came."""
    packets = meeting()
    at = next(i for i, packet in enumerate(packets) if packet.time_ns > 20 * SECOND_NS)
    late = heard(packets[at].time_ns - 5_000_000)
    table = play([*packets[: at + 1], late, *packets[at + 1 :]])
    ((now, told),) = table.of(BeaconSeen)
    assert isinstance(told, BeaconSeen)
    assert told.heard_ns == late.time_ns
    assert now == packets[at].time_ns


def test_probes_that_were_sent_are_answered() -> None:
    probe = null(A, OWN)
    sent = heard(20 * SECOND_NS, TO_BE_SENT + probe)._replace(outgoing=True)
    answer = heard(20 * SECOND_NS + 3_000_000, ACKNOWLEDGED + probe)
    assert play(beside(meeting(), [answer])).of(ProbeAnswered) == []
    told = play(beside(meeting(), [sent, answer])).of(ProbeAnswered)
    assert told == [(answer.time_ns, ProbeAnswered(MESH_IFINDEX, A, acknowledged=True))]


def test_an_answer_that_was_read_too_late_came_in_time() -> None:
    """It stands, with what came before it, behind what was read when the probe would have been
    given up: but a tap hears all that came before it gives up anything."""
    packets, at_ns, late_ns = meeting(), 20 * SECOND_NS, 500_000_000
    probe = null(A, OWN)
    sent = heard(at_ns, TO_BE_SENT + probe)._replace(outgoing=True)
    in_time = [heard(at_ns + 3_000_000), heard(at_ns + 4_000_000, ACKNOWLEDGED + probe)]
    too_late = heard(at_ns + PROBE_TIMEOUT_NS, ACKNOWLEDGED + probe)
    at = next(i for i, packet in enumerate(packets) if packet.time_ns > at_ns + late_ns)
    before, after = [*beside(packets[:at], [sent]), packets[at]], packets[at + 1 :]
    told = play([*before, *in_time, *after]).of(ProbeAnswered)
    assert told == [(packets[at].time_ns, ProbeAnswered(MESH_IFINDEX, A, acknowledged=True))]
    assert play([*before, too_late, *after]).of(ProbeAnswered) == []


def test_lost_frames_are_our_deafness() -> None:
    lost = heard(22 * SECOND_NS, LOST_FRAMES)
    ((now, told),) = play(beside(meeting(), [*BEACONS, lost])).of(Deaf)
    assert isinstance(told, Deaf)
    assert told.source == "frames"
    assert told.since_ns < now == lost.time_ns


def test_the_same_again_however_often() -> None:
    packets = beside(meeting(), BEACONS)
    assert play(packets).told == play(packets).told


# ---- what is given to everybody -----------------------------------------------------------------


class Ear:
    """A conversation that remembers what it was given, and always wants to say something."""

    def __init__(self) -> None:
        self.hints: list[Observation | Question] = []
        self.heard: list[bytes] = []

    def begin(self, now: int) -> None:
        self.heard.clear()

    def receive(self, data: bytes, now: int) -> Iterable[Observation]:
        self.heard.append(data)
        return [SourceState("ear")]

    def notice(self, hint: Observation | Question, now: int) -> None:
        self.hints.append(hint)

    def outgoing(self) -> Sequence[bytes]:
        return [b"a question that was never asked"]

    def sent(self, request: bytes, now: int) -> None:
        self.heard.append(request)

    def deadline(self) -> int | None:
        return None

    def wake(self, now: int) -> Iterable[Observation]:
        return ()


def test_conversations_of_one_protocol_hear_the_same_and_each_other() -> None:
    first, second, other = Ear(), Ear(), Ear()
    packets = [
        Packet(1, NETLINK_GENERIC, False, b"answer"),
        Packet(2, NETLINK_GENERIC, True, b"request"),
        Packet(3, NETLINK_ROUTE, False, b"link"),
        Packet(4, 9, False, b"audit"),
        Packet(5, RADIOTAP, False, RECEIVED + beacon(A), MON0),
    ]
    table = Listening()
    talk = {NETLINK_GENERIC: [first, second], NETLINK_ROUTE: [other]}
    for _ in Player(packets, talk, table):
        pass
    assert first.heard == second.heard == [b"answer", b"request"]
    assert other.heard == [b"link"]
    assert [len(ear.hints) for ear in (first, second, other)] == [2, 2, 2]


def test_a_recording_of_ours_has_all_our_conversations() -> None:
    with closing(open_recording(MEETING)) as recording:
        talk = conversations(recording)
    assert [type(each) for each in talk[NETLINK_GENERIC]] == [Nl80211, Paths]
    assert [type(each) for each in talk[NETLINK_ROUTE]] == [Rtnetlink, Neighborhood]


def test_what_the_table_asks_is_put_to_everybody() -> None:
    """Once, and only after what was observed."""
    table = Listening()
    netlink = [Ear(), Ear()]
    with closing(open_recording(MEETING)) as recording:
        talk = conversations(recording)
    both = {protocol: [*talk[protocol], ear] for protocol, ear in zip(talk, netlink, strict=True)}
    for _ in Player(beside(meeting(), BEACONS), both, table):
        pass
    for ear in netlink:
        asked = [hint for hint in ear.hints if hint == LOOK]
        assert len(asked) == len(BEACONS)
        assert isinstance(ear.hints[ear.hints.index(LOOK) - 1], BeaconSeen)
