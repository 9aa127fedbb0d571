"""Foreign captures: what other programs asked and heard tells the same story."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from meshwatch.capture import CapturedNl80211, CapturedRtnetlink
from meshwatch.model import InterfaceType, Neighbor
from meshwatch.observations import (
    AwaySeen,
    InterfaceDeleted,
    InterfaceSeen,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.recording import open_recording
from meshwatch.replay import NETLINK_GENERIC, NETLINK_ROUTE, Player, conversations
from meshwatch.table import Table

FOREIGN = Path(__file__).parents[1] / "recordings" / "foreign-61.pcap"
M1, M2 = "42:00:00:00:01:00", "42:00:00:00:02:00"
FAMILY = 0x20
GET_INTERFACE, NEW_INTERFACE, DEL_INTERFACE = 5, 7, 8
GET_STATION, NEW_STATION, DEL_STATION = 17, 19, 20
DUMP, MULTI, INTERRUPTED = 0x301, 0x2, 0x10
LISTEN, ESTAB = 0, 4


# ---- messages (linux/netlink.h, linux/nl80211.h) ------------------------------------------------


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def message(kind: int, flags: int, seq: int, port: int, payload: bytes) -> bytes:
    return struct.pack("=IHHII", len(payload) + 16, kind, flags, seq, port) + payload


def nl80211(command: int, flags: int, seq: int, port: int, *attributes: bytes) -> bytes:
    head = struct.pack("=BBH", command, 1, 0)
    return message(FAMILY, flags, seq, port, head + b"".join(attributes))


def ifindex(number: int) -> bytes:
    return attribute(3, struct.pack("=I", number))


def mac(address: str) -> bytes:
    return attribute(6, bytes.fromhex(address.replace(":", "")))


def station(
    address: str,
    plink: int | None = ESTAB,
    *,
    seq: int = 7,
    port: int = 100,
    flags: int = MULTI,
    generation: int = 1,
    interface: int = 3,
) -> bytes:
    info = attribute(1, struct.pack("=I", 500))  # inactive time
    if plink is not None:
        info += attribute(6, bytes([plink]))
    return nl80211(
        NEW_STATION,
        flags,
        seq,
        port,
        ifindex(interface),
        mac(address),
        attribute(46, struct.pack("=I", generation)),
        attribute(21, info),
    )


def asked(seq: int = 7, port: int = 0, interface: int = 3) -> bytes:
    return nl80211(GET_STATION, DUMP, seq, port, ifindex(interface))


def done(seq: int = 7, port: int = 100, flags: int = MULTI, error: int = 0) -> bytes:
    return message(3, flags, seq, port, struct.pack("=i", -error))


def inserted(address: str) -> bytes:
    """The event of a station entry's insertion, which describes nothing."""
    return nl80211(NEW_STATION, 0, 0, 0, ifindex(3), mac(address), attribute(21, b""))


def deleted(address: str) -> bytes:
    info = attribute(1, struct.pack("=I", 500)) + attribute(6, bytes([ESTAB]))
    return nl80211(DEL_STATION, 0, 0, 0, ifindex(3), mac(address), attribute(21, info))


def family(number: int, command: int = 1) -> bytes:
    head = struct.pack("=BBH", command, 2, 0)
    name = attribute(2, b"nl80211\0")
    return message(16, 0, 2, 50, head + name + attribute(1, struct.pack("=H", number)))


def hear(
    datagrams: Iterable[bytes], conversation: CapturedNl80211 | None = None
) -> list[Observation]:
    """What a capture of these, a millisecond apart, says."""
    if conversation is None:
        conversation = CapturedNl80211(family=FAMILY)
    observations: list[Observation] = []
    for i, datagram in enumerate(datagrams):
        observations += conversation.receive(datagram, i * 1_000_000)
        observations += conversation.wake(i * 1_000_000)
    return observations


def swept(observations: Iterable[Observation]) -> list[frozenset[str]]:
    return [o.addresses for o in observations if isinstance(o, StationsSwept)]


# ---- dumps of other programs --------------------------------------------------------------------


def test_a_dump_is_a_look_and_a_sweep() -> None:
    observations = hear([asked(), station(M1) + station(M2), done()])
    assert observations[0] == InterfaceSeen(3, "if3", InterfaceType.MESH, 0, "")
    assert [o.address for o in observations if isinstance(o, StationSeen)] == [M1, M2]
    assert observations[-2:] == [StationsSwept(3, frozenset({M1, M2})), Settled("nl80211")]


