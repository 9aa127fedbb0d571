"""Measuring idle links: a few frames, rarely."""

from __future__ import annotations

import errno
from itertools import pairwise

from meshwatch.model import Plink
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import ProbeAnswered
from tests.pure.kernel_bytes import A, B
from tests.pure.nl80211_turns import Kernel, settled

IDLE_MS = 600_000


def kernel(*, measure: bool = True, measured: bool = True) -> Kernel:
    """A and B are established, heard at every look, and nothing is under way."""
    talk = Kernel(settled(A, B, nl80211=Nl80211(measure=measure)), A, B)
    for entry in talk.entries.values():
        entry.measured = measured
    return talk


def run(talk: Kernel, until_ms: int) -> None:
    """Time passes; whoever is in reach is heard every second."""
    for ms in range(round(talk.turns.now_ms) + 1000, until_ms + 1, 1000):
        for entry in talk.entries.values():
            if entry.in_reach:
                entry.heard_ms = max(entry.heard_ms, ms - 1000)
        talk.run(ms)


def bursts(talk: Kernel, address: str) -> list[float]:
    """When a measurement of this link began; each has six frames 100 ms apart."""
    times = [ms for ms, to in talk.frames_ms if to == address]
    begun = times[::6]
    assert times == [ms + 100 * number for ms in begun for number in range(6)]
    return begun


def test_a_link_that_was_never_measured_is_measured_soon() -> None:
    talk = kernel(measured=False)
    run(talk, 30_000)
    (first,), (second,) = bursts(talk, A), bursts(talk, B)
    assert first <= 1000
    assert 10_000 <= second - first <= 11_000  # one after the other
    assert {len(frame) for frame in talk.frames} == {200}
    assert not [o for o in talk.seen if isinstance(o, ProbeAnswered)]
    assert talk.looks_ms == []


def test_an_idle_link_is_measured_every_ten_minutes() -> None:
    talk = kernel(measured=False)
    run(talk, 2000)
    talk.entries[A].measured = talk.entries[B].measured = True
    run(talk, 4 * IDLE_MS)
    for address in (A, B):
        times = bursts(talk, address)
        assert len(times) == 4
        assert min(b - a for a, b in pairwise(times)) >= IDLE_MS


def test_traffic_measures_by_itself() -> None:
    talk = kernel()
    for ms in range(60_000, 2 * IDLE_MS, 60_000):
        talk.entries[A].tx_packets += 1
        run(talk, ms)
    assert bursts(talk, A) == []
    assert 1 <= len(bursts(talk, B)) <= 2


def test_frames_of_peering_measure_nothing() -> None:
    talk = kernel(measured=False)
    talk.entries[A].plink = Plink.OPN_SNT
    talk.entries[B].plink = Plink.LISTEN
    run(talk, 5000)
    assert talk.frames == []
    talk.entries[A].plink = talk.entries[B].plink = Plink.ESTAB
    run(talk, 8000)
    assert (len(bursts(talk, A)), bursts(talk, B)) == (1, [])
    talk.entries[B].tx_packets += 3
    run(talk, 20_000)
    assert len(bursts(talk, B)) == 1


def test_nobody_is_measured_who_is_silent() -> None:
    talk = kernel(measured=False)
    talk.entries[A].in_reach = False
    talk.entries[A].heard_ms = -10_000
    run(talk, 2 * IDLE_MS)
    assert bursts(talk, A) == []
    assert bursts(talk, B) != []


def test_it_measures_nothing_unless_told_to() -> None:
    talk = kernel(measure=False, measured=False)
    run(talk, IDLE_MS)
    assert talk.frames == []


def test_refused_it_stops() -> None:
    talk = kernel(measured=False)
    talk.refuses = errno.EPERM
    run(talk, 5000)
    assert talk.attempts == 1
    talk.refuses = 0
    run(talk, 2 * IDLE_MS)
    assert talk.frames == []


def test_whoever_comes_anew_is_measured_anew() -> None:
    talk = kernel(measured=False)
    run(talk, 30_000)
    gone = talk.entries.pop(A)
    run(talk, 32_000)
    talk.entries[A] = gone
    run(talk, 60_000)
    assert len(bursts(talk, A)) == 2
