"""What local programs say of a neighbor: bounded in size and number, and never more than a hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from meshwatch.account import Account
from meshwatch.model import Service
from meshwatch.observations import ClaimMade, Poked, PokesPromised
from meshwatch.protocol import claims

BURST = 200  # datagrams
PERIOD_NS = 10_000_000  # 100 datagrams a second
_SECOND_NS = 1_000_000_000
COMPLAINT_NS = 60_000_000_000  # at most one complaint in this time


class Sender(NamedTuple):
    """Who sent a datagram, as the kernel says (SCM_CREDENTIALS, unix(7))."""

    pid: int
    uid: int  # 65534 for a user that the daemon's user namespace does not know


NOBODY = Sender(0, 65534)  # as the kernel names one whom it cannot name


class Drop(StrEnum):
    """Why nothing was made of a datagram."""

    MALFORMED = "malformed"
    UNKNOWN_CLASS = "of a class unknown here"
    UNKNOWN_INTERFACE = "about an interface unknown here"
    NOT_TAKEN = "about no neighbor, or more than is kept of one"
    TOO_MANY = "too many"


class _Head(Struct):
    class_: str = msgspec.field(name="class")


_head_decoder = msgspec.json.Decoder(_Head)
_CLASSES = frozenset(
    str(each.__struct_config__.tag) for each in (claims.Poked, claims.Poking, claims.Claim)
)
# What nests deeper than Python may call is no datagram of ours either.
_UNREADABLE = (ValueError, RecursionError)  # those of msgspec and of decoding are ValueErrors

Outcome = Poked | PokesPromised | ClaimMade


class Claims:
    """Makes observations of datagrams; ``ifindex_of`` knows our interfaces by name, ``takes``
    whether there is such a neighbor, and room for one more claim.

    All senders share one account: the sum is what costs the daemon time.
    """

    def __init__(
        self,
        ifindex_of: Callable[[str], int | None],
        takes: Callable[[ClaimMade], bool] = lambda _: True,
    ) -> None:
        self.dropped: Counter[Drop] = Counter()
        self._ifindex_of = ifindex_of
        self._takes = takes
        self._account = Account(BURST, PERIOD_NS)
        self._last = NOBODY  # whose datagram was dropped
        self._told: Counter[Drop] = Counter()
        self._told_ns: int | None = None

    def receive(self, data: bytes, sender: Sender, now: int) -> Outcome | None:
        """What one datagram says, or None if it was dropped and counted."""
        outcome: Outcome | Drop = Drop.TOO_MANY
        if self._account.ready_ns() <= now:
            self._account.spend(now)
            outcome = self._read(data, sender)
        if not isinstance(outcome, Drop):
            return outcome
        self.dropped[outcome] += 1
        self._last = sender
        return None

    def complaint(self, now: int) -> str | None:
        """What to log of drops not told yet; None if there is none, or it is too soon again."""
        untold = self.dropped - self._told
        if not untold or (self._told_ns is not None and now - self._told_ns < COMPLAINT_NS):
            return None
        self._told = self.dropped.copy()
        self._told_ns = now
        counts = ", ".join(f"{number} {drop}" for drop, number in untold.items())
        return f"dropped: {counts}; the last by process {self._last.pid} of user {self._last.uid}"

    def _read(self, data: bytes, sender: Sender) -> Outcome | Drop:
        try:
            claim = claims.decode(data)
        except _UNREADABLE:
            return _why(data)
        ifindex = self._ifindex_of(claim.interface)
        if ifindex is None:
            return Drop.UNKNOWN_INTERFACE
        if isinstance(claim, claims.Poking):
            return PokesPromised(ifindex, claim.lifetime_s * _SECOND_NS)
        if isinstance(claim, claims.Poked):
            return Poked(ifindex, claim.address)
        made = _made(claim, ifindex, sender.uid)
        return made if self._takes(made) else Drop.NOT_TAKEN


def _made(claim: claims.Claim, ifindex: int, uid: int) -> ClaimMade:
    services = [
        Service(each.type, each.instance, each.host, each.port, tuple(each.txt.items()))
        for each in claim.services
    ]
    return ClaimMade(
        ifindex=ifindex,
        address=claim.address,
        claimant=claim.claimant,
        uid=uid,
        name=claim.name,
        nick=claim.nick,
        jid=claim.jid,
        fingerprint=claim.fingerprint,
        verified=claim.verified,
        services=tuple(services),
        lifetime_ns=claim.lifetime_s * _SECOND_NS,
    )


def _why(data: bytes) -> Drop:
    try:
        head = _head_decoder.decode(data)
    except _UNREADABLE:
        return Drop.MALFORMED
    return Drop.MALFORMED if head.class_ in _CLASSES else Drop.UNKNOWN_CLASS
