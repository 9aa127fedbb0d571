"""Whether probes are worth asking for, by what became of the last ones."""

from __future__ import annotations

from meshwatch.means import Means, Probing
from tests.pure.scenarios import SECOND

MINUTE = 60 * SECOND


def trials(means: Means, until: int) -> list[int]:
    """When it is tried whether probes are answered, in s: never are they."""
    found = []
    for now in range(0, until, SECOND // 4):
        if means.wants_trial(now):
            means.asked(now)
            found.append(now // SECOND)
    return found


def test_without_a_tap_nothing_is_tried() -> None:
    assert trials(Means(), MINUTE) == []


def test_a_tap_is_tried_once_if_it_answers() -> None:
    means = Means()
    means.tapped = True
    assert means.wants_trial(0)
    means.asked(0)
    assert not means.wants_trial(SECOND // 2)
    means.answered()
    assert trials(means, MINUTE) == []
    assert means.probing(MINUTE) is Probing.GOOD


def test_a_tap_that_never_answers_is_tried_ever_less() -> None:
    means = Means()
    means.tapped = True
    tried = trials(means, 40 * MINUTE)
    assert tried == [0, 1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 1625, 2225]
    assert means.probing(40 * MINUTE) is Probing.NEVER


def test_a_hiccup_of_the_driver_is_soon_forgiven() -> None:
    means = Means()
    means.tapped = True
    means.asked(0)
    means.answered()
    for _ in range(3):  # to three neighbors, whose answers all got lost
        means.asked(MINUTE)
    assert means.probing(MINUTE) is Probing.NEVER
    assert means.probing(MINUTE + SECOND) is Probing.TRY
    assert means.wants_trial(MINUTE + SECOND)
    means.asked(MINUTE + SECOND)
    means.answered()
    assert means.probing(MINUTE + SECOND) is Probing.GOOD
    assert not means.wants_trial(2 * MINUTE)
