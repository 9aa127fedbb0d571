"""Histories: anything that sources may say, in any order, mostly of somebody who is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from meshwatch.model import AddressProof, Change, InterfaceType, Plink
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    CandidateSeen,
    ClaimMade,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.table import Table
from tests.pure.scenarios import MS, SECOND, station

# Few of each and mostly the same, so that things happen to somebody who is there.
IFINDEXES = (3, 4)
ADDRESSES = ("02:00:00:00:01:00", "02:00:00:00:02:00")
IFINDEX = st.sampled_from((3, 3, 3, 4))
ADDRESS = st.sampled_from(ADDRESSES)
# Around the limits of a neighbor without a history (5376, 7424) things happen.
INACTIVE_MS = st.sampled_from([0, 0, 0, 1, 40, 900, 1500, 3585, 5375, 5376, 7423, 7424, 60_000])
GAP_MS = st.sampled_from([0, 0, 1, 40, 250, 600, 600, 600, 999, 1000, 1001, 3000, 7424, 20_000])
FAILURE = st.none() | st.just("failed")


@st.composite
def stations(draw: st.DrawFn) -> StationSeen:
    fields = {"llid": draw(st.sampled_from([1, 1, 1, 1, 0, 2])), "plid": 1}
    fields |= draw(st.sampled_from([{}, {"signal_dbm": -80}, {"signal_dbm": -79}]))
    if draw(st.integers(0, 9)):
        fields["inactive_ms"] = draw(INACTIVE_MS)
    plink = draw(st.sampled_from([*[Plink.ESTAB] * 12, None, *Plink]))
    return StationSeen(draw(IFINDEX), draw(ADDRESS), station(plink, **fields))


STATIONS = stations()
CANDIDATES = st.builds(CandidateSeen, IFINDEX, ADDRESS, st.none() | st.integers(-80, -78))
INTERFACES = st.builds(
    InterfaceSeen,
    IFINDEX,
    st.sampled_from(["mesh0", "mesh1"]),
    st.sampled_from([None, *InterfaceType, InterfaceType.MESH, InterfaceType.MESH]),
    st.just(0),
    st.just("02:00:00:00:00:00"),
)
LINKS = st.builds(
    LinkSeen,
    IFINDEX,
    st.sampled_from(["mesh0", "mesh2"]),
    st.sampled_from([True, True, True, False]),
    st.booleans(),
)
REMOVALS = st.one_of(
    st.builds(StationDeleted, IFINDEX, ADDRESS),
    st.builds(StationsSwept, IFINDEX, st.frozensets(ADDRESS)),
    st.builds(InterfaceDeleted, IFINDEX),
    st.builds(InterfacesSwept, st.frozensets(IFINDEX)),
)
# What nl80211, rtnetlink and a third source say, removals and deafness apart.
NL80211 = st.one_of(
    *[STATIONS] * 5,
    CANDIDATES,
    INTERFACES,
    st.builds(SourceState, st.just("nl80211"), FAILURE),
    st.just(Settled("nl80211")),
)
IPS = ("fe80::1", "fe80::2", "fd00::1", "10.0.0.1", "2001:db8::1")
FOUND = st.builds(
    AddressSeen, IFINDEX, ADDRESS, st.sampled_from(IPS), st.sampled_from(AddressProof)
)
LOST = st.builds(AddressFailed, IFINDEX, st.sampled_from(IPS))
RTNETLINK = st.one_of(
    *[LINKS] * 4,
    *[FOUND] * 3,
    LOST,
    st.builds(SourceState, st.just("rtnetlink"), FAILURE),
    st.just(Settled("rtnetlink")),
)
THIRD = st.builds(SourceState, st.just("third"), FAILURE) | st.builds(
    Deaf, st.just("third"), st.just(0)
)
CLAIMED = st.builds(
    ClaimMade,
    ifindex=IFINDEX,
    address=ADDRESS,
    claimant=st.sampled_from("ab"),
    uid=st.integers(0, 1),
    name=st.sampled_from([None, "ana", "ben"]),
    verified=st.booleans(),
    lifetime_ns=st.sampled_from([0, SECOND, 3 * SECOND, 60 * SECOND]),
)
HEARD = st.one_of(*[STATIONS] * 6, CANDIDATES, NL80211, RTNETLINK, CLAIMED, REMOVALS)


class Step(NamedTuple):
    """``observed`` None: we were deaf all through the gap. ``ticks``: per mille of the gap."""

    gap_ms: int
    observed: Observation | None
    ticks: tuple[int, ...] = ()


STEPS = st.builds(
    Step,
    GAP_MS,
    st.one_of(HEARD, HEARD, HEARD, HEARD, HEARD, st.none()),
    st.sampled_from([(), (500,), (1000,), (0, 300, 300, 999)]),
)
MESHES = tuple(
    Step(0, InterfaceSeen(i, f"mesh{i}", InterfaceType.MESH, 0, "02:00:00:00:00:00"))
    for i in IFINDEXES
)
# What happens all day: looks at a neighbor who is there, and only readings differ.
CALM = st.builds(
    lambda gap_ms, inactive_ms: Step(
        gap_ms,
        StationSeen(3, ADDRESSES[0], station(inactive_ms=inactive_ms)),
        (300, 700),
    ),
    st.sampled_from([250, 400, 700, 1100]),
    st.sampled_from([1, 2]),
)
HISTORIES = st.one_of(
    st.lists(STEPS, min_size=5, max_size=30), st.lists(CALM, min_size=5, max_size=10)
).map(lambda steps: [*MESHES, *steps])


class Told:
    """A table that was told a history, its changes, and the time it is."""

    def __init__(self, history: Sequence[Step], *, ticking: bool = False) -> None:
        self.table = Table()
        self.changes: list[Change] = []
        self.deadlines: list[int | None] = []  # after each observation
        self.now = SECOND
        for step in history:
            before, self.now = self.now, self.now + step.gap_ms * MS
            if step.observed is None:
                self.observe(Deaf("nl80211", before))
                continue
            if ticking:
                for per_mille in step.ticks:
                    self.tick(before + step.gap_ms * MS * per_mille // 1000)
                while (due := self.table.deadline()) is not None and due < self.now:
                    assert self.tick(due) or self.table.questions()
            self.observe(step.observed)

    def observe(self, observation: Observation) -> list[Change]:
        changes = self.table.observe(observation, self.now)
        self.changes += changes
        self.deadlines.append(self.table.deadline())
        return changes

    def tick(self, now: int) -> list[Change]:
        changes = self.table.tick(now)
        self.changes += changes
        return changes
