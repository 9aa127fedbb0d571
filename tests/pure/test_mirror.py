"""A mirror fed with the lines of a feed equals the table; what it reports is what differed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshwatch import model, protocol
from meshwatch.client import (
    Came,
    Changed,
    Event,
    InterfaceCame,
    InterfaceChanged,
    InterfaceRemoved,
    Mirror,
    NeighborKey,
    ProtocolError,
    Reading,
    Removed,
    Resynchronised,
    SourceChanged,
)
from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Change,
    Claim,
    Evidence,
    InterfaceType,
    Plink,
    Presence,
    Proof,
    Reason,
    Row,
)

VERSION = protocol.version(release="0", boot="b", started_unix_ms=5).numbered(1)


def neighbor(number: int, **news: object) -> model.Neighbor:
    row = model.Neighbor(
        ifindex=3,
        interface="mesh0",
        address=f"02:00:00:00:00:{number:02x}",
        presence=Presence.PRESENT,
        reason=Reason.ESTABLISHED,
        since_ns=10**9,
        first_heard_ns=10**9,
        plink=Plink.ESTAB,
        readings=model.Readings(last_heard_ns=2 * 10**9),
    )
    return replace(row, **news)


MESH0 = model.Interface(
    ifindex=3,
    interface="mesh0",
    type=InterfaceType.MESH,
    wiphy=0,
    address="02:00:00:00:ff:00",
    up=True,
    running=True,
)
NL80211 = model.Source(source="nl80211", since_ns=0)
ANN, BEN = neighbor(1), neighbor(2)


def told(mirror: Mirror, *rows: Row) -> list[Event]:
    """A new connection and its snapshot."""
    mirror.disconnected()
    assert mirror.receive(VERSION) == []
    events = []
    for line in protocol.snapshot(rows, 0):
        events += mirror.receive(line.numbered(2))
    return events


def tell(
    mirror: Mirror,
    old: Row | None,
    new: Row | None,
    news: bool = True,
    evidence: Evidence | None = None,
) -> list[Event]:
    row = old or new
    assert row is not None
    change = Change(row.key, old, new, news, Reason.DELETED if new is None else None, evidence)
    return mirror.receive(protocol.change(change, 0).numbered(3))


def wire(row: model.Neighbor) -> protocol.Neighbor:
    return protocol.neighbor(row, 0)


def test_the_first_snapshot_is_arrivals_and_then_the_word_that_all_is_there() -> None:
    mirror = Mirror()
    assert [type(event) for event in told(mirror, MESH0, NL80211, ANN, BEN)] == [
        InterfaceCame,
        SourceChanged,
        Came,
        Came,
        Resynchronised,
    ]
    assert mirror.neighbors == {
        NeighborKey(3, ANN.address): wire(ANN),
        NeighborKey(3, BEN.address): wire(BEN),
    }
    assert mirror.interfaces == {3: protocol.interface(MESH0)}
    assert mirror.sources == {"nl80211": protocol.source(NL80211, 0)}


def test_changes_carry_what_was() -> None:
    mirror = Mirror()
    told(mirror, MESH0, NL80211, ANN)
    quiet = neighbor(1, presence=Presence.QUIET)
    heard = replace(quiet, readings=model.Readings(last_heard_ns=3 * 10**9))
    down = replace(MESH0, running=False)
    failed = replace(NL80211, failure="not in the kernel")
    assert tell(mirror, None, BEN) == [Came(wire(BEN))]
    assert tell(mirror, ANN, quiet) == [Changed(wire(quiet), wire(ANN))]
    assert tell(mirror, quiet, heard, news=False) == [Reading(wire(heard), wire(quiet))]
    assert tell(mirror, heard, None) == [Removed(wire(heard), "deleted")]
    assert tell(mirror, MESH0, down) == [
        InterfaceChanged(protocol.interface(down), protocol.interface(MESH0))
    ]
    assert tell(mirror, down, None) == [InterfaceRemoved(protocol.interface(down), "deleted")]
    assert tell(mirror, NL80211, failed) == [
        SourceChanged(protocol.source(failed, 0), protocol.source(NL80211, 0))
    ]
    assert mirror.neighbors == {NeighborKey(3, BEN.address): wire(BEN)}
    assert mirror.interfaces == {}


def test_a_removal_carries_its_evidence() -> None:
    mirror = Mirror()
    told(mirror, ANN)
    evidence = Evidence(proof=Proof.PROBE, silence_ms=1400, unanswered=3)
    (removed,) = tell(mirror, ANN, None, evidence=evidence)
    assert isinstance(removed, Removed)
    assert removed.evidence == protocol.Evidence(proof="probe", silence_ms=1400, unanswered=3)


def test_a_restarted_daemon_is_no_storm() -> None:
    """It learned its times anew, and says "established" where it had said "returned"."""
    mirror = Mirror()
    told(mirror, MESH0, NL80211, *(neighbor(n, reason=Reason.RETURNED) for n in range(200)))
    later = [
        neighbor(n, since_ns=9 * 10**9, first_heard_ns=9 * 10**9, readings=ANN.readings)
        for n in range(200)
    ]
    restarted = replace(NL80211, since_ns=9 * 10**9)
    assert [type(event) for event in told(mirror, MESH0, restarted, *later)] == [Resynchronised]
    assert list(mirror.neighbors.values()) == [wire(row) for row in later]


ECHO = Address("fe80::1%mesh0", AddressScope.LINK, AddressProof.ECHO)
SAID = Claim(claimant="names", uid=1, name="ana.local", claimed_ns=5)


def test_a_restarted_daemon_that_heard_nothing_yet_is_no_storm() -> None:
    """Nor is its next restart, whose first look is later than the first beacons and claims."""
    mirror = Mirror()
    tapped = replace(MESH0, mesh_id="school", beacon_interval_tu=1000)
    heard = neighbor(
        1,
        evidence=Evidence(proof=Proof.BEACON),
        security="sae",
        mesh_id="school",
        accepting=True,
        addresses=(ECHO,),
        name="ana.local",
        nick="Ana",
        jid="ana@ana.example",
        claims=(SAID,),
        restarts=3,
    )
    guess = replace(ECHO, proof=AddressProof.DERIVED)
    looked = neighbor(1, evidence=Evidence(proof=Proof.LOOK), addresses=(guess,))
    told(mirror, tapped, NL80211, heard)
    for interface, row in ((MESH0, looked), (tapped, heard)):
        assert [type(event) for event in told(mirror, interface, NL80211, row)] == [Resynchronised]
        assert mirror.neighbors == {NeighborKey(3, ANN.address): wire(row)}
        assert mirror.interfaces == {3: protocol.interface(interface)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"mesh_id": "school"}, {"mesh_id": "market"}),
        ({"accepting": True}, {"accepting": False}),
        ({"one_sided": "ours"}, {}),
        ({}, {"next_hop": "02:00:00:00:00:09"}),
        ({"bouncing": True}, {}),
        ({"disputed": True}, {}),
        ({"name": "ana.local"}, {"name": "ben.local"}),
        ({"addresses": (ECHO,)}, {"addresses": (replace(ECHO, address="fe80::2%mesh0"),)}),
        ({"claims": (SAID,)}, {"claims": (replace(SAID, verified=True),)}),
    ],
)
def test_a_reconnection_tells_what_became_another(
    before: dict[str, object], after: dict[str, object]
) -> None:
    mirror = Mirror()
    told(mirror, neighbor(1, **before))
    changed, _ = told(mirror, neighbor(1, **after))
    assert changed == Changed(wire(neighbor(1, **after)), wire(neighbor(1, **before)))


def test_a_reconnection_tells_nothing_of_how_or_since_when() -> None:
    mirror = Mirror()
    told(mirror, neighbor(1, addresses=(ECHO,), claims=(SAID,)))
    kernel, again = replace(ECHO, proof=AddressProof.KERNEL), replace(SAID, claimed_ns=9 * 10**9)
    (event,) = told(mirror, neighbor(1, addresses=(kernel,), claims=(again,)))
    assert isinstance(event, Resynchronised)


def test_a_reconnection_tells_what_happened_meanwhile() -> None:
    mirror = Mirror()
    told(mirror, MESH0, NL80211, ANN, BEN)
    cat, quiet = neighbor(3), neighbor(2, presence=Presence.QUIET)
    renamed = replace(MESH0, interface="mesh9")
    assert told(mirror, renamed, quiet, cat)[:-1] == [
        InterfaceChanged(protocol.interface(renamed), protocol.interface(MESH0)),
        Removed(wire(ANN), "absent"),
        Changed(wire(quiet), wire(BEN)),
        Came(wire(cat)),
    ]


def test_a_snapshot_in_parts_takes_effect_with_its_last_part() -> None:
    mirror = Mirror()
    told(mirror, ANN)
    mirror.disconnected()
    mirror.receive(VERSION)
    parts = [line.numbered(2) for line in protocol.snapshot([BEN] + [neighbor(3)] * 100, 0)]
    assert len(parts) > 2
    for part in parts[:-1]:
        assert mirror.receive(part) == []
        assert (list(mirror.neighbors.values()), mirror.synchronised) == ([wire(ANN)], False)
    mirror.receive(parts[-1])
    assert (mirror.synchronised, len(mirror.neighbors)) == (True, 2)


def test_half_a_snapshot_is_forgotten_with_its_connection() -> None:
    mirror = Mirror()
    mirror.receive(VERSION)
    first, *_ = protocol.snapshot([neighbor(n) for n in range(100)], 0)
    mirror.receive(first.numbered(2))
    told(mirror, ANN)
    assert list(mirror.neighbors.values()) == [wire(ANN)]


@pytest.mark.parametrize("greeted", [False, True])
def test_lines_out_of_order_are_refused(greeted: bool) -> None:
    mirror = Mirror()
    if greeted:
        mirror.receive(VERSION)
    with pytest.raises(ProtocolError):
        tell(mirror, None, ANN)


def test_no_change_between_the_parts_of_a_later_snapshot() -> None:
    mirror = Mirror()
    told(mirror, ANN)
    first, *_ = protocol.snapshot([neighbor(n) for n in range(100)], 0)
    mirror.receive(first.numbered(9))
    with pytest.raises(ProtocolError):
        tell(mirror, ANN, BEN)


TABLES = st.lists(
    st.dictionaries(
        st.integers(0, 5),
        st.builds(
            neighbor,
            st.just(0),
            presence=st.sampled_from(Presence),
            llid=st.none() | st.integers(1, 3),
        ),
        max_size=4,
    ),
    min_size=2,
    max_size=6,
)


@given(TABLES, st.sets(st.integers(1, 5)))
def test_every_way_leads_to_the_same_mirror(
    shapes: list[dict[int, model.Neighbor]], reconnects: set[int]
) -> None:
    """Told by changes or by a snapshot, the mirror and the sum of its events are the table."""
    states = [
        {n: replace(row, address=neighbor(n).address) for n, row in shape.items()}
        for shape in shapes
    ]
    mirror = Mirror()
    events = told(mirror, *states[0].values())
    for step, (before, after) in enumerate(pairwise(states)):
        if step in reconnects:
            events += told(mirror, *after.values())
        else:
            for number in before.keys() | after.keys():
                old, new = before.get(number), after.get(number)
                if old != new:
                    events += tell(mirror, old, new)
        assert mirror.neighbors == {
            NeighborKey(row.ifindex, row.address): wire(row) for row in after.values()
        }
    summed: dict[str, protocol.Neighbor] = {}
    for event in events:
        match event:
            case Came(neighbor=row):
                assert row.address not in summed
                summed[row.address] = row
            case Changed(neighbor=row, was=was):
                assert summed[row.address] == was
                summed[row.address] = row
            case Removed(neighbor=row):
                del summed[row.address]
    assert summed == {row.address: row for row in mirror.neighbors.values()}
