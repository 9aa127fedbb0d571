"""What local programs say of a neighbor: bounded in size and number, and never more than a hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from meshwatch.account import Account
from meshwatch.observations import Poked
from meshwatch.protocol import claims

BURST = 200  # datagrams
PERIOD_NS = 10_000_000  # 100 datagrams a second
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
    TOO_MANY = "too many"


class _Head(Struct):
    class_: str = msgspec.field(name="class")


_decoder = msgspec.json.Decoder(claims.Poked)
_head_decoder = msgspec.json.Decoder(_Head)
_CLASSES = frozenset({str(claims.Poked.__struct_config__.tag)})
# What nests deeper than Python may call is no datagram of ours either.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Claims:
    """Makes observations of datagrams; ``ifindex_of`` knows our interfaces by name.

    All senders share one account: the sum is what costs the daemon time.
    """

    def __init__(self, ifindex_of: Callable[[str], int | None]) -> None:
        self.dropped: Counter[Drop] = Counter()
        self._ifindex_of = ifindex_of
        self._account = Account(BURST, PERIOD_NS)
        self._last = NOBODY  # whose datagram was dropped
        self._told: Counter[Drop] = Counter()
        self._told_ns: int | None = None

    def receive(self, data: bytes, sender: Sender, now: int) -> Poked | None:
        """What one datagram says, or None if it was dropped and counted."""
        outcome: Poked | Drop = Drop.TOO_MANY
        if self._account.ready_ns() <= now:
            self._account.spend(now)
            outcome = self._read(data)
        if isinstance(outcome, Poked):
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

    def _read(self, data: bytes) -> Poked | Drop:
        if len(data) > claims.MAX_CLAIM:
            return Drop.MALFORMED
        try:
            claim = _decoder.decode(data)
        except _UNREADABLE:
            return _why(data)
        ifindex = self._ifindex_of(claim.interface)
        return Drop.UNKNOWN_INTERFACE if ifindex is None else Poked(ifindex, claim.address)


def _why(data: bytes) -> Drop:
    try:
        head = _head_decoder.decode(data)
    except _UNREADABLE:
        return Drop.MALFORMED
    return Drop.MALFORMED if head.class_ in _CLASSES else Drop.UNKNOWN_CLASS
