"""A neighbor's radio: its beacons, and what it answers when it is asked."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tools.bench.simulation.air import MS
from tools.bench.simulation.setting import Setting
from tools.bench.simulation.station import Entry

JITTER_NS = 3 * MS  # a beacon waits for the medium


class Radio:
    """Our own; while it is on another channel, or off, it neither hears nor is heard."""

    def __init__(self) -> None:
        self._deaf_ns = range(0)

    def leave(self, since_ns: int, until_ns: int) -> None:
        """It is away for so long; what it heard before stays heard."""
        self._deaf_ns = range(since_ns, until_ns)

    def is_away(self, at_ns: int) -> bool:
        """Whether it was away then, in its latest absence."""
        return at_ns in self._deaf_ns


class Exchange(NamedTuple):
    """A unicast frame with its retries: whether it was acknowledged, and when it was over."""

    acknowledged: bool
    ended_ns: int
    tries: int


class Neighbor:
    """One neighbor, established with us; ``gone`` when nothing comes from it any more.

    ``asleep``: it sends its beacons and answers nothing between them.
    """

    def __init__(
        self, address: str, setting: Setting, radio: Radio, random: Random, now_ns: int
    ) -> None:
        self.address = address
        self.entry = Entry(now_ns)
        self._interval_ns = setting.interval_ns
        self.gone = False
        self.asleep = False
        self.missed = 0  # beacons since the last that was heard
        self._radio = radio
        self._random = random
        self._in = setting.air.way(setting.interval_ns, random)
        self._out = setting.air.way(setting.interval_ns, random)
        self._target_ns = now_ns + random.randrange(setting.interval_ns)
        self.beacon_ns = self._target_ns  # when it sends the next

    def beacon(self) -> int | None:
        """It sends its next beacon: when that was heard, if it was."""
        sent_ns = self.beacon_ns
        self._target_ns += self._interval_ns
        self.beacon_ns = self._target_ns + int(JITTER_NS * self._random.random())
        if self._in.loses(sent_ns) or self.gone or self._radio.is_away(sent_ns):
            self.missed += 1
            return None
        self.missed = 0
        self.entry.received(sent_ns)
        return sent_ns

    def frame(self, now_ns: int) -> None:
        """It sends something else, once."""
        if not (self._in.loses(now_ns) or self.gone or self._radio.is_away(now_ns)):
            self.entry.received(now_ns)

    def beacons(self, until_ns: int) -> None:
        """It sends all that are due."""
        while self.beacon_ns <= until_ns:
            self.beacon()

    def exchange(self, now_ns: int, tries: int, lucky: bool = True) -> Exchange:
        """We send it a unicast frame, up to so many times until an acknowledgment comes, which
        without luck it never does."""
        for number in range(1, tries + 1):
            now_ns += MS + int(MS * self._random.random())
            if lucky and self._reaches(now_ns) and not self._in.loses(now_ns):
                self.entry.sent(now_ns, number, True)
                return Exchange(True, now_ns, number)
        self.entry.sent(now_ns, tries, False)
        return Exchange(False, now_ns, tries)

    def replies(self, now_ns: int, tries: int) -> bool:
        """We send it a broadcast frame that draws a unicast one, as a path request does: whether
        that came. A broadcast frame is sent once."""
        if not self._reaches(now_ns):
            return False
        for _ in range(tries):
            now_ns += MS + int(MS * self._random.random())
            if not self._in.loses(now_ns):
                self.entry.received(now_ns)
                return True
        return False

    def _reaches(self, now_ns: int) -> bool:
        lost = self._out.loses(now_ns)
        return not (lost or self.gone or self.asleep or self._radio.is_away(now_ns))
