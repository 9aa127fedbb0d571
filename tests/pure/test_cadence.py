"""The beacon interval of a neighbor, as claimed on the air and as learned from looks."""

from __future__ import annotations

from random import Random

import pytest

from meshwatch.cadence import DEFAULT_TU, TU_NS, Cadence

SECOND = 1_000_000_000


def learned(
    interval_tu: int, *, looks: int = 60, every_ns: int = SECOND, loss: float = 0.0, seed: int = 1
) -> Cadence:
    """After looks at a neighbor that sends nothing but beacons."""
    cadence, chance = Cadence(), Random(seed)
    sent = looks * every_ns // (interval_tu * TU_NS)
    beacons = [n for n in range(sent) if chance.random() > loss]
    for look in range(1, looks):
        heard = [n for n in beacons if n * interval_tu * TU_NS <= look * every_ns]
        if heard:
            # mac80211 counts in jiffies of 4 ms.
            life_ns = heard[-1] * interval_tu * TU_NS + chance.randrange(4_000_000)
            cadence.live(life_ns, len(heard))
    return cadence


@pytest.mark.parametrize("interval_tu", [100, 200, 250, 300, 400, 500, 1000])
@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_usual_interval_is_learned_from_looks(interval_tu: int, loss: float) -> None:
    """Or a multiple of it: looks a second apart see 1024 ms most of the time."""
    cadence = learned(interval_tu, loss=loss)
    assert cadence.tu == interval_tu if interval_tu in {100, 1000} else cadence.tu >= interval_tu
    assert cadence.known_tu in {cadence.tu, None}


@pytest.mark.parametrize("beacons_apart", [2, 4, 5, 10])
def test_looks_that_follow_the_beacons_do_not_make_the_interval_longer(beacons_apart: int) -> None:
    """As those an agent's pokes need, which come so long after the last beacon."""
    cadence = learned(100)
    start_ns = 61 * SECOND
    for look in range(100):
        beacon = look * beacons_apart
        cadence.live(start_ns + beacon * 100 * TU_NS, 1000 + 2 * beacon)  # as mac80211 counts
    assert cadence.tu == 100


def test_an_unusual_interval_is_not_taken_for_a_shorter_one() -> None:
    assert learned(777).tu == DEFAULT_TU


@pytest.mark.parametrize("every_ms", [250, 1000])
@pytest.mark.parametrize("frames_per_s", [5, 10, 50, 500])
@pytest.mark.parametrize("regular", [True, False])
def test_traffic_is_not_taken_for_beacons(every_ms: int, frames_per_s: int, regular: bool) -> None:
    cadence, chance = Cadence(), Random(frames_per_s)
    frames, now = 0, 0
    life_ns = 0
    for _ in range(2000):
        now += every_ms * 1_000_000
        frames += frames_per_s * every_ms // 1000 + every_ms // 1000
        gap_ns = SECOND // frames_per_s
        life_ns = max(life_ns, now - (now % gap_ns if regular else chance.randrange(gap_ns)))
        cadence.live(life_ns, frames)
        assert cadence.tu == DEFAULT_TU or regular, "learned from traffic"
    if frames_per_s > 10:
        assert cadence.tu == DEFAULT_TU


def test_a_neighbor_that_changes_its_interval_is_learned_anew() -> None:
    cadence = learned(100)
    start = 100 * SECOND
    for look in range(60):
        cadence.live(start + look * 1000 * TU_NS, 600 + look)
    assert cadence.tu == 1000


def test_the_largest_claim_of_the_last_minute_counts() -> None:
    cadence = Cadence()
    cadence.claim(1000, 0)
    for second in range(1, 60):
        cadence.claim(10, second * SECOND)  # forged, in between its own
    assert cadence.tu == 1000
    cadence.claim(100, 70 * SECOND)
    assert cadence.tu == 1000
    cadence.claim(100, 140 * SECOND)
    assert cadence.tu == 100


@pytest.mark.parametrize(("claimed", "taken"), [(0, 10), (1, 10), (65535, 10_000)])
def test_absurd_claims_are_bounded(claimed: int, taken: int) -> None:
    cadence = Cadence()
    cadence.claim(claimed, 0)
    assert cadence.tu == taken
