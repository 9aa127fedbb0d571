"""Neighbors beyond radio range, from the kernel's path and proxy tables, at literal times."""

from __future__ import annotations

import pytest

from meshwatch.model import Evidence, Presence, Proof, Proximity
from meshwatch.observations import Path, PathSeen, PathsSwept, ProxySeen
from meshwatch.port import MOST_STRANGERS
from tests.pure.scenarios import MESH0, PEER, Story, look

BOB = "02:00:00:00:02:00"
HOST = "36:74:57:9d:f1:de"
NOBODY: frozenset[str] = frozenset()


def path(
    *, active: bool = True, next_hop: str | None = PEER, resolving: bool = False, retries: int = 0
) -> Path:
    return Path(
        next_hop=next_hop, active=active, resolving=resolving, fixed=False, resolved=active,
        hop_count=2, metric=16386, changes=1, discovery_retries=retries,
    )  # fmt: skip


def test_a_path_makes_a_neighbor_of_the_mesh() -> None:
    story = Story()
    assert story.at(1, PathSeen(MESH0, PEER, path(next_hop=BOB))) == ["present path"]
    row = story.peer
    assert (row.proximity, row.hop_count, row.plink) == (Proximity.MESH, 2, None)
    assert row.evidence == Evidence(proof=Proof.PATH)
    assert (row.readings.path_metric, row.readings.path_changes) == (16386, 1)


def test_an_expired_path_is_no_departure_and_a_failed_discovery_is() -> None:
    story = Story()
    story.at(1, PathSeen(MESH0, PEER, path(next_hop=BOB)))
    assert story.at(8, PathSeen(MESH0, PEER, path(next_hop=BOB, active=False))) == ["quiet expired"]
    trying = path(next_hop=BOB, active=False, resolving=True, retries=1)
    assert story.at(9, PathSeen(MESH0, PEER, trying)) == []
    assert story.at(10, PathSeen(MESH0, PEER, path(next_hop=BOB))) == ["present path"]
    failed = path(next_hop=BOB, active=False, retries=4)
    assert story.at(20, PathSeen(MESH0, PEER, failed)) == ["removed unreachable"]


def test_a_path_that_was_expired_when_we_came_is_nobody() -> None:
    story = Story()
    assert story.at(1, PathSeen(MESH0, PEER, path(next_hop=BOB, active=False))) == []


def test_a_path_that_is_gone() -> None:
    story = Story()
    story.at(1, PathSeen(MESH0, PEER, path(next_hop=BOB)))
    assert story.at(2, PathsSwept(MESH0, frozenset({PEER}), NOBODY)) == []
    assert story.at(3, PathsSwept(MESH0, NOBODY, NOBODY)) == ["removed absent"]


def test_the_link_says_more_than_the_path_of_one_hop() -> None:
    story = Story()
    story.at(1, look())
    own = path(next_hop=PEER)
    assert story.at(2, PathSeen(MESH0, PEER, own)) == ["present established"]  # its hop count
    assert (story.peer.proximity, story.peer.next_hop) == (Proximity.DIRECT, None)
    assert story.at(10, look(inactive_ms=9000)) == ["removed silent"], "no ghost by its own path"


def test_a_neighbor_out_of_range_is_still_in_the_mesh() -> None:
    story = Story()
    story.at(1, look())
    story.at(9, PathSeen(MESH0, PEER, path(next_hop=BOB)))
    assert story.at(10, look(inactive_ms=9000)) == ["present path"]
    beyond = story.peer
    assert story.at(11, look(inactive_ms=10)) == ["present returned"]
    assert (beyond.proximity, story.peer.proximity) == (Proximity.MESH, Proximity.DIRECT)


def test_an_expired_path_is_no_way_around_a_link_that_departed() -> None:
    story = Story()
    story.at(1, look())
    story.at(2, PathSeen(MESH0, PEER, path(next_hop=BOB)))
    story.at(6, PathSeen(MESH0, PEER, path(next_hop=BOB, active=False)))
    assert story.at(10, look(inactive_ms=9000)) == ["removed silent"]
    assert story.at(20, PathSeen(MESH0, PEER, path(next_hop=BOB))) == ["present path"]
    assert story.at(28, PathSeen(MESH0, PEER, path(next_hop=BOB, active=False))) == [
        "quiet expired"
    ]


def test_a_proxied_host() -> None:
    story = Story()
    assert story.at(1, ProxySeen(MESH0, PEER, BOB)) == ["present path"]
    assert (story.peer.proximity, story.peer.proxy) == (Proximity.PROXIED, BOB)
    assert story.at(2, PathsSwept(MESH0, NOBODY, frozenset({PEER}))) == []
    assert story.at(3, PathsSwept(MESH0, NOBODY, NOBODY)) == ["removed absent"]


def test_a_table_full_of_hosts_is_bounded() -> None:
    story = Story()
    for number in range(2 * MOST_STRANGERS):
        address = f"36:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        story.at(1, ProxySeen(MESH0, address, BOB))
    assert len(story.mirror.rows) == 1 + MOST_STRANGERS


@pytest.mark.parametrize("own", ["02:00:00:00:00:00"])
def test_we_are_no_neighbor_of_ours(own: str) -> None:
    story = Story()
    assert story.at(1, ProxySeen(MESH0, own, own)) == []
    assert story.mirror.rows.keys() == {key for key in story.mirror.rows if key.kind != "neighbor"}


def test_presence_is_that_of_the_path() -> None:
    story = Story()
    story.at(1, PathSeen(MESH0, PEER, path(next_hop=BOB)))
    assert story.peer.presence is Presence.PRESENT
