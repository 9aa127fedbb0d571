"""Which single stations of one interface to look at between two dumps, and when.

* What the table wants to know is looked at at once. If it wants many, as it does where beacons are
  frequent and somebody pokes, a dump costs less, and answers what it would want next; but not
  right after another, when only this one neighbor is of interest.
* A peering frame is worth several looks: a tap hears it before mac80211 has handled it (the
  frame is cloned to monitor interfaces first, net/mac80211/rx.c, and then queued for a worker),
  so that a look some milliseconds after a Close may still find the link established; and the
  timers of peering are 100 ms.
* Anybody can send frames in anybody's name, so there is a limit to looks in a second. Whoever
  wants more gets a dump, which answers all questions at once, and a second without glances.
"""

from __future__ import annotations

from meshwatch.pace import MS_NS

PEERING_NS = tuple(ms * MS_NS for ms in (0, 5, 20, 35, 60, 150, 350))
SPAN_NS = 1000 * MS_NS
GLANCES_PER_SPAN = 25
WISHES_PER_SPAN = 20
FRESH_NS = 100 * MS_NS  # a dump


class Glances:
    """The looks that are due, by address."""

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {}  # ascending
        self._taken: list[int] = []  # in the last span
        self._wishes: list[int] = []  # the same, of the table
        self._rests_until_ns: int | None = None

    def wish(self, address: str, now: int, dumped_ns: int | None) -> bool:
        """Look at this station at once; False: at all, rather, as was done at ``dumped_ns``."""
        self._wishes = [time for time in self._wishes if time > now - SPAN_NS] + [now]
        fresh = dumped_ns is not None and now - dumped_ns < FRESH_NS
        if self.rests(now) or (len(self._wishes) > WISHES_PER_SPAN and not fresh):
            return False
        return self.want(address, now)

    def want(self, address: str, now: int, after_ns: tuple[int, ...] = (0,)) -> bool:
        """Look at this station so long after ``now``, instead of what was wanted of it later;
        False: they were too many of late."""
        if self.rests(now):
            return False
        wanted = {now + ns for ns in after_ns}
        if len(after_ns) == 1:  # one more look does not end a burst
            wanted.update(self._times.get(address, ()))
        self._times[address] = sorted(wanted)
        return True

    def due(self) -> int | None:
        """When to look next."""
        return min((times[0] for times in self._times.values()), default=None)

    def take(self, now: int) -> list[str] | None:
        """Whom to look at now; None: they were too many, only a dump helps."""
        due = [address for address, times in self._times.items() if times[0] <= now]
        if not due:
            return due
        self._taken = [time for time in self._taken if time > now - SPAN_NS] + [now] * len(due)
        if len(self._taken) > GLANCES_PER_SPAN:
            self._times.clear()
            self._taken.clear()
            self._rests_until_ns = now + SPAN_NS
            return None
        for address in due:
            later = [time for time in self._times.pop(address) if time > now]
            if later:
                self._times[address] = later
        return due

    def rests(self, now: int) -> bool:
        """They were too many."""
        return self._rests_until_ns is not None and now < self._rests_until_ns
