"""Who is asked for its name when, and which answers count; no socket, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from meshwatch import names
from meshwatch.account import Account
from meshwatch.client import Neighbor, NeighborKey
from meshwatch.model import Presence
from meshwatch.poke import link_local
from meshwatch.protocol import claims
from meshwatch.services import SERVICES

S = 1_000_000_000
# The first frames over a new link get lost, its far end checks its address for duplicates for a
# second (RFC 4862, 5.4), and a machine that was just switched on starts its responder later.
TRIES = 11
FIRST_GAP_NS = 50_000_000  # doubles: the eleventh question goes out after 51 s
# A responder that just started knows its host's name before its services.
FOLLOW_UPS_NS = (2 * S, 10 * S)
# Answers to a simple resolver carry no more than 10 s (RFC 6762, 6.7), which says nothing of how
# long they hold: a claim does for an hour, and is made anew three times in that time.
LIFETIME_S = 3600
AGAIN_NS = LIFETIME_S * S // 3
BURST, PERIOD_NS = 24, 5 * S  # questions to a neighbor
BURST_OF_ALL, PERIOD_OF_ALL_NS = 100, 50_000_000
MOST_ANSWERS, MOST_RECORDS = 8, 128  # to one series of questions


CLAIMANT = "names"


class Drop(StrEnum):
    """Why nothing was made of a datagram."""

    UNASKED = "unasked"  # another identifier, or not from whom was asked
    UNREADABLE = "unreadable"
    TOO_MANY = "too many"


class Question(NamedTuple):
    """A datagram for the responder at an address, and the neighbor that is behind it."""

    neighbor: Neighbor
    ip: str
    datagram: bytes


class Source(NamedTuple):
    """Where a datagram came from; ``ifindex`` is the scope of the address: 0, if it has none."""

    ip: str
    port: int
    ifindex: int


class Learned(NamedTuple):
    """What a neighbor says of itself."""

    neighbor: Neighbor
    facts: names.Facts


class Elsewhere(NamedTuple):
    """The right answer from an address that nobody knows to be the neighbor's."""

    neighbor: Neighbor
    ip: str


class _Series:
    """One neighbor, and the questions it gets until it answers."""

    def __init__(self, neighbor: Neighbor) -> None:
        self.neighbor = neighbor
        self.due_ns: int | None = None
        self.answered = 0  # series of this life
        self.begin(neighbor, None)

    def begin(self, neighbor: Neighbor, now: int | None) -> None:
        """Ask from the beginning, at this time (None: not at all)."""
        self.neighbor = neighbor
        self.due_ns = now
        self.tries = 0
        self.asked: dict[int, str] = {}  # identifier: address
        self.answers = 0
        self.records: names.Records = ()
        self.elsewhere = False  # it answered from an address unknown to us


