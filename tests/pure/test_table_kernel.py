"""What the kernel does in each situation, and what the table makes of it, at literal times.

The situations were played on Linux 6.1 and 6.12 with simulated radios. Looks are 1 s apart
where nothing happens.
"""

from __future__ import annotations

import pytest

from meshwatch.model import Plink
from meshwatch.observations import (
    CandidateSeen,
    LinkSeen,
    Observation,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.patience import Patience
from tests.pure.scenarios import MESH0, MS, PEER, Story, look, station

LISTEN, OPN_SNT, CNF_RCVD, ESTAB, HOLDING, BLOCKED = (
    Plink.LISTEN,
    Plink.OPN_SNT,
    Plink.CNF_RCVD,
    Plink.ESTAB,
    Plink.HOLDING,
    Plink.BLOCKED,
)
CANDIDATE = CandidateSeen(MESH0, PEER, -60)
DELETED = StationDeleted(MESH0, PEER)
OTHER = "02:00:00:00:02:00"
Step = tuple[float, Observation | None, list[str]]


def up(up: bool = True, running: bool = True) -> LinkSeen:
    return LinkSeen(MESH0, "mesh0", up, running)


KERNEL: dict[str, list[Step]] = {
    "joins, first time": [
        (1.0, look(LISTEN, 4), ["heard peering"]),
        (1.25, look(ESTAB, 8), ["present established"]),
        (2.25, look(ESTAB, 1008), []),
    ],
    "joins between two looks": [(1.0, look(ESTAB, 4), ["present established"])],
    "leaves": [
        (1.0, look(ESTAB, 4), ["present established"]),
        (2.0, look(HOLDING, 12), ["heard closed"]),
        (2.25, look(LISTEN, 262), ["heard closed"]),  # the plink is news, the reason stays
        (3.25, look(LISTEN, 1262), []),
        (9.0, look(LISTEN, 7012), []),
        (10.0, look(LISTEN, 8012), ["removed silent"]),
        (11.0, look(LISTEN, 9012), []),
        (1800.0, look(LISTEN, 1798012), []),  # the entry stays; it brings nobody back
        (1801.0, DELETED, []),
    ],
    "joins again after it left": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(LISTEN, 12), ["heard closed"]),
        (15.0, look(LISTEN, 13012), ["removed silent"]),
        (16.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "joins again at once": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(LISTEN, 12), ["heard closed"]),
        (3.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "leaves and joins between two looks": [
        (1.0, look(ESTAB, 4, 1, 2), ["present established"]),
        (2.0, look(ESTAB, 12, 3, 4), ["present restarted"]),
        (3.0, look(ESTAB, 12, 3, 4), []),
    ],
    "goes down (it still says goodbye)": [
        (1.0, look(ESTAB, 4), ["present established"]),
        (2.0, look(HOLDING, 500), ["heard closed"]),
        (3.0, look(LISTEN, 1500), ["heard closed"]),
        (11.0, look(LISTEN, 9500), ["removed silent"]),
    ],
    "goes out of range": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, look(ESTAB, 1000), []),
        (4.0, look(ESTAB, 3000), []),
        (6.375, look(ESTAB, 5375), []),
        (6.376, look(ESTAB, 5376), ["quiet silent"]),
        (8.423, look(ESTAB, 7423), []),
        (8.424, look(ESTAB, 7424), ["removed silent"]),
        (10.0, look(ESTAB, 9000), []),
    ],
    "comes back, not restarted, from quiet": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (7.5, look(ESTAB, 6500), ["quiet silent"]),
        (8.0, look(ESTAB, 300), ["present returned"]),
        (9.0, look(ESTAB, 200), []),
    ],
    "comes back, not restarted, from afar": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (13.0, look(ESTAB, 12172), ["removed silent"]),
        (14.0, look(ESTAB, 13172), []),
        (15.0, look(ESTAB, 700), ["present returned"]),
    ],
    "restarted while away, comes back": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (13.0, look(ESTAB, 12000, 1, 2), ["removed silent"]),
        (14.0, look(ESTAB, 100, 1, 2), ["present returned"]),  # its Opens are ignored as yet
        (14.6, look(LISTEN, 10), ["heard closed"]),
        (15.0, look(ESTAB, 50, 3, 4), ["present established"]),
    ],
    "restarted while away, comes back between two looks": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (13.0, look(ESTAB, 12000, 1, 2), ["removed silent"]),
        (14.0, look(ESTAB, 100, 3, 4), ["present restarted"]),
    ],
    "restarted while quiet": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (7.5, look(ESTAB, 6500, 1, 2), ["quiet silent"]),
        (8.0, look(ESTAB, 100, 3, 4), ["present restarted"]),
    ],
    "we block it, then open": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (2.0, look(BLOCKED, 500), ["heard blocked"]),
        (3.0, look(BLOCKED, 600), []),
        (4.0, look(OPN_SNT, 600, 3, 0), ["heard peering"]),
        (5.0, look(HOLDING, 600, 3, 0), ["heard peering"]),
        (6.0, look(LISTEN, 600), ["heard peering"]),
        (6.5, look(ESTAB, 10, 5, 6), ["present established"]),
    ],
    "blocked and out of range": [
        (1.0, look(BLOCKED, 500), ["heard blocked"]),
        (9.0, look(BLOCKED, 8500), ["removed silent"]),
        (10.0, look(BLOCKED, 100), ["heard blocked"]),
    ],
    "we delete the station": [
        (1.0, look(ESTAB, 0, 1, 2), ["present established"]),
        (2.0, DELETED, ["removed deleted"]),
        (2.7, look(LISTEN, 0), ["heard peering"]),
        (2.75, look(ESTAB, 0, 3, 4), ["present established"]),
    ],
    "we leave, or go down: rtnetlink is heard first": [
        (1.0, up(), []),
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, up(True, False), ["mesh0 up", "removed interface_down"]),
        (2.0, DELETED, []),
        (3.0, up(False, False), ["mesh0 down"]),
        (9.0, up(), ["mesh0 running"]),
        (9.5, look(ESTAB, 10, 3, 4), ["present established"]),
    ],
    "we leave, or go down: nl80211 is heard first": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, DELETED, ["removed deleted"]),
        (2.0, up(True, False), ["mesh0 up"]),
    ],
    "too weak to peer: it cycles": [
        (1.0, look(CNF_RCVD, 4, 1, 2), ["heard peering"]),
        (2.0, look(HOLDING, 4, 1, 2), ["heard peering"]),
        (3.0, look(LISTEN, 4), ["heard peering"]),
        (4.0, look(LISTEN, 4), []),
    ],
    "expires while out of range": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (10.0, look(ESTAB, 9000), ["removed silent"]),
        (64.7, DELETED, []),
        (66.0, look(ESTAB, 20, 3, 4), ["present established"]),
    ],
    "expires after it left": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (2.0, look(LISTEN, 1000), ["heard closed"]),
        (10.0, look(LISTEN, 9000), ["removed silent"]),
        (43.7, DELETED, []),
    ],
    "a user-space peering manager: candidate, station, link, goodbye": [
        (1.0, CANDIDATE, ["heard candidate"]),
        (1.1, look(LISTEN, 0), ["heard peering"]),
        (2.0, look(ESTAB, 20, 0, 0), ["present established"]),
        (3.0, look(ESTAB, 20, 0, 0), []),
        (4.0, DELETED, ["removed deleted"]),
        (4.9, CANDIDATE, ["heard candidate"]),
    ],
    "a wrong password: listening for ever": [
        (1.0, CANDIDATE, ["heard candidate"]),
        (1.1, look(LISTEN, 0), ["heard peering"]),
        (2.1, look(LISTEN, 900), []),
        (60.0, look(LISTEN, 900), []),
    ],
    "an overrun: a complete look does not find it": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (5.0, StationsSwept(MESH0, frozenset({OTHER})), ["removed absent"]),
        (6.0, look(ESTAB, 0, 3, 4), ["present established"]),
    ],
    "a sweep that lists it": [
        (1.0, look(ESTAB, 0), ["present established"]),
        (1.0, StationsSwept(MESH0, frozenset({PEER})), []),
    ],
    "first seen long silent": [
        (1.0, look(ESTAB, 60000), []),
        (2.0, look(LISTEN, 61000), []),
        (3.0, look(LISTEN, 100), ["heard peering"]),
    ],
    "first seen quiet": [
        (1.0, look(ESTAB, 6500), ["quiet silent"]),
        (2.0, look(ESTAB, 100), ["present returned"]),
    ],
    "no plink in the entry yet": [
        (1.0, look(None, 0), ["heard peering"]),
        (2.0, look(ESTAB, 100), ["present established"]),
    ],
    "the kernel does not say how long it was silent": [
        (1.0, StationSeen(MESH0, PEER, station(ESTAB)), ["present established"]),
        (4.0, StationSeen(MESH0, PEER, station(ESTAB)), []),
        (7.5, StationSeen(MESH0, PEER, station(ESTAB)), ["quiet silent"]),
        (10.0, StationSeen(MESH0, PEER, station(ESTAB)), ["removed silent"]),
        (11.0, StationSeen(MESH0, PEER, station(LISTEN)), []),
    ],
}


@pytest.mark.parametrize("steps", KERNEL.values(), ids=KERNEL)
def test_what_the_kernel_does(steps: list[Step]) -> None:
    story = Story()
    assert [(at, seen, story.at(at, seen)) for at, seen, _ in steps] == steps


def test_the_limits_are_those_of_the_scenarios() -> None:
    patience = Patience()
    assert patience.cadence.ns == 1024 * MS
    assert patience.quiet_ns == 5376 * MS
    assert patience.departed_ns == 7424 * MS