@pytest.mark.parametrize(
    "torn",
    [
        [asked(), station(M1, flags=MULTI | INTERRUPTED), done()],
        [asked(), station(M1), done(flags=MULTI | INTERRUPTED)],
        [asked(), station(M1), done(error=4)],
        [asked(), station(M1), inserted(M2), done()],
        [asked(), station(M1), deleted(M2), done()],
        [asked(), station(M1, generation=1), station(M2, generation=2), done()],
        [asked(), station(M1), station(M2, interface=4), done()],
        [asked(), station(M1)[:-8], station(M2), done()],
        [asked(), station(M1), message(4, 0, 0, 0, b""), done()],
        [station(M1), done()],
        [asked(), station(M1), done(seq=8)],
        [asked(port=99), station(M1), done()],
        [station(M1, flags=0), asked(interface=4), asked(), done()],
    ],
    ids=[
        "interrupted", "interrupted at the end", "error", "an insertion", "a deletion",
        "two generations", "two interfaces", "malformed", "overrun", "not seen asked",
        "another's end", "another's request", "two requests of one number",
    ],
)  # fmt: skip
def test_a_torn_dump_sweeps_nothing(torn: list[bytes]) -> None:
    assert swept(hear(torn)) == []


def test_two_programs_at_once() -> None:
    observations = hear(
        [
            asked(seq=7, port=100),
            asked(seq=7, port=200),
            station(M1, port=100),
            station(M2, port=200),
            done(port=200),
            done(port=100),
        ]
    )
    assert swept(observations) == [frozenset({M2}), frozenset({M1})]


def test_nothing_is_settled_in_the_middle_of_the_first_dump() -> None:
    observations = hear([asked(), station(M1), station(M2)])
    assert Settled("nl80211") not in observations
    conversation = CapturedNl80211(family=FAMILY)
    observations = hear([asked(), station(M1)], conversation)
    due = conversation.deadline()
    assert due is not None
    assert list(conversation.wake(due - 1)) == []
    assert list(conversation.wake(due)) == [Settled("nl80211")]
    assert conversation.deadline() is None


def test_an_empty_dump_of_an_unknown_interface_settles() -> None:
    assert hear([asked(), done()]) == [Settled("nl80211")]


def test_one_station_asked_for() -> None:
    observations = hear([station(M1, flags=0)])
    assert [o.address for o in observations if isinstance(o, StationSeen)] == [M1]


# ---- events and interfaces ----------------------------------------------------------------------


def test_an_insertion_says_nothing_and_a_deletion_everything() -> None:
    assert hear([inserted(M1)]) == []
    observations = hear([asked(), station(M1), done(), deleted(M1)])
    assert observations[-1] == StationDeleted(3, M1)


def interface(command: int, name: str, kind: int) -> bytes:
    return nl80211(
        command,
        0,
        9 if command == NEW_INTERFACE else 0,
        100,
        attribute(1, struct.pack("=I", 0)),
        ifindex(3),
        attribute(4, name.encode() + b"\0"),
        attribute(5, struct.pack("=I", kind)),
        mac(M1),
    )


def test_an_interface_of_unknown_type() -> None:
    """Stations with a peer link make it a mesh interface; without, it may be anything."""
    assert hear([asked(), station(M1, plink=None), done()]) == [Settled("nl80211")]
    access_point = [interface(NEW_INTERFACE, "wlan0", 3), station(M1)]
    assert not any(isinstance(o, StationSeen) for o in hear(access_point))
    ad_hoc = [interface(NEW_INTERFACE, "wlan0", 1), station(M1, plink=None)]
    assert any(isinstance(o, StationSeen) for o in hear(ad_hoc))


def test_an_interface_comes_and_goes() -> None:
    observations = hear(
        [interface(NEW_INTERFACE, "mesh0", 7), interface(DEL_INTERFACE, "mesh0", 7)]
    )
    assert observations[0] == InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, M1)
    assert observations[-1] == InterfaceDeleted(3)


def test_a_monitor() -> None:
    seen, *_ = hear([interface(NEW_INTERFACE, "mon0", 6)])
    assert seen == InterfaceSeen(3, "mon0", None, 0, M1, monitor=True)


def scan(command: int, seq: int = 0) -> bytes:
    return nl80211(command, 0, seq, 0, attribute(1, struct.pack("=I", 5)))


def test_scans() -> None:
    conversation = CapturedNl80211(family=FAMILY)
    heard = hear([scan(33), scan(34, seq=7), scan(35), scan(33)], conversation)
    assert heard == [AwaySeen(5, True), AwaySeen(5, False), AwaySeen(5, True)]
    assert conversation.deadline() == 30_003_000_000
    assert list(conversation.wake(30_003_000_000)) == [AwaySeen(5, False)]
    assert conversation.deadline() is None


