"""What waits to be told: the last state of each object, in an order that clients can follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshwatch.bus.contract import Subject, path
from meshwatch.bus.mirror import Mirror, Saying
from meshwatch.model import (
    Change,
    Evidence,
    Interface,
    Neighbor,
    Presence,
    Proof,
    Reason,
    Row,
    Source,
)
from tests.bus.harness import interface, neighbor, where

ONE, TWO = neighbor(1), neighbor(2)
MESH0 = interface()


def mirror_of(*rows: Row) -> Mirror:
    """A mirror of which everything has been told."""
    mirror = Mirror("1")
    mirror.reset(rows)
    mirror.settle()
    return mirror


def told(mirror: Mirror) -> list[Saying]:
    sayings = []
    while (saying := mirror.next()) is not None:
        sayings.append(saying)
    assert not mirror.pending
    return sayings


def came(row: Row) -> Change:
    return Change(row.key, None, row)


def went(row: Row, reason: Reason = Reason.DELETED) -> Change:
    return Change(row.key, row, None, reason=reason)


def test_many_changes_of_one_object_are_one() -> None:
    mirror = mirror_of(MESH0, ONE)
    last = ONE
    for llid in range(100):
        last, before = replace(ONE, llid=llid), last
        mirror.apply(Change(ONE.key, before, last))
    assert told(mirror) == [Saying(ONE, last, "")]


def test_added_and_removed_before_it_was_told_is_nothing() -> None:
    mirror = mirror_of(MESH0)
    mirror.apply(came(ONE))
    mirror.apply(went(ONE))
    assert told(mirror) == []


def test_removed_and_added_again_is_both_in_this_order() -> None:
    mirror = mirror_of(MESH0, ONE)
    mirror.apply(went(ONE))
    again = replace(ONE, since_ns=5)
    mirror.apply(came(again))
    assert told(mirror) == [Saying(ONE, None, "deleted"), Saying(None, again, "")]


def test_the_evidence_of_a_removal_waits_with_it() -> None:
    mirror = mirror_of(MESH0, ONE)
    evidence = Evidence(proof=Proof.PROBE, unanswered=3)
    mirror.apply(Change(ONE.key, ONE, None, reason=Reason.SILENT, evidence=evidence))
    mirror.apply(came(ONE))
    assert told(mirror) == [Saying(ONE, None, "silent", evidence), Saying(None, ONE, "")]


def test_removed_added_removed_is_one_removal() -> None:
    mirror = mirror_of(MESH0, ONE)
    for change in (went(ONE), came(ONE), went(ONE)):
        mirror.apply(change)
    assert told(mirror) == [Saying(ONE, None, "deleted")]


def test_parents_come_first_and_leave_last() -> None:
    mirror = mirror_of()
    mirror.apply(came(ONE))
    mirror.apply(came(MESH0))
    assert [saying.new for saying in told(mirror)] == [MESH0, ONE]
    mirror.apply(went(MESH0, Reason.INTERFACE_REMOVED))
    mirror.apply(went(ONE, Reason.INTERFACE_REMOVED))
    assert [saying.old for saying in told(mirror)] == [ONE, MESH0]


def test_readings_are_nobodys_news() -> None:
    mirror = mirror_of(ONE)
    mirror.apply(Change(ONE.key, ONE, replace(ONE, llid=7), news=False))
    assert not mirror.pending


def test_two_interfaces_that_swap_their_names() -> None:
    mirror = mirror_of(interface(3, "mesh0"), interface(4, "mesh1"))
    for row in (interface(3, "mesh1"), interface(4, "mesh0")):
        mirror.apply(Change(row.key, row, row))
    removed, removed_too, *added = told(mirror)
    assert removed.new is None
    assert removed_too.new is None
    assert [saying.old for saying in added] == [None, None]
    assert mirror.find("/org/meshwatch/mesh0") == interface(4, "mesh0")
    assert mirror.find("/org/meshwatch/mesh1") == interface(3, "mesh1")


def test_a_snapshot_tells_the_difference() -> None:
    mirror = mirror_of(MESH0, ONE, TWO)
    changed = replace(TWO, plid=9)
    mirror.reset([MESH0, changed])
    sayings = [saying for saying in told(mirror) if saying.old != saying.new]
    assert sayings == [Saying(ONE, None, ""), Saying(TWO, changed, "")]


def test_sources_are_a_property_of_the_daemon() -> None:
    mirror = mirror_of(Source(source="nl80211", since_ns=0, failure="not in the kernel"))
    works = Source(source="nl80211", since_ns=1)
    mirror.apply(Change(works.key, None, works))
    (saying,) = told(mirror)
    assert getattr(saying.old, "failures", None) == {"nl80211": "not in the kernel"}
    assert getattr(saying.new, "failures", None) == {}


def where_of(row: Row) -> str:
    assert not isinstance(row, Source)
    return where(row)


def rows() -> st.SearchStrategy[Row]:
    """Few identities and names, so that they meet."""
    names = st.sampled_from(["mesh0", "mesh1"])
    presences = st.sampled_from(list(Presence))
    return st.one_of(
        st.builds(interface, st.integers(3, 4), names, up=st.booleans()),
        st.builds(
            neighbor,
            st.integers(1, 3),
            ifindex=st.integers(3, 4),
            interface=names,
            presence=presences,
        ),
    )


@given(st.lists(st.one_of(rows(), st.just("remove"), st.just("tell"), st.just("look again"))))
def test_a_client_that_follows_ends_with_what_there_is(steps: list[Row | str]) -> None:
    """Law: whatever happens and however late it is told, the client's objects are ours."""
    mirror = mirror_of()
    table: dict[object, Row] = {}
    client: dict[str, Subject] = {}

    def follow(saying: Saying | None) -> None:
        if saying is not None and saying.new is not None:
            assert (path(saying.new) in client) == (saying.old is not None)
            client[path(saying.new)] = saying.new
        elif saying is not None and saying.old is not None:
            del client[path(saying.old)]

    client.update(mirror.subjects())
    for step in steps:
        match step:
            case "tell":
                follow(mirror.next())
            case "look again":
                mirror.reset(table.values())
            case "remove":
                if table:
                    key = next(iter(table))
                    mirror.apply(went(table.pop(key)))
            case Interface() | Neighbor() as row:
                # The kernel's names are unique: whoever else has this one has lost it.
                table = {
                    key: each for key, each in table.items() if where_of(each) != where_of(row)
                }
                mirror.apply(Change(row.key, table.get(row.key), row))
                table[row.key] = row
    for saying in told(mirror):
        follow(saying)
    assert client == dict(mirror.subjects())
    there = {where_of(row): row for row in table.values()}
    assert {key: value for key, value in client.items() if key != "/org/meshwatch"} == there
