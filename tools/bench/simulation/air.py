"""What the air loses of the frames that go one way."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Protocol

MS = 1_000_000  # ns
TU_NS = 1_024_000


class Way(Protocol):
    """One direction between two radios."""

    def loses(self, now_ns: int) -> bool:
        """Whether a frame sent at this time is lost; times ascend."""


class Independent:
    """Each frame is lost or not, whatever became of the one before."""

    def __init__(self, loss: float, random: Random) -> None:
        self._loss = loss
        self._random = random

    def loses(self, now_ns: int) -> bool:
        return self._random.random() < self._loss


class Bursty:
    """Gilbert's two states in continuous time: the good one loses nothing, the bad one all.

    ``share``: of the time that is bad. ``memory_ns``: in this time the state is forgotten to
    1/e, so that frames a millisecond apart share a fate and beacons may not.
    """

    def __init__(self, share: float, memory_ns: float, random: Random) -> None:
        self._share = share
        self._memory_ns = memory_ns
        self._random = random
        self._bad = random.random() < share
        self._state_ns = 0

    def loses(self, now_ns: int) -> bool:
        if now_ns > self._state_ns:
            stay = exp((self._state_ns - now_ns) / self._memory_ns)
            bad = self._share * (1 - stay) + (stay if self._bad else 0)
            self._bad = self._random.random() < bad
            self._state_ns = now_ns
        return self._bad


@dataclass(frozen=True)
class Air:
    """A kind of loss, the same both ways, but each for itself.

    ``burst_beacons``: how many beacons of a neighbor get lost together, in the mean;
    ``burst_ms``: how long the bad state lasts, in the mean. Neither: frames are independent.
    """

    loss: float
    burst_beacons: int | None = None
    burst_ms: int | None = None

    def __str__(self) -> str:
        if self.burst_beacons:
            return f"{self.loss:g} x{self.burst_beacons}"
        return f"{self.loss:g} {self.burst_ms}ms" if self.burst_ms else f"{self.loss:g}"

    @property
    def is_independent(self) -> bool:
        """Whether no frame's fate says anything of the next one's."""
        return self.burst_beacons is None and self.burst_ms is None

    def bad_ns(self, interval_ns: int) -> float | None:
        """The mean length of the bad state, for beacons of this interval."""
        if self.burst_ms:
            return self.burst_ms * MS
        if self.burst_beacons is None:
            return None
        # The next beacon shares the fate of this one with probability 1 - 1/n.
        stay = (1 - 1 / self.burst_beacons - self.loss) / (1 - self.loss)
        return -interval_ns / log(stay) / (1 - self.loss)

    def way(self, interval_ns: int, random: Random) -> Way:
        """One direction of it."""
        bad_ns = self.bad_ns(interval_ns)
        if bad_ns is None:
            return Independent(self.loss, random)
        return Bursty(self.loss, bad_ns * (1 - self.loss), random)

    def states(self, interval_ns: int) -> str:
        """The two states in words."""
        bad_ns = self.bad_ns(interval_ns)
        if bad_ns is None:
            return f"each frame lost with {self.loss:g}"
        good_s, bad_s = bad_ns * (1 / self.loss - 1) / 1e9, bad_ns / 1e9
        return f"good (loses nothing) for {good_s:.3g} s, bad (loses all) for {bad_s:.3g} s"
