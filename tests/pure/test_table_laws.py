"""The laws of the table, for any history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from meshwatch.link import DEPARTED_AFTER_NS, QUIET_AFTER_NS
from meshwatch.model import (
    CandidateSeen,
    Change,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    InterfaceType,
    Key,
    LinkSeen,
    Neighbor,
    Observation,
    Plink,
    Presence,
    Row,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.table import PACE_NS, Table
from tests.pure.scenarios import MS, SECOND, Mirror, by_key, station, without_readings

LAWS = settings(max_examples=60, deadline=None)
IFINDEXES = (3, 4)
ADDRESSES = tuple(f"02:00:00:00:0{n}:00" for n in range(1, 4))
IFINDEX = st.sampled_from(IFINDEXES)
ADDRESS = st.sampled_from(ADDRESSES)
# Around the limits (3584, 8192) things happen.
INACTIVE_MS = st.sampled_from([0, 1, 40, 900, 1500, 3584, 3585, 5000, 8192, 8193, 60_000])
GAP_MS = st.sampled_from([0, 0, 1, 40, 250, 999, 1000, 1001, 3000, 8192, 8193, 20_000])
FAILURE = st.none() | st.just("failed")


@st.composite
def stations(draw: st.DrawFn) -> StationSeen:
    fields = draw(
        st.fixed_dictionaries(
            {"llid": st.integers(0, 2), "plid": st.integers(0, 1)},
            optional={"inactive_ms": INACTIVE_MS, "signal_dbm": st.integers(-80, -78)},
        )
    )
    plink = draw(st.sampled_from([None, *Plink, Plink.ESTAB, Plink.ESTAB, Plink.ESTAB]))
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
    LinkSeen, IFINDEX, st.sampled_from(["mesh0", "mesh2"]), st.booleans(), st.booleans()
)
REMOVALS = st.one_of(
    st.builds(StationDeleted, IFINDEX, ADDRESS),
    st.builds(StationsSwept, IFINDEX, st.frozensets(ADDRESS)),
    st.builds(InterfaceDeleted, IFINDEX),
    st.builds(InterfacesSwept, st.frozensets(IFINDEX)),
)
# What nl80211, rtnetlink and a third source say, removals and deafness apart.
NL80211 = st.one_of(
    STATIONS,
    STATIONS,
    CANDIDATES,
    INTERFACES,
    st.builds(SourceState, st.just("nl80211"), FAILURE),
    st.just(Settled("nl80211")),
)
RTNETLINK = st.one_of(
    LINKS, st.builds(SourceState, st.just("rtnetlink"), FAILURE), st.just(Settled("rtnetlink"))
)
THIRD = st.builds(SourceState, st.just("third"), FAILURE) | st.builds(
    Deaf, st.just("third"), st.just(0)
)
HEARD = st.one_of(STATIONS, STATIONS, STATIONS, NL80211, RTNETLINK, REMOVALS)


class Step(NamedTuple):
    """``observed`` None: we were deaf all through the gap. ``ticks``: per mille of the gap."""

    gap_ms: int
    observed: Observation | None
    ticks: tuple[int, ...] = ()


STEPS = st.builds(
    Step,
    GAP_MS,
    st.none() | HEARD,
    st.lists(st.integers(0, 1000), max_size=3).map(lambda ticks: tuple(sorted(ticks))),
)
MESHES = tuple(
    Step(0, InterfaceSeen(i, f"mesh{i}", InterfaceType.MESH, 0, "02:00:00:00:00:00"))
    for i in IFINDEXES
)
HISTORIES = st.lists(STEPS, max_size=25).map(lambda steps: [*MESHES, *steps])


class Told:
    """A table that was told a history, its changes, and the time it is."""

    def __init__(self, history: Sequence[Step], *, ticking: bool = False) -> None:
        self.table = Table()
        self.changes: list[Change] = []
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
                    self.tick(due)
            self.observe(step.observed)

    def observe(self, observation: Observation) -> list[Change]:
        changes = self.table.observe(observation, self.now)
        self.changes += changes
        return changes

    def tick(self, now: int) -> list[Change]:
        changes = self.table.tick(now)
        self.changes += changes
        return changes


class Watched(RuleBasedStateMachine):
    """A mirror equals the snapshot; rows are sane; and what must never be published is not."""

    def __init__(self) -> None:
        super().__init__()
        self.now = SECOND
        self.table = Table()
        self.mirror = Mirror()
        self.told_ns: dict[Key, int] = {}
        self.deaf_ns = 0
        self.seen: dict[Key, StationSeen] = {}
        self.mesh: set[int] = set()
        for step in MESHES:
            assert step.observed is not None
            self.observe(0, step.observed)

    @rule(gap_ms=GAP_MS, observation=HEARD)
    def observe(self, gap_ms: int, observation: Observation) -> None:
        self.wait(gap_ms)
        self.note(observation)
        self.told(self.table.observe(observation, self.now))
        match observation:
            case StationsSwept(ifindex, addresses):
                for row in self.neighbors():
                    if row.ifindex == ifindex and row.plink is not None:
                        assert row.address in addresses
            case InterfacesSwept(ifindexes):
                assert all(row.ifindex in ifindexes for row in self.neighbors())

    @rule(gap_ms=GAP_MS)
    def wait(self, gap_ms: int) -> None:
        """As the daemon does it: whatever is due is done when it is due."""
        end = self.now + gap_ms * MS
        while (due := self.table.deadline()) is not None and due <= end:
            self.now = due
            self.told(self.table.tick(due))
        self.now = end

    @rule(gap_ms=GAP_MS, deaf_ms=GAP_MS)
    def deaf(self, gap_ms: int, deaf_ms: int) -> None:
        self.wait(gap_ms)
        before = self.table.deadline()
        self.deaf_ns += deaf_ms * MS
        self.told(self.table.observe(Deaf("nl80211", self.now - deaf_ms * MS), self.now))
        after = self.table.deadline()
        assert before is None or after is None or after >= before

    def note(self, observation: Observation) -> None:
        match observation:
            case StationSeen(ifindex, address):
                self.seen[Key("neighbor", ifindex, address)] = observation
            case InterfaceSeen(ifindex, _, InterfaceType.MESH):
                self.mesh.add(ifindex)
            case InterfaceSeen(ifindex):
                self.mesh.discard(ifindex)

    def neighbors(self) -> Iterable[Neighbor]:
        return (row for row in self.mirror.rows.values() if isinstance(row, Neighbor))

    def told(self, changes: list[Change]) -> None:
        self.mirror.apply(changes)
        assert self.mirror.rows == by_key(self.table.snapshot())
        assert len(self.mirror.rows) == len(self.table.snapshot())
        for change in changes:
            assert self.table.row(change.key) == self.mirror.rows.get(change.key)
            if isinstance(change.new, Neighbor):
                old = change.old if isinstance(change.old, Neighbor) else None
                self.check_times(old, change.new)
                self.check_pace(change)
                self.check_presence(change.new)

    def check_times(self, old: Neighbor | None, new: Neighbor) -> None:
        assert new.readings.last_heard_ns <= self.now
        assert new.first_heard_ns <= new.since_ns <= self.now
        if old is None:
            assert new.first_heard_ns == new.since_ns == self.now
        else:
            assert new.first_heard_ns == old.first_heard_ns
            assert new.since_ns >= old.since_ns
            assert new.readings.last_heard_ns >= old.readings.last_heard_ns
            assert old.presence == new.presence or new.since_ns == self.now

    def check_pace(self, change: Change) -> None:
        assert change.news or self.now - self.told_ns[change.key] >= PACE_NS
        self.told_ns[change.key] = self.now

    def check_presence(self, row: Neighbor) -> None:
        if row.presence is not Presence.HEARD:
            assert row.plink is Plink.ESTAB or (row.plink is None and row.ifindex not in self.mesh)
            silence_ns = self.seen[row.key].station.inactive_ms * MS - self.deaf_ns
            assert silence_ns <= DEPARTED_AFTER_NS
            assert silence_ns <= QUIET_AFTER_NS or row.presence is Presence.QUIET


TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@LAWS
@given(HISTORIES)
def test_ticking_more_often_changes_nothing(history: list[Step]) -> None:
    """The same changes in the same order, however often and whenever somebody ticked between
    two observations, except while we were deaf without knowing it."""
    seldom, often = Told(history), Told(history, ticking=True)
    assert seldom.changes == often.changes
    end = seldom.now + 60 * SECOND
    seldom.tick(end)
    for now in range(often.now, end + 1, 400 * MS):
        often.tick(now)
    often.tick(end)
    assert seldom.changes == often.changes
    assert seldom.table.snapshot() == often.table.snapshot()


@LAWS
@given(HISTORIES)
def test_nothing_changes_before_the_deadline_and_something_does_at_it(history: list[Step]) -> None:
    told = Told(history)
    for _ in range(20):
        due = told.table.deadline()
        if due is None:
            assert told.tick(told.now + 3600 * SECOND) == []
            return
        assert due > told.now
        assert told.tick(due - 1) == []
        assert told.table.deadline() == due
        assert told.tick(due) != []
        told.now = due
    raise AssertionError("time alone does not go on changing things for ever")


@LAWS
@given(
    HISTORIES,
    GAP_MS,
    st.tuples(
        st.lists(NL80211, max_size=4),
        st.lists(RTNETLINK, max_size=3),
        st.lists(THIRD, max_size=2),
    ),
    st.randoms(use_true_random=False),
)
def test_observations_of_one_instant_from_different_sources_commute(
    history: list[Step],
    gap_ms: int,
    instant: tuple[list[Observation], ...],
    random: Random,
) -> None:
    """Each source keeps its own order. Readings may wait their second in one order and not in
    the other, news never; and what the kernel removes is said last."""
    order = [number for number, source in enumerate(instant) for _ in source]
    tables = []
    for _ in range(2):
        told = Told(history)
        told.now += gap_ms * MS
        remaining = [iter(source) for source in instant]
        for number in order:
            told.observe(next(remaining[number]))
        news = {key: without_readings(row) for key, row in by_key(told.table.snapshot()).items()}
        told.tick(told.now + PACE_NS)
        tables.append((news, told.table.snapshot(), told.table.ready))
        random.shuffle(order)
    assert tables[0] == tables[1]


@LAWS
@given(HISTORIES, st.lists(st.integers(-5000, 0), min_size=30, max_size=30))
def test_time_never_runs_backwards(history: list[Step], errors_ms: list[int]) -> None:
    """A time before the latest known one counts as that one."""
    table, straight = Table(), Table()
    now, latest = SECOND, 0
    for step, error_ms in zip(history, errors_ms, strict=False):
        now += step.gap_ms * MS
        said = now + error_ms * MS
        latest = max(latest, said)
        observed = step.observed or Deaf("nl80211", now - SECOND)
        assert table.observe(observed, said) == straight.observe(observed, latest)
        assert table.tick(said - SECOND) == []
    assert table.snapshot() == straight.snapshot()


@LAWS
@given(st.lists(st.tuples(GAP_MS, INACTIVE_MS, st.sampled_from(Plink)), max_size=20))
def test_presence_is_estab_and_measured_silence(looks: list[tuple[int, int, Plink]]) -> None:
    """With every look a true one (no sign of life between two looks is unsaid by the second)."""
    table, now = Table(), SECOND
    table.observe(InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, ""), now)
    inactive_ms, rows = 0, list[tuple[int, Row | None]]()
    for gap_ms, life_ms, plink in looks:
        now += gap_ms * MS
        # Either nothing was heard in the gap, or the last sign of life came within it.
        inactive_ms = life_ms if life_ms < gap_ms else inactive_ms + gap_ms
        seen = StationSeen(3, ADDRESSES[0], station(plink, inactive_ms=inactive_ms))
        table.observe(seen, now)
        row = table.row(Key("neighbor", 3, ADDRESSES[0]))
        silence_ns = inactive_ms * MS
        expected = (
            None
            if silence_ns > DEPARTED_AFTER_NS
            else Presence.HEARD
            if plink is not Plink.ESTAB
            else Presence.QUIET
            if silence_ns > QUIET_AFTER_NS
            else Presence.PRESENT
        )
        assert (row.presence if isinstance(row, Neighbor) else None) == expected
        rows.append((now - silence_ns, row))
    for (life_before, before), (life_after, after) in pairwise(rows):
        if before is None and after is not None:
            assert life_after > life_before, "it came back without a sign of life"
