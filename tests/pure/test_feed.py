"""Snapshots and changes as subscribers get them, quick ones and slow ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from meshwatch.feed import Feed, Snapshot, Subscription
from meshwatch.model import Change, Key, Neighbor, Presence, Readings, Reason, Row
from tests.pure.scenarios import Mirror, by_key, without_readings

DEPTH = 4


class Board:
    """Rows that change at will, and the feed of their changes."""

    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}
        self.asked = 0
        self.feed = Feed(self.snapshot, DEPTH)

    def snapshot(self) -> tuple[Row, ...]:
        self.asked += 1
        return tuple(self.rows.values())

    def set(self, number: int, presence: Presence | None, heard: int = 0) -> list[Change]:
        """Put the row, or take it away."""
        address = f"02:00:00:00:00:{number:02x}"
        new: Neighbor | None = None
        if presence is not None:
            new = Neighbor(
                ifindex=1,
                interface="mesh0",
                address=address,
                presence=presence,
                reason=Reason.ESTABLISHED,
                since_ns=0,
                first_heard_ns=0,
                readings=Readings(last_heard_ns=heard),
            )
        key = Key("neighbor", 1, address)
        old = self.rows.pop(key, None)
        if new is not None:
            self.rows[key] = new
        if old == new:
            return []
        news = without_readings(old) != without_readings(new)
        return [Change(key, old, new, news, None if new else Reason.SILENT)]

    def publish(self, number: int, presence: Presence | None, heard: int = 0) -> None:
        self.feed.publish(self.set(number, presence, heard))


class Subscriber:
    """Counts how often it was woken, and believes what it takes."""

    def __init__(self, board: Board, *, readings: bool) -> None:
        self.readings = readings
        self.woken = 0
        self.waiting = not board.feed.is_open
        self.snapshots = 0
        self.mirror: Mirror | None = None
        self.subscription: Subscription = board.feed.subscribe(readings=readings, wake=self.wake)

    def wake(self) -> None:
        assert self.waiting, "woken although it had not taken everything"
        self.waiting = False
        self.woken += 1

    def take(self) -> Snapshot | Change | None:
        item = self.subscription.take()
        assert item is None or not self.waiting, "there was something, and it was not woken"
        self.waiting = item is None
        match item:
            case Snapshot(rows=rows):
                self.mirror = Mirror()
                self.mirror.rows = by_key(rows)
                self.snapshots += 1
            case Change():
                assert self.mirror is not None, "a change before the snapshot"
                if not self.readings:  # readings of theirs are as old as the last news
                    assert item.news
                    self.mirror.rows |= {item.key: item.old} if item.old else {}
                self.mirror.apply([item])
        return item

    def drain(self) -> None:
        while self.take() is not None:
            pass

    def agrees(self, board: Board) -> bool:
        assert self.mirror is not None
        view: Callable[[Row], Row | None] = (lambda row: row) if self.readings else without_readings
        theirs = {key: view(row) for key, row in self.mirror.rows.items()}
        return theirs == {key: view(row) for key, row in board.rows.items()}


class Feeding(RuleBasedStateMachine):
    """Any number of subscribers of either kind, reading as they like, before and after opening."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.subscribers: list[Subscriber] = []
        self.open = False

    @rule(readings=st.booleans())
    def subscribe(self, readings: bool) -> None:
        self.subscribers.append(Subscriber(self.board, readings=readings))

    @rule(
        states=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from([None, *Presence]), st.integers(0, 2)),
            max_size=DEPTH + 2,
        )
    )
    def publish(self, states: list[tuple[int, Presence | None, int]]) -> None:
        self.board.feed.publish([c for state in states for c in self.board.set(*state)])

    @rule()
    def open_feed(self) -> None:
        self.board.feed.open()
        self.open = True

    @precondition(lambda self: self.subscribers)
    @rule(data=st.data(), times=st.integers(1, 3))
    def take(self, data: st.DataObject, times: int) -> None:
        subscriber = data.draw(st.sampled_from(self.subscribers))
        for _ in range(times):
            assert subscriber.take() is None or self.open

    @precondition(lambda self: self.subscribers and self.open)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        subscriber = data.draw(st.sampled_from(self.subscribers))
        subscriber.drain()
        assert subscriber.agrees(self.board)

    @precondition(lambda self: self.subscribers)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        subscriber = data.draw(st.sampled_from(self.subscribers))
        self.subscribers.remove(subscriber)
        subscriber.subscription.close()
        assert subscriber.subscription.take() is None

    def teardown(self) -> None:
        if self.open:
            for subscriber in self.subscribers:
                subscriber.drain()
                assert subscriber.agrees(self.board)


