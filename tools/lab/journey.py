"""Two who chat meet over the radio, part in the middle of writing, and meet again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.lab.facts import AWAY_S, PATIENCE_S, after, pause, tell
from tools.lab.news import REMOVED, News, named, of
from tools.lab.person import brings, shows
from tools.lab.radio import Station
from tools.lab.server import Server

APART_S = 0.1  # between two messages
# Of each side and departure: in the moment itself, before anybody can know of it, and after.
EDGE, BLIND, KNOWN = 2, 5, 5
BEFORE = "before everything was switched off"
REFUSED = "differs from the pinned one"


@dataclass
class Side:
    """One of them: a server, its radio, and what meshwatchd tells there, if there is one."""

    server: Server
    station: Station
    news: News | None = None
    sent: list[str] = field(default_factory=list)

    def say(self, to: Side, count: int) -> None:
        """Write so many messages that can be told apart from all others."""
        for _ in range(count):
            self.sent.append(f"{self.server.user} {len(self.sent) + 1}")
            self.server.person.say(to.server.jid, self.sent[-1])

    def told(self, other: Side, since: float, *presences: str) -> float | None:
        """How long after that the table told it of the other."""
        if self.news is None:
            return None
        return after(since, self.news.find, of(other.station.address, *presences))

    def named(self, other: Side, since: float) -> float | None:
        """How long after that the table told it by name."""
        if self.news is None:
            return None
        return after(since, self.news.find, named(other.station.address))

    def shown(
        self, other: Side, presence: str, since: float, seconds: float = PATIENCE_S
    ) -> float | None:
        """How long after that the other was shown so."""
        wanted = shows(other.server.jid, presence)
        return after(since, self.server.person.find, wanted, seconds)

    def read(self, body: str, since: float, seconds: float = PATIENCE_S) -> float | None:
        """How long after that the message came."""
        return after(since, self.server.person.find, brings(body), seconds)


class Journey:
    """One who stays and one who walks; each pair of times is of the one and the other."""

    def __init__(self, one: Side, other: Side) -> None:
        self.one, self.other = one, other
        self.watched = one.news is not None

    def _both(self, seen: Callable[[Side, Side], float | None]) -> list[float | None]:
        return [seen(self.one, self.other), seen(self.other, self.one)]

    def _link(self) -> tuple[float, float]:
        """They come into range for the first time: when, and when the link is established."""
        self.one.station.enter()
        self.other.station.enter()
        return time.monotonic(), self.one.station.linked(self.other.station.address, PATIENCE_S)

    def acquaint(self) -> None:
        """Two who want to be in touch, and have never met, meet."""
        self.one.server.person.subscribe(self.other.server.jid)
        self._tell_meeting("first meeting", *self._link(), PATIENCE_S)

    def befriend(self) -> None:
        """As they do where a request to somebody absent fails: when they are in touch."""
        self._link()
        since = time.monotonic()
        self.one.server.person.subscribe(self.other.server.jid)
        online = self._both(lambda me, them: me.shown(them, "available", since))
        tell("befriended", online_s=online)

    def meet_again(self, patience_s: float, cold_s: float = 0) -> None:
        """They have been apart, and their radios forgot each other.

        Cold: their servers were started so long ago, and one had written something before that.
        """
        left_at = time.monotonic()
        self.other.station.leave()
        if self.watched:
            self._both(lambda me, them: me.shown(them, "unavailable", left_at))
        if cold_s:
            self.one.server.person.say(self.other.server.jid, BEFORE)
            pause(AWAY_S)
            self._switch_off_and_on()
            pause(cold_s)
        for side in (self.one, self.other):
            side.station.join_anew()
        came_at, linked = self._link()
        self._tell_meeting("cold meeting" if cold_s else "meeting", came_at, linked, patience_s)
        if cold_s:
            tell("kept", read_s=self.other.read(BEFORE, linked, patience_s))

    def _switch_off_and_on(self) -> None:
        for side in (self.one, self.other):
            side.server.log_out()
            side.server.kill()
            kill_sockets = ("ss", "-K", "sport", "=", ":5269", "or", "dport", "=", ":5269")
            subprocess.run(side.station.inside(*kill_sockets), check=False, capture_output=True)
            side.server.start()
            assert side.server.person.jid == side.server.jid

    def _tell_meeting(self, fact: str, came_at: float, linked: float, patience_s: float) -> None:
        def since_linked(times: list[float | None]) -> list[float | None]:
            """The table may know before our own look, which takes its time."""
            return [None if t is None else t - (linked - came_at) for t in times]

        told = self._both(lambda me, them: me.told(them, came_at, "present"))
        tell(
            fact,
            link_s=linked - came_at,
            told_s=since_linked(told),
            named_s=since_linked(self._both(lambda me, them: me.named(them, came_at))),
            online_s=self._both(lambda me, them: me.shown(them, "available", linked, patience_s)),
        )

    def walk_away(self) -> None:
        """The other leaves while both write, and comes back when everybody knows."""
        for side, reader in ((self.one, self.other), (self.other, self.one)):
            side.say(reader, EDGE)
        self.other.station.leave()
        left_at = time.monotonic()
        self._write(BLIND)
        told = self._both(lambda me, them: me.told(them, left_at, REMOVED, "heard"))
        if self.watched:
            offline = self._both(lambda me, them: me.shown(them, "unavailable", left_at))
        else:
            pause(AWAY_S)
            offline = [None, None]
        self._write(KNOWN)
        self.other.station.enter()
        back_at = time.monotonic()
        read = self._both(lambda me, them: me.read(them.sent[-1], back_at))
        tell(
            "departure",
            apart=BLIND + KNOWN,
            told_s=told,
            offline_s=offline,
            away_s=back_at - left_at,
            back_told_s=self._both(lambda me, them: me.told(them, back_at, "present")),
            back_named_s=self._both(lambda me, them: me.named(them, back_at)),
            online_s=self._both(lambda me, them: me.shown(them, "available", back_at))
            if self.watched
            else [None, None],
            read_s=read,
        )

    def _write(self, count: int) -> None:
        for _ in range(count):
            self.one.say(self.other, 1)
            self.other.say(self.one, 1)
            pause(APART_S)

    def wait_for_notice(self, patience_s: float) -> None:
        """The other leaves for good; how long until that is shown to who writes."""
        self.other.station.leave()
        left_at = time.monotonic()
        self.one.server.person.say(self.other.server.jid, "are you still there?")
        shown = self.one.shown(self.other, "unavailable", left_at, patience_s)
        tell("notice", offline_s=shown, patience_s=patience_s)

    def count_messages(self) -> None:
        """What became of all that was written, when what comes twice had time to."""
        pause(AWAY_S)
        for writer, reader in ((self.one, self.other), (self.other, self.one)):
            tell(
                "messages",
                by=writer.server.user,
                sent=writer.sent,
                read=[
                    body
                    for body in reader.server.person.bodies()
                    if body.startswith(f"{writer.server.user} ")
                ],
                errors=[error["text"] for error in writer.server.person.errors()],
            )

    # ---- an impostor ---------------------------------------------------------------------------

    def refuse(self, false: Side, times: int) -> None:
        """While the other is away somebody comes with its domain; the last time, both come."""
        person = self.one.server.person
        left_at = time.monotonic()
        self.other.station.leave()
        self.one.shown(self.other, "unavailable", left_at)
        person.say(self.other.server.jid, "for the real one")
        false.server.person.say(self.one.server.jid, "believe me")
        refused = []
        for number in range(times):
            known = self._refusals()
            came_at = time.monotonic()
            false.station.enter()
            refused.append(self._refused_after(known, came_at))
            if number + 1 < times:
                gone_at = time.monotonic()
                false.station.leave()
                self.one.told(false, gone_at, REMOVED, "heard")
        back_at = time.monotonic()
        self.other.station.enter()
        tell(
            "impostor",
            refused_s=refused,
            read_s=self.other.read("for the real one", back_at),
            got=false.server.person.bodies(),
            believed="believe me" in person.bodies(),
            errors=[error["text"] for error in person.errors()],
        )

    def _refusals(self) -> int:
        return (self.one.server.home / "prosody.log").read_text(errors="replace").count(REFUSED)

    def _refused_after(self, known: int, since: float) -> float | None:
        deadline = since + PATIENCE_S
        while self._refusals() == known:
            if time.monotonic() > deadline:
                return None
            pause(0.02)
        return time.monotonic() - since

    def be_deceived(self, false: Side, patience_s: float) -> None:
        """The same where nobody pins: the impostor has the other's address, too."""
        self.other.station.leave()
        false.station.enter()
        came_at = time.monotonic()
        read: float | None = None
        while read is None and time.monotonic() < came_at + patience_s:
            self.one.server.person.say(self.other.server.jid, "for the real one")
            pause(AWAY_S)
            read = false.read("for the real one", came_at, 0)
        tell("deceived", read_s=read, patience_s=patience_s)
