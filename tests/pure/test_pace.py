"""Looks at many stations are made less often: what a look costs, anybody on the air may raise."""

from __future__ import annotations

from itertools import pairwise

from meshwatch.pace import MS_NS, Pace


def looks_ms(pace: Pace, stations: int, until_ms: int, *hints_ms: int) -> list[int]:
    """When looks are made that show so many stations, if these hints come."""
    hints = list(hints_ms)
    times = []
    while (due := pace.due()) is not None and due <= until_ms * MS_NS:
        if hints and hints[0] * MS_NS <= due:
            pace.hint(hints.pop(0) * MS_NS)
            continue
        pace.take(due)
        pace.succeeded(stations)
        times.append(due // MS_NS)
    return times


def polled() -> Pace:
    pace = Pace(0)
    pace.period_ns = 1000 * MS_NS
    return pace


def test_few_are_looked_at_closely_however_often_something_happens() -> None:
    times = looks_ms(polled(), 25, 20_000, *range(2000, 3000, 10))
    assert min(b - a for a, b in pairwise(times)) == 40
    assert [time for time in times if 4000 <= time <= 5000] == [4040, 4290, 4540, 4790]


def test_many_are_looked_at_less_often_after_as_many_events() -> None:
    times = looks_ms(polled(), 500, 20_000, *range(2000, 3000, 2))
    assert min(b - a for a, b in pairwise(times)) == 500
    assert len([time for time in times if 2000 <= time < 3500]) == 3


def test_a_crowd_is_looked_at_every_second_all_the_same() -> None:
    times = looks_ms(polled(), 500, 60_000, 2000)
    assert max(b - a for a, b in pairwise(times)) < 1100


def test_a_crowd_that_is_gone_is_forgotten() -> None:
    pace = polled()
    looks_ms(pace, 500, 5000, 2000)
    looks_ms(pace, 10, 20_000)
    times = looks_ms(pace, 10, 25_000, 21_000)
    assert min(b - a for a, b in pairwise(times)) == 40
    assert times[-1] - times[-2] == 250


def test_regular_looks_wait_while_peering_goes_on_but_not_for_ever() -> None:
    pace = polled()
    looks_ms(pace, 25, 11_500)
    assert pace.due() == 12_000 * MS_NS
    pace.wait(11_950 * MS_NS)
    assert pace.due() == 12_150 * MS_NS
    for ms in range(11_960, 12_300, 10):
        pace.wait(ms * MS_NS)
    assert pace.due() == 12_200 * MS_NS
    pace.hint(12_000 * MS_NS)
    assert pace.due() == 12_010 * MS_NS