TestFeeding = Feeding.TestCase
TestFeeding.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def opened() -> Board:
    board = Board()
    board.feed.open()
    return board


def test_a_snapshot_then_changes() -> None:
    board = opened()
    board.publish(1, Presence.PRESENT)
    one = Subscriber(board, readings=False)
    assert isinstance(one.take(), Snapshot)
    assert one.take() is None
    board.publish(1, None)
    change = one.take()
    assert isinstance(change, Change)
    assert change.new is None
    assert one.take() is None


def test_nothing_before_the_feed_is_open() -> None:
    board = Board()
    one = Subscriber(board, readings=False)
    board.publish(1, Presence.PRESENT)
    assert one.take() is None
    assert one.woken == 0
    board.feed.open()
    board.feed.open()
    assert one.woken == 1
    one.drain()
    assert (one.snapshots, one.agrees(board)) == (1, True)


def test_who_joins_an_open_feed_has_a_snapshot_and_is_not_woken_for_it() -> None:
    board = opened()
    one = Subscriber(board, readings=False)
    board.publish(1, Presence.PRESENT)
    assert one.woken == 0
    assert isinstance(one.take(), Snapshot)


def test_woken_once_for_any_number_of_changes() -> None:
    board = opened()
    one = Subscriber(board, readings=True)
    one.drain()
    board.publish(1, Presence.PRESENT)
    board.publish(1, Presence.PRESENT, heard=1)
    assert one.woken == 1
    one.take()  # not all of it
    board.publish(1, Presence.QUIET)
    assert one.woken == 1
    one.drain()
    board.publish(1, None)
    assert one.woken == 2


def test_readings_wake_nobody_who_did_not_ask() -> None:
    board = opened()
    board.publish(1, Presence.PRESENT)
    news, live = (Subscriber(board, readings=readings) for readings in (False, True))
    news.drain()
    live.drain()
    for heard in range(1, 3 * DEPTH):
        board.publish(1, Presence.PRESENT, heard)
    assert (news.woken, live.woken) == (0, 1)
    assert news.take() is None
    assert isinstance(live.take(), Snapshot)  # too slow
    assert live.take() is None


def test_who_is_too_slow_starts_over_with_a_snapshot() -> None:
    board = opened()
    one = Subscriber(board, readings=False)
    one.drain()
    for number in range(DEPTH):
        board.publish(number, Presence.PRESENT)
    one.drain()
    assert one.snapshots == 1
    for number in range(DEPTH + 1):
        board.publish(number, None if number < DEPTH else Presence.QUIET)
    assert isinstance(one.take(), Snapshot)
    assert one.take() is None
    assert one.agrees(board)


def test_a_snapshot_is_made_once_for_all_who_ask_between_two_changes() -> None:
    board = opened()
    for readings in (False, True, False):
        Subscriber(board, readings=readings).drain()
    assert board.asked == 1
    board.publish(1, Presence.PRESENT)
    Subscriber(board, readings=False).drain()
    assert board.asked == 2


def test_a_subscriber_may_take_and_close_and_subscribe_while_it_is_woken() -> None:
    board = opened()
    taken: list[object] = []

    def wake() -> None:
        taken.append(one.take())
        taken.append(one.take())
        other.subscription.close()
        board.feed.subscribe(readings=False, wake=lambda: None)

    one = board.feed.subscribe(readings=False, wake=wake)
    other = Subscriber(board, readings=False)
    assert isinstance(one.take(), Snapshot)
    assert one.take() is None
    other.drain()
    board.publish(1, Presence.PRESENT)
    board.publish(2, Presence.PRESENT)
    assert [type(item) for item in taken] == [Change, type(None)] * 2
    assert other.woken == 0


def test_a_closed_subscription_is_silent() -> None:
    board = opened()
    one = Subscriber(board, readings=False)
    one.drain()
    one.subscription.close()
    one.subscription.close()
    board.publish(1, Presence.PRESENT)
    assert (one.woken, one.take()) == (0, None)


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1, not 0"):
        Feed(lambda: (), 0)