class Asking:
    """Questions for what the daemon tells, and facts of answers; ``now`` is in nanoseconds on
    CLOCK_MONOTONIC, ``identifier`` draws a number of 16 bits that nobody can guess.

    A neighbor is asked when it becomes present, is restarted, or gets another link-local address:
    at once, and again in growing gaps until it answers or has been asked :data:`TRIES` times. Then
    two and ten seconds after an answer, and every twenty minutes while it is present.
    """

    def __init__(self, identifier: Callable[[], int], services: Iterable[str] = SERVICES) -> None:
        self.dropped: Counter[Drop] = Counter()
        self._identifier = identifier
        self._services = tuple(dict.fromkeys(services))
        self._series: dict[NeighborKey, _Series] = {}
        self._asked: dict[int, NeighborKey] = {}
        # One that comes and goes keeps its account; a full one is as good as none.
        self._accounts: dict[NeighborKey, Account] = {}
        self._account_of_all = Account(BURST_OF_ALL, PERIOD_OF_ALL_NS)

    def told(self, neighbor: Neighbor, now: int) -> None:
        """The neighbor came, changed, or is there."""
        if neighbor.presence is Presence.HEARD:
            self.gone(neighbor)
            return
        series = self._series.get(_key(neighbor))
        if series is None:
            series = self._series[_key(neighbor)] = _Series(neighbor)
        elif _same_life(series.neighbor, neighbor):
            series.neighbor = neighbor
            return
        self._begin(series, neighbor, now if neighbor.presence is Presence.PRESENT else None)
        series.answered = 0

    def gone(self, neighbor: Neighbor) -> None:
        """The neighbor left the table, or lost its link."""
        series = self._series.pop(_key(neighbor), None)
        if series is not None:
            self._forget(series)

    def clear(self) -> None:
        """The daemon went away, and what was claimed with it."""
        self._series.clear()
        self._asked.clear()

    def due(self, now: int) -> list[Question]:
        """What is to be sent now; that counts as sent."""
        questions = []
        for key, series in self._series.items():
            if series.due_ns is None or series.due_ns > now:
                continue
            later = self._spend(key, now)
            if later is not None:
                series.due_ns = later
                continue
            questions.append(self._ask(key, series, now))
        return questions

    def deadline(self) -> int | None:
        """When somebody is due next, or None."""
        dues = (series.due_ns for series in self._series.values())
        return min((due for due in dues if due is not None), default=None)

    def received(self, datagram: bytes, source: Source, now: int) -> Learned | Elsewhere | None:
        """What an answer says together with those before it, or None if it was dropped.

        Avahi answers from a unique local address, if its interface has one. The kernel finds out
        whose that is as soon as something is sent there, and the daemon will tell: Elsewhere asks
        for that, once a series. The answer is dropped, for the next one may be taken.
        """
        identifier = names.identifier_of(datagram)
        key = None if identifier is None else self._asked.get(identifier)
        if identifier is None or key is None or not _is_responder(key, source):
            self.dropped[Drop.UNASKED] += 1
            return None
        series = self._series[key]
        if source.ip not in {*series.asked.values(), *addresses(series.neighbor)}:
            self.dropped[Drop.UNASKED] += 1
            if series.elsewhere or source.ifindex:
                return None
            series.elsewhere = True
            return Elsewhere(series.neighbor, source.ip)
        if series.answers >= MOST_ANSWERS:
            self.dropped[Drop.TOO_MANY] += 1
            return None
        series.answers += 1
        records = names.read(datagram)
        if records is None:
            self.dropped[Drop.UNREADABLE] += 1
            return None
        if not series.records and series.due_ns is not None:  # None: it fell silent meanwhile
            series.tries = 0
            series.due_ns = now + (*FOLLOW_UPS_NS, AGAIN_NS)[min(series.answered, 2)]
        series.answered += not series.records
        series.records = (series.records + records)[:MOST_RECORDS]
        facts = names.facts(series.records, self._services, series.asked[identifier])
        return Learned(series.neighbor, facts)

    def _ask(self, key: NeighborKey, series: _Series, now: int) -> Question:
        if not series.tries:
            self._begin(series, series.neighbor, now)
        # python-zeroconf ignores what it heard already less than a second ago: each try is new.
        identifier = self._identifier()
        while identifier in self._asked:
            identifier = (identifier + 1) & 0xFFFF
        ips = link_locals(series.neighbor)
        ip = ips[series.tries % len(ips)]
        series.asked[identifier] = ip
        self._asked[identifier] = key
        gap_ns = FIRST_GAP_NS << series.tries
        series.tries += 1
        if series.tries == TRIES:
            series.tries = 0
            gap_ns = AGAIN_NS
        series.due_ns = now + gap_ns
        return Question(series.neighbor, ip, names.question(identifier, self._services, ip))

    def _begin(self, series: _Series, neighbor: Neighbor, now: int | None) -> None:
        self._forget(series)
        series.begin(neighbor, now)

    def _forget(self, series: _Series) -> None:
        for identifier in series.asked:
            self._asked.pop(identifier, None)

    def _spend(self, key: NeighborKey, now: int) -> int | None:
        """Pay for a question; when there will be something to pay with, if there is not now."""
        known = self._accounts.items()
        self._accounts = {key: account for key, account in known if account.full_ns() > now}
        account = self._accounts.get(key) or Account(BURST, PERIOD_NS)
        ready_ns = max(account.ready_ns(), self._account_of_all.ready_ns())
        if ready_ns > now:
            return ready_ns
        account.spend(now)
        self._account_of_all.spend(now)
        self._accounts[key] = account
        return None


def claim(learned: Learned) -> bytes:
    """The datagram that tells the daemon; with as many services as fit into one."""
    neighbor, facts = learned
    services = [
        claims.Service(
            type=each.type,
            instance=each.instance,
            host=each.host,
            port=each.port,
            txt=dict(each.txt),
        )
        for each in facts.services
    ]
    while True:
        datagram = claims.encode(
            claims.Claim(
                interface=neighbor.interface,
                address=neighbor.address,
                claimant=CLAIMANT,
                name=facts.name,
                nick=facts.nick,
                jid=facts.jid,
                fingerprint=facts.fingerprint,
                services=tuple(services),
                lifetime_s=LIFETIME_S,
            )
        )
        if len(datagram) <= claims.MAX_CLAIM:
            return datagram
        if services[-1].txt:
            services[-1].txt.popitem()
        else:
            services.pop()


def addresses(neighbor: Neighbor) -> list[str]:
    """Where answers of the neighbor may come from, without scopes."""
    return [each.address.partition("%")[0] for each in neighbor.addresses]


def link_locals(neighbor: Neighbor) -> list[str]:
    """Where to ask the neighbor, best first, without scopes; never empty."""
    scoped = (each.address.partition("%") for each in neighbor.addresses)
    known = [ip for ip, scope, _ in scoped if scope]
    return known or [link_local(neighbor.address)]


def _is_responder(key: NeighborKey, source: Source) -> bool:
    """Whether this is one (RFC 6762, 6), on the neighbor's side."""
    return source.port == names.PORT and source.ifindex in {0, key.ifindex}


def _same_life(old: Neighbor, new: Neighbor) -> bool:
    """It did not go, return or start anew, and is where it was."""
    return (
        (old.presence, old.since_unix_ms, old.llid, old.plid)
        == (new.presence, new.since_unix_ms, new.llid, new.plid)
    ) and set(link_locals(old)) == set(link_locals(new))


def _key(neighbor: Neighbor) -> NeighborKey:
    return NeighborKey(neighbor.ifindex, neighbor.address)
