"""Somebody walks out of radio range and comes back: what becomes of letters, and on a roster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tools.lab.facts import AWAY_S, PATIENCE_S, after, pause, tell
from tools.lab.listening import Event, Listener
from tools.lab.mailer import Laptop
from tools.lab.news import REMOVED, News, of
from tools.lab.radio import Station

# Of each departure: in the moment itself, and before anybody can know of it. One more waits.
EDGE, BLIND = 1, 2
# The hook has the queue run once more after ten seconds.
TWICE_S = 15.0
Times = dict[str, float | None]


class Absence:
    """One who stays, writes letters and looks at rosters, and one who walks and reads them.

    Rosters say ``sign``: "+" when the walker came, "-" when she went.
    """

    def __init__(
        self,
        here: tuple[Station, Laptop],
        there: tuple[Station, Laptop],
        rosters: Mapping[str, Listener],
        news: News | None,
        patience_s: float,
    ) -> None:
        self._here, self._writer = here
        self._there, self._reader = there
        self._rosters = rosters
        self._news = news
        # What works is given the time that it takes; what may never happen, as much as was asked.
        self._patience_s = PATIENCE_S if news else patience_s
        self._mailbox = self._reader.mailbox()
        self._sent: list[str] = []

    # ---- what is done --------------------------------------------------------------------------

    def _write(self, count: int = 1, *options: str) -> None:
        for _ in range(count):
            self._sent.append(f"letter {len(self._sent) + 1}")
            self._writer.write(self._reader.user, self._sent[-1], *options)

    def _write_what_waits(self) -> str:
        """A letter that exim4 has tried in vain to deliver; its subject."""
        self._write(1, "-odi")  # returns when it was tried
        return self._sent[-1]

    def meet(self) -> None:
        """Their radios do not know each other, and somebody has written."""
        waiting = self._write_what_waits()
        self._here.enter()
        self._there.enter()
        came_at = time.monotonic()
        linked = self._here.linked(self._there.address, PATIENCE_S)
        told_s = self._told(came_at, "present")
        tell(
            "meeting",
            link_s=linked - came_at,
            told_s=None if told_s is None else told_s - (linked - came_at),
            **self._shown("+", linked),
            read_s=self._read(waiting, linked),
        )

    def meet_again(self) -> None:
        """They have been apart for so long that their radios forgot each other."""
        left_at = time.monotonic()
        self._there.leave()
        self._told(left_at, REMOVED, "heard")
        self._shown("-", left_at)
        for station in (self._here, self._there):
            station.leave()
            station.join_anew()
        self.meet()

    def walk(self, long: bool) -> None:
        """The other leaves while letters are written, and comes back when everybody knows.

        After a long absence a letter waits; after a short one exim4 is still trying.
        """
        self._write(EDGE)
        self._there.leave()
        left_at = time.monotonic()
        self._write(BLIND)
        if self._news is None:
            pause(AWAY_S)
        told_s = self._told(left_at, REMOVED, "heard")
        hidden = self._shown("-", left_at)
        tell("departure", told_s=told_s, **hidden)
        if long:
            self._forget()
            last = self._write_what_waits()
        else:
            self._write()
            last = self._sent[-1]
        self._there.enter()
        back_at = time.monotonic()
        tell(
            "return",
            long=long,
            away_s=back_at - left_at,
            told_s=self._told(back_at, "present"),
            # Whoever was never missing does not come back.
            **(self._shown("+", back_at) if any(hidden.values()) else hidden),
            read_s=self._read(last, back_at),
            all_s=self._all_read(back_at),
        )

    def _forget(self) -> None:
        """The kernel forgets who was reachable, which takes it a minute: until then it sends to
        where she was, and nobody is told that nothing arrives."""
        self._here.run("ip", "-6", "neighbor", "flush", "dev", "mesh0")

    def count_letters(self) -> None:
        """What became of all that was written, when what comes twice had time to."""
        pause(TWICE_S)
        tell("letters", sent=self._sent, read=[each["subject"] for each in self._mailbox.events])

    # ---- what came of it -----------------------------------------------------------------------

    def _told(self, since: float, *presences: str) -> float | None:
        if self._news is None:
            return None
        return after(since, self._news.find, of(self._there.address, *presences))

    def _shown(self, sign: str, since: float) -> Times:
        return {
            name: after(since, roster.find, lambda e: e["sign"] == sign, self._patience_s)
            for name, roster in self._rosters.items()
        }

    def _read(self, subject: str, since: float) -> float | None:
        return after(since, self._mailbox.find, _is(subject), self._patience_s)

    def _all_read(self, since: float) -> float | None:
        """How long after that the last of all letters came."""
        by = since + self._patience_s
        read = [after(0, self._mailbox.find, _is(subject), by) for subject in self._sent]
        came = [at for at in read if at is not None]
        return max(came) - since if len(came) == len(read) else None


def _is(subject: str) -> Callable[[Event], bool]:
    return lambda letter: letter["subject"] == subject
