"""The laws of the table, for any history."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from meshwatch.entry import PACE_NS
from meshwatch.model import Change, InterfaceType, Key, Neighbor, Plink, Presence, Row
from meshwatch.observations import (
    Deaf,
    InterfaceSeen,
    InterfacesSwept,
    Observation,
    StationSeen,
    StationsSwept,
)
from meshwatch.patience import DEPARTED_LEAST, MOST_MISSED, QUIET_LEAST
from meshwatch.table import Table
from tests.pure.histories import (
    ADDRESSES,
    GAP_MS,
    HEARD,
    HISTORIES,
    INACTIVE_MS,
    MESHES,
    NL80211,
    RTNETLINK,
    STEPS,
    THIRD,
    Step,
    Told,
)
from tests.pure.scenarios import MS, SECOND, Mirror, by_key, station, without_readings

BEACON_NS = 1024 * MS
LAWS = settings(max_examples=80, deadline=None)


class Watched(RuleBasedStateMachine):
    """A mirror equals the snapshot; rows are sane; and what must never be published is not."""

    def __init__(self) -> None:
        super().__init__()
        self.now = SECOND
        self.table = Table()
        self.mirror = Mirror()
        self.told_ns: dict[Key, int] = {}
        self.deaf_ns = 0
        self.life_ns: dict[Key, int] = {}
        self.silence_ns: dict[Key, int] = {}  # at the last look
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
            changes = self.table.tick(due)
            assert changes or self.table.questions()
            self.told(changes)
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
            case StationSeen(ifindex, address, station):
                key = Key("neighbor", ifindex, address)
                life_ns = self.now - station.inactive_ms * MS
                self.life_ns[key] = max(life_ns, self.life_ns.get(key, 0))
                self.silence_ns[key] = self.now - self.life_ns[key]
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
            silence_ns = self.silence_ns[row.key] - self.deaf_ns
            assert silence_ns < (MOST_MISSED + 1) * BEACON_NS
            assert silence_ns < MOST_MISSED * BEACON_NS or row.presence is Presence.QUIET


TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@LAWS
@given(HISTORIES)
def test_ticking_more_often_changes_nothing(history: list[Step]) -> None:
    """The same changes in the same order, however often and whenever somebody ticked between
    two observations, except while we were deaf without knowing it."""
    seldom, often = Told(history), Told(history, ticking=True)
    assert seldom.changes == often.changes
    assert seldom.deadlines == often.deadlines
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
    told.table.questions()
    for _ in range(20):
        due = told.table.deadline()
        if due is None:
            assert told.tick(told.now + 3600 * SECOND) == []
            return
        assert due >= told.now  # a question may be due at once
        if due > told.now:
            assert told.tick(due - 1) == []
            assert told.table.questions() == []
        assert told.table.deadline() == due
        assert told.tick(due) != [] or told.table.questions()
        told.now = due
    raise AssertionError("time alone does not go on changing things for ever")


@LAWS
@given(
    st.lists(STEPS, max_size=8).map(lambda steps: [*MESHES, *steps]),
    GAP_MS,
    st.tuples(
        st.lists(NL80211, min_size=1, max_size=4),
        st.lists(RTNETLINK, min_size=1, max_size=3),
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
    mixed = random.sample(order, len(order))
    tables = []
    for one_order in (order, order[::-1], mixed):
        told = Told(history)
        told.now += gap_ms * MS
        remaining = [iter(source) for source in instant]
        for number in one_order:
            told.observe(next(remaining[number]))
        news = {key: without_readings(row) for key, row in by_key(told.table.snapshot()).items()}
        told.tick(told.now + PACE_NS)
        tables.append((news, told.table.snapshot(), told.table.ready))
    assert tables[0] == tables[1] == tables[2]


@LAWS
@given(HISTORIES)
def test_a_row_that_is_not_drawn_again_would_be_the_same(history: list[Step]) -> None:
    kept, drawn = Told(history[:0]), Told(history[:0])
    for step in history:
        for told in (kept, drawn):
            told.now += step.gap_ms * MS
        for port in drawn.table._ports.values():
            for entry in port.entries.values():
                entry.features = None
        observed = step.observed or Deaf("nl80211", kept.now - step.gap_ms * MS)
        assert kept.observe(observed) == drawn.observe(observed)
    assert kept.table.snapshot() == drawn.table.snapshot()


@LAWS
@given(HISTORIES, st.lists(st.integers(-5000, 0), min_size=1, max_size=5))
def test_time_never_runs_backwards(history: list[Step], errors_ms: list[int]) -> None:
    """A time before the latest known one counts as that one."""
    table, straight = Table(), Table()
    now, latest = SECOND, 0
    for step, error_ms in zip(history, cycle(errors_ms), strict=False):
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
        presence = row.presence if isinstance(row, Neighbor) else None
        if silence_ns >= (MOST_MISSED + 1) * BEACON_NS:
            assert presence is None
        elif silence_ns < DEPARTED_LEAST * BEACON_NS:
            assert presence is not None
        if isinstance(row, Neighbor) and not row.bouncing:
            assert (presence is Presence.HEARD) == (plink is not Plink.ESTAB)
        if silence_ns < QUIET_LEAST * BEACON_NS:
            assert presence is not Presence.QUIET
        rows.append((now - silence_ns, row))
    for (life_before, before), (life_after, after) in pairwise(rows):
        if before is None and after is not None:
            assert life_after > life_before, "it came back without a sign of life"