def test_a_channel_switch() -> None:
    conversation = CapturedNl80211(family=FAMILY)
    events = [nl80211(command, 0, 0, 0, ifindex(3)) for command in (110, 88)]
    heard = hear([interface(NEW_INTERFACE, "mesh0", 7), *events], conversation)
    assert heard[-2:] == [AwaySeen(0, True), AwaySeen(0, False)]
    assert conversation.deadline() is None


def test_dumps_of_paths_are_passed_over() -> None:
    nowhere = attribute(26, bytes(6)) + attribute(27, attribute(5, b"\x02"))
    path = nl80211(23, MULTI, 8, 100, ifindex(3), mac(M2), nowhere)
    dump = nl80211(21, DUMP, 8, 100, ifindex(3))
    seen = hear([asked(port=100), station(M1), done(), dump, path, done(8)])
    assert seen == hear([asked(port=100), station(M1), done()])


def test_a_name_comes_late() -> None:
    conversation = CapturedNl80211(family=FAMILY)
    hear([station(M1)], conversation)
    conversation.notice(LinkSeen(3, "mesh0", up=True, running=True), 5)
    assert list(conversation.wake(5)) == [InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, "")]
    assert list(conversation.wake(6)) == []


def test_a_name_comes_early() -> None:
    conversation = CapturedNl80211(family=FAMILY)
    conversation.notice(LinkSeen(3, "mesh0", up=True, running=True), 0)
    assert hear([station(M1)], conversation)[0] == InterfaceSeen(
        3, "mesh0", InterfaceType.MESH, 0, ""
    )


# ---- the family ---------------------------------------------------------------------------------


def test_the_family_is_named_or_guessed() -> None:
    named = hear([family(FAMILY), station(M1)], CapturedNl80211())
    assert any(isinstance(o, StationSeen) for o in named)
    guessed = hear([inserted(M1), station(M1)], CapturedNl80211())
    assert any(isinstance(o, StationSeen) for o in guessed)
    assert hear([inserted(M1), station(M1)[:-4], asked(), done()], CapturedNl80211()) == []


def test_the_family_leaves_and_returns() -> None:
    observations = hear([station(M1), family(FAMILY, command=2), family(0x21)])
    assert observations[-3:] == [
        SourceState("nl80211", "nl80211 left the kernel"),
        InterfaceDeleted(3),
        SourceState("nl80211", None),
    ]


# ---- rtnetlink ----------------------------------------------------------------------------------


def link(kind: int, flags: int, name: str, family: int = 0) -> bytes:
    head = struct.pack("=BxHiII", family, 1, 3, flags, 0)
    return message(kind, 0, 0, 0, head + attribute(3, name.encode() + b"\0"))


def test_links() -> None:
    conversation = CapturedRtnetlink()
    new, gone, bridged, cut = (
        link(16, 0x11043, "mesh0"),
        link(17, 0x1002, "mesh0"),
        link(17, 0x1002, "mesh0", family=7),
        link(16, 0x1003, "mesh0")[:-3],
    )
    assert list(conversation.receive(new + gone, 0)) == [
        LinkSeen(3, "mesh0", up=True, running=True),
        InterfaceDeleted(3),
    ]
    assert list(conversation.receive(bridged, 0)) == []
    assert list(conversation.receive(cut, 0)) == []


# ---- a real one ---------------------------------------------------------------------------------


def test_the_story_of_a_real_capture() -> None:
    """M1 and M2 join; M1 leaves and rejoins; M2 is switched off and on; M1's interface is
    deleted; the observer leaves, rejoins, and is switched off."""
    told: list[tuple[str, str, str]] = []
    table = Table()
    with closing(open_recording(FOREIGN)) as recording:
        assert not recording.ours
        talk = conversations(recording)
        assert [type(each) for each in talk[NETLINK_GENERIC]] == [CapturedNl80211]
        assert [type(each) for each in talk[NETLINK_ROUTE]] == [CapturedRtnetlink]
        for _, changes in Player(recording, talk, table):
            for change in changes:
                row = change.new or change.old
                if not change.news or not isinstance(row, Neighbor):
                    continue
                assert row.interface == "mesh0"
                presence = "gone" if change.new is None else str(row.presence)
                reason = str(change.reason or row.reason)
                name = {M1: "M1", M2: "M2"}[row.address]
                if not told or told[-1] != (name, presence, reason):  # HOLDING, then LISTEN
                    told.append((name, presence, reason))
    assert told == [
        ("M1", "present", "established"),
        ("M2", "present", "established"),
        ("M1", "heard", "closed"),
        ("M1", "present", "established"),
        ("M2", "heard", "closed"),
        ("M2", "present", "established"),
        ("M1", "heard", "closed"),
        ("M1", "gone", "interface_down"),
        ("M2", "gone", "interface_down"),
        ("M2", "present", "established"),
        ("M2", "gone", "deleted"),
    ]
