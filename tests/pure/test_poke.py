"""Who is poked when, by literal times; and the laws of the accounts for whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.client import Neighbor, Readings
from meshwatch.model import Presence, Proof, Proximity
from meshwatch.poke import BURST, BURST_OF_ALL, MOST_POKES, Schedule, gap_ns, link_local
from meshwatch.protocol import Evidence

MS = 10**6
S = 10**9


def neighbor(
    number: int = 1,
    presence: Presence = Presence.QUIET,
    *,
    proof: str | None = Proof.LOOK,
    proximity: str = Proximity.DIRECT,
    beacon_interval_tu: int | None = 1000,
    ifindex: int = 3,
) -> Neighbor:
    return Neighbor(
        ifindex=ifindex,
        interface="mesh0",
        address=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        presence=presence,
        reason="silent",
        since_unix_ms=0,
        first_heard_unix_ms=0,
        proximity=proximity,
        evidence=None if proof is None else Evidence(proof=proof),
        bouncing=False,
        readings=Readings(
            last_heard_unix_ms=0, reach="0000", beacon_interval_tu=beacon_interval_tu
        ),
    )


def present(number: int = 1) -> Neighbor:
    return neighbor(number, Presence.PRESENT)


def poked(schedule: Schedule, now: int) -> list[str]:
    """The last octets of whom is poked now."""
    return [each.address[-2:] for each in schedule.due(now)]


def drain(schedule: Schedule, now: int) -> tuple[int, int]:
    """Follow the deadlines to their end; how many pokes that were, and the time of the last."""
    count = 0
    while (deadline := schedule.deadline()) is not None:
        now = max(now, deadline)
        count += len(schedule.due(now))
    return count, now


def test_a_silence_is_poked_three_times_a_quarter_beacon_apart() -> None:
    schedule = Schedule()
    assert schedule.deadline() is None
    schedule.told(neighbor(), S)
    assert schedule.deadline() == S
    assert poked(schedule, S) == ["01"]
    assert schedule.deadline() == S + 250 * MS
    assert poked(schedule, S + 250 * MS - 1) == []
    assert poked(schedule, S + 250 * MS) == ["01"]
    assert poked(schedule, S + 500 * MS) == ["01"]
    assert schedule.deadline() is None
    assert poked(schedule, 100 * S) == []


@pytest.mark.parametrize(
    ("late_ms", "next_ms"), [(0, 250), (50, 250), (63, 250.5), (250, 437.5), (4000, 4187.5)]
)
def test_a_late_poke_brings_the_next_one_nearer_by_a_quarter_at_most(
    late_ms: int, next_ms: float
) -> None:
    schedule = Schedule()
    schedule.told(neighbor(), S)
    assert poked(schedule, S + late_ms * MS) == ["01"]
    assert schedule.deadline() == S + int(next_ms * MS)


@pytest.mark.parametrize(
    ("beacon_interval_tu", "gap_ms"), [(None, 40), (20, 40), (100, 40), (500, 128), (1000, 250)]
)
def test_the_gap(beacon_interval_tu: int | None, gap_ms: int) -> None:
    assert gap_ns(beacon_interval_tu) == gap_ms * MS


@pytest.mark.parametrize("over", [present(), neighbor(presence=Presence.HEARD), None])
def test_it_stops_when_the_silence_is_over(over: Neighbor | None) -> None:
    schedule = Schedule()
    schedule.told(neighbor(), S)
    assert poked(schedule, S) == ["01"]
    if over is None:
        schedule.gone(neighbor())
    else:
        schedule.told(over, S)
    assert schedule.deadline() is None
    assert poked(schedule, 2 * S) == []


def test_it_stops_when_the_daemon_is_gone() -> None:
    schedule = Schedule()
    schedule.told(neighbor(), S)
    schedule.clear()
    assert schedule.deadline() is None
    assert poked(schedule, S) == []


def test_one_silence_is_not_begun_twice() -> None:
    schedule = Schedule()
    for tick in range(10):
        schedule.told(neighbor(), S + tick)
    assert drain(schedule, S)[0] == MOST_POKES
    schedule.told(neighbor(), 1000 * S)
    assert schedule.deadline() is None


@pytest.mark.parametrize(
    "other",
    [
        neighbor(proof=None),
        neighbor(proof=Proof.PROBE),
        neighbor(proof=Proof.POKE),
        neighbor(proof=Proof.EVENT),
        neighbor(proof="a word of a later version"),
        neighbor(proximity=Proximity.MESH, proof=Proof.PATH),
        neighbor(proximity=Proximity.MESH),
        neighbor(proximity=Proximity.PROXIED),
        present(),
        neighbor(presence=Presence.HEARD),
    ],
)
def test_who_is_not_poked(other: Neighbor) -> None:
    schedule = Schedule()
    schedule.told(other, S)
    assert schedule.deadline() is None


def test_beacons_that_stopped_are_as_good_as_a_look() -> None:
    schedule = Schedule()
    schedule.told(neighbor(proof=Proof.BEACON), S)
    assert poked(schedule, S) == ["01"]


def test_the_account_of_a_neighbor_outlives_its_row() -> None:
    schedule = Schedule()
    schedule.told(neighbor(), S)
    assert drain(schedule, S) == (BURST, S + 500 * MS)
    schedule.gone(neighbor())
    schedule.told(neighbor(), 10 * S)
    assert drain(schedule, 10 * S)[0] == 0
    schedule.told(present(), 11 * S)
    schedule.told(neighbor(), 61 * S)
    assert drain(schedule, 61 * S)[0] == 1
    schedule.told(present(), 62 * S)
    schedule.told(neighbor(), 300 * S)
    assert drain(schedule, 300 * S)[0] == BURST


def test_an_empty_account_is_not_waited_for() -> None:
    schedule = Schedule()
    for number in range(BURST_OF_ALL + 1):
        schedule.told(neighbor(number), S)
    assert len(schedule.due(S)) == BURST_OF_ALL
    count, _ = drain(schedule, S)
    assert count == 0
    assert poked(schedule, 100 * S) == []


def test_the_same_address_on_two_interfaces_is_two_neighbors() -> None:
    schedule = Schedule()
    schedule.told(neighbor(ifindex=3), S)
    schedule.told(neighbor(ifindex=4), S)
    assert [each.ifindex for each in schedule.due(S)] == [3, 4]
    schedule.gone(neighbor(ifindex=3))
    assert [each.ifindex for each in schedule.due(2 * S)] == [4]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2 * S),
            st.integers(0, 40),
            st.sampled_from([Presence.QUIET, Presence.QUIET, Presence.PRESENT]),
        ),
        max_size=300,
    )
)
def test_no_history_overdraws_an_account(history: list[tuple[int, int, Presence]]) -> None:
    schedule = Schedule()
    now = S
    pokes: list[tuple[int, str]] = []
    for elapsed, number, presence in history:
        now += elapsed
        schedule.told(neighbor(number, presence), now)
        pokes += [(now, each.address) for each in schedule.due(now)]
    for names, burst, period_ns in (
        ({address for _, address in pokes}, BURST, 60 * S),
        ({""}, BURST_OF_ALL, S),
    ):
        for name in names:
            times = [time for time, address in pokes if name in ("", address)]
            for first, begin in enumerate(times):
                for count, end in enumerate(times[first:], 1):
                    assert count <= burst + (end - begin) // period_ns


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("34:56:78:9a:bc:de", "fe80::3656:78ff:fe9a:bcde"),
        ("02:00:00:00:01:00", "fe80::ff:fe00:100"),
        ("42:00:00:00:00:00", "fe80::4000:ff:fe00:0"),
    ],
)
def test_the_address_made_of_the_hardware_address(address: str, expected: str) -> None:
    """The first one is the example of RFC 2464, 4."""
    assert link_local(address) == expected
