"""Turns of the conversation with nl80211 that many tests begin with."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from meshwatch.model import Plink
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import Observation, Question, Settled, StationSeen, StationsSwept
from meshwatch.records import Kind, decode
from tests.pure import kernel_bytes as k
from tests.pure.kernel_bytes import MESH0
from tests.pure.turns import MS, Turns

ALL = (k.GET_INTERFACE, 0)
STATIONS = (k.GET_STATION, MESH0)


def wanted(requests: Sequence[bytes], family: int = k.FAMILY) -> list[tuple[int, int]]:
    """Command and interface of each request."""
    found = []
    for request in requests:
        (message,) = decode(request, family)
        assert message.kind is Kind.REQUEST
        assert message.flags & k.DUMP == k.DUMP
        found.append((message.command, message.ifindex))
    return found


def seq_of(turns: Turns) -> int:
    """Sequence number of the only request of the last turn."""
    (request,) = turns.asked
    return k.head(request)[2]


def swept(*addresses: str, ifindex: int = MESH0) -> StationsSwept:
    return StationsSwept(ifindex, frozenset(addresses))


def addresses(seen: Sequence[Observation]) -> list[str]:
    return [o.address for o in seen if isinstance(o, StationSeen)]


def others(seen: Sequence[Observation]) -> list[Observation]:
    return [o for o in seen if not isinstance(o, StationSeen)]


def begun(*interfaces: tuple[int, str, int], nl80211: Nl80211 | None = None) -> Turns:
    """The family is known and the interfaces are listed at 0 ms; one look is under way."""
    turns = Turns(nl80211 or Nl80211())
    turns.at(0, k.family())
    assert wanted(turns.asked) == [ALL]
    seq = seq_of(turns)
    parts = [
        k.interface(ifindex, name, type_, seq=seq, flags=k.MULTI)
        for ifindex, name, type_ in interfaces
    ]
    turns.at(0, *parts, k.done(seq))
    return turns


def settled(*peers: str, nl80211: Nl80211 | None = None) -> Turns:
    """Interface mesh0 is known with these peers, established, at 0 ms; nothing is under way."""
    turns = begun((MESH0, "mesh0", k.MESH), nl80211=nl80211)
    assert wanted(turns.asked) == [STATIONS]
    seq = seq_of(turns)
    seen = turns.at(0, *(k.station(peer, seq=seq) for peer in peers), k.done(seq))
    assert seen[-2:] == [swept(*peers), Settled("nl80211")]
    return turns


def answer(turns: Turns, ms: float, *parts: bytes) -> list[Observation]:
    """The station dump that was just asked for is answered by these and an end."""
    assert wanted(turns.asked) == [STATIONS]
    seq = seq_of(turns)
    return turns.at(ms, *(k.renumbered(part, seq) for part in parts), k.done(seq))


def looks_ms(turns: Turns, until_ms: float, *parts: bytes) -> list[float]:
    """When stations are looked at until then, if each look is answered at once by these."""
    times = []
    while (due := turns.deadline_ms()) is not None and due <= until_ms:
        turns.at(due)
        while turns.asked:
            seq = seq_of(turns)
            if wanted(turns.asked) == [STATIONS]:
                times.append(due)
                answers = [k.renumbered(part, seq) for part in parts]
            else:
                answers = [k.interface(seq=seq, flags=k.MULTI)]
            turns.at(due, *answers, k.done(seq))
    return times


@dataclass
class Entry:
    """A station of the kernel's, and whether its radio is in reach."""

    plink: int = Plink.ESTAB
    heard_ms: float = 0.0
    tx_packets: int = 0
    tx_failed: int = 0
    measured: bool = False
    in_reach: bool = True


class Kernel:
    """Answers whatever the conversation asks about mesh0, and keeps what was asked and when.

    What becomes of a frame shows ``answer_ms`` later. ``refuses`` is what it says to frames, 0:
    they are sent.
    """

    def __init__(self, turns: Turns, *addresses: str) -> None:
        self.turns = turns
        self.entries = {address: Entry() for address in addresses}
        self.refuses = 0
        self.attempts = 0
        self.answer_ms = 20.0
        self.dumps_ms: list[float] = []
        self.looks_ms: list[tuple[float, str]] = []  # at single stations
        self.frames_ms: list[tuple[float, str]] = []
        self.frames: list[bytes] = []
        self.seen: list[Observation] = []
        self._in_the_air: list[tuple[float, Entry]] = []

    def hint(self, ms: float, *hints: Observation | Question) -> None:
        """Another source or the table says this."""
        nl80211 = self.turns.conversation
        assert isinstance(nl80211, Nl80211)
        for hint in hints:
            nl80211.notice(hint, round(ms * MS))

    def notice(self, ms: float, *hints: Observation | Question) -> None:
        """The same, and a turn follows."""
        self.hint(ms, *hints)
        self.turn(ms)

    def turn(self, ms: float, *datagrams: bytes) -> None:
        """A turn, and more for as long as something is asked."""
        self.seen += self.turns.at(ms, *datagrams)
        while self.turns.asked:
            (request,) = self.turns.asked
            self.seen += self.turns.at(ms, *self.answers(request, ms))

    def run(self, until_ms: float) -> None:
        """Every turn that the conversation wants until then."""
        while (due := self.turns.deadline_ms()) is not None and due <= until_ms:
            self.turn(due)

    def answers(self, request: bytes, ms: float) -> list[bytes]:
        """What the kernel says to this request."""
        (asked,) = decode(request, k.FAMILY)
        seq = asked.seq
        if asked.command == k.GET_INTERFACE:
            return [k.interface(seq=seq, flags=k.MULTI), k.done(seq)]
        if asked.command == k.PROBE_MESH_LINK:
            return [k.refused(seq, self.sends(request, asked.address, ms))]
        assert (asked.command, asked.ifindex) == STATIONS
        if not asked.address:
            self.dumps_ms.append(ms)
            parts = [self.station(address, ms, seq, k.MULTI) for address in self.entries]
            return [*parts, k.done(seq)]
        self.looks_ms.append((ms, asked.address))
        if asked.address not in self.entries:
            return [k.refused(seq, errno.ENOENT)]
        return [self.station(asked.address, ms, seq, 0)]

    def sends(self, request: bytes, address: str, ms: float) -> int:
        """Send a frame; what the kernel says to that."""
        self.attempts += 1
        if self.refuses:
            return self.refuses
        if address not in self.entries:
            return errno.ENOENT
        self.frames_ms.append((ms, address))
        self.frames.append(request[request.index(b"\x33\0") + 2 :])  # NL80211_ATTR_FRAME
        self._in_the_air.append((ms + self.answer_ms, self.entries[address]))
        return 0

    def station(self, address: str, ms: float, seq: int, flags: int) -> bytes:
        """What the kernel says of this station now."""
        for end_ms, entry in [sent for sent in self._in_the_air if sent[0] <= ms]:
            self._in_the_air.remove((end_ms, entry))
            entry.tx_packets += 1
            if entry.in_reach:
                entry.heard_ms = end_ms
            else:
                entry.tx_failed += 1
        entry = self.entries[address]
        more = {k.TX_PACKETS: entry.tx_packets, k.TX_FAILED: entry.tx_failed}
        if entry.measured:
            more[k.EXPECTED_THROUGHPUT] = 19_593
        inactive_ms = round(ms - entry.heard_ms)
        return k.station(address, seq=seq, plink=entry.plink, inactive_ms=inactive_ms, flags=flags,
                         more=more)  # fmt: skip
