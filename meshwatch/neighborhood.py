"""What rtnetlink says about addresses: who is behind them on a mesh interface, and which are ours.

Rules:

* Only the entries of mesh and IBSS interfaces count, of whatever machine: a neighbor, one some
  hops away, or one behind a mesh gate. Nothing is asked while there is no such interface.
* A look is two dumps, of our addresses and of the neighbor tables; one when an interface comes or
  its link is up again, and one after a loss, events in between. An event is newer than a dump
  that was under way, so it holds against it. One that failed or was torn is repeated ever later;
  the third in a row makes the source one that fails.
* An entry says who is behind an address once the kernel has found out (NUD_VALID in
  net/core/neighbour.c), and that nobody is when the kernel asked in vain (NUD_FAILED).
* The kernel removes entries that it has not needed for long. Then nobody vouches for the address
  any more, which may have been a temporary or a leased one; but a link-local one stays with its
  station, so that its removal says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from meshwatch import codec
from meshwatch.model import AddressProof
from meshwatch.netlink import (
    NLM_F_MULTI,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_OVERRUN,
    Buffer,
    Exchange,
    Header,
    Health,
    Request,
    error_of,
    header,
    split,
)
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    OwnAddresses,
    Question,
    Settled,
)
from meshwatch.pace import MS_NS, Pace

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
AF_INET, AF_INET6 = 2, 10

# linux/neighbour.h. A valid entry is reachable, stale, delayed, being probed, or permanent; one
# that needs no resolution (NUD_NOARP) is that of a group, or of the kernel's own making.
_VALID = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
_FAILED = 0x20
_PROXY = 0x08  # NTF_PROXY: we answer for others
# linux/if_addr.h; an optimistic address is used while its duplicates are looked for (RFC 4429).
_OPTIMISTIC, _DUPLICATE, _TENTATIVE = 0x04, 0x08, 0x40

FIRST_SEQ = 0x40000000  # apart from those of meshwatch.rtnetlink
TORN_LIMIT_NS = 1_000 * MS_NS
FAILED_LIMIT_NS = 30_000 * MS_NS

_DUMPED = {RTM_GETADDR: "own addresses", RTM_GETNEIGH: "neighbors"}
_LINK_LOCAL = "fe80:"


@dataclass(frozen=True, slots=True)
class _Place:
    """An address of an interface's link."""

    ifindex: int
    ip: str


@dataclass(slots=True)
class _Asked:
    """A dump under way: what it holds, and what events described meanwhile."""

    type: int
    present: set[_Place] = field(default_factory=set)
    newer: set[_Place] = field(default_factory=set)


_Request = Request[_Asked] | None  # what is answered; None: an event


class Neighborhood:
    """The conversation with rtnetlink about addresses, on sockets of its own.

    It learns of interfaces by :meth:`notice`.
    """

    name = "addresses"

    def __init__(self) -> None:
        self._exchange: Exchange[_Asked] = Exchange(FIRST_SEQ)
        self._health = Health(self.name)
        self._meshes: set[int] = set()
        self._down: set[int] = set()  # those without a link
        self._known: set[_Place] = set()  # valid entries
        self._own: set[_Place] = set()
        self._ready: list[int] = []
        self.begin(0)

    # ---- what the pump calls ----------------------------------------------------------------

    def begin(self, now: int) -> None:
        """Forget what was under way and look at everything."""
        self._settled = False
        self._health.forget_all()
        self.lost(now)

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One datagram, from the events or the requests."""
        seen: list[Observation] = []
        for part in split(data):
            if part is None:
                self._exchange.tear("cut off")
                break
            head, message = part
            if head.type in (RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWADDR, RTM_DELADDR):
                self._on_entry(head, message, seen, now)
            elif head.type in (NLMSG_DONE, NLMSG_ERROR):
                request = self._exchange.end(head.seq, head.flags, error_of(message))
                if request is not None:
                    self._on_end(request, seen, now)
            elif head.type == NLMSG_OVERRUN:
                self.lost(now)
        return seen

    def notice(self, hint: Observation | Question, now: int) -> None:
        """nl80211 tells which interfaces are ours, rtnetlink whether they have a link."""
        match hint:
            case InterfaceSeen(ifindex, _, type_) if type_ is not None:
                if ifindex not in self._meshes:
                    self._meshes.add(ifindex)
                    self._pace.hint(now)
            case InterfaceSeen(ifindex) | InterfaceDeleted(ifindex):
                self._drop({ifindex})
            case LinkSeen(ifindex, _, up, running) if ifindex in self._meshes:
                if not (up and running):
                    self._down.add(ifindex)
                elif ifindex in self._down:
                    # Permanent entries stay, and everybody forgot them.
                    self._down.discard(ifindex)
                    self._pace.hint(now)
            case InterfacesSwept(ifindexes):
                self._drop(self._meshes - ifindexes)

    def outgoing(self) -> list[bytes]:
        """The next request, unless one is under way."""
        if self._exchange.in_flight or not self._ready:
            return []
        if self._ready.pop(0) == RTM_GETADDR:
            return [self._exchange.stamp(codec.get_own_addresses(AF_INET6))]
        return [self._exchange.stamp(codec.get_neighbors())]

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent, by us or, in a replay, by whoever made the recording."""
        head = header(request)
        if head is not None and head.type in _DUMPED:
            self._ready = [type_ for type_ in self._ready if type_ != head.type]
            self._exchange.sent(head.seq, head.flags, _Asked(head.type), now)

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""
        times = (self._exchange.deadline(), self._pace.due() if self._meshes else None)
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up what was not answered; take what is due."""
        seen: list[Observation] = []
        for request in self._exchange.expired(now):
            self._on_failure(request, seen, now)
        if self._meshes and self._pace.is_due(now):
            self._pace.take(now)
            self._ready = list(_DUMPED)
        return seen

    def lost(self, now: int) -> Iterable[Observation]:
        """Events went by unheard: whatever was under way is worth nothing, look again."""
        self._exchange.forget()
        self._pace = Pace(now, burst_ns=(0,), quick_span_ns=0)
        self._ready = []
        return ()

    def summary(self) -> str:
        """What could not be read, for the log; "" = nothing."""
        return self._exchange.summary()

    # ---- what comes -------------------------------------------------------------------------

    def _on_entry(
        self, head: Header, message: memoryview, seen: list[Observation], now: int
    ) -> None:
        request = None
        # An event carries the sequence number of the program that caused it: only a part of a
        # dump is marked as one.
        if head.flags & NLM_F_MULTI:
            request = self._exchange.part(head.seq, head.flags, now)
            if request is None:
                return
        if codec.interface_of(message) not in self._meshes:
            return
        if head.type in (RTM_NEWNEIGH, RTM_DELNEIGH):
            self._on_neighbor(head, bytes(message), request, seen)
        else:
            self._on_own(head, bytes(message), request, seen)

    def _on_neighbor(
        self, head: Header, message: bytes, request: _Request, seen: list[Observation]
    ) -> None:
        entry = codec.neighbor_entry(message)
        if entry is None:
            self._exchange.tear("no neighbor can be made of it")
            return
        if entry.family not in (AF_INET, AF_INET6) or entry.flags & _PROXY or not entry.ip:
            return
        place = _Place(entry.ifindex, entry.ip)
        if self._is_old(place, request):
            return
        if head.type == RTM_DELNEIGH:
            self._forget(place, seen)
        elif entry.state & _FAILED:
            self._known.discard(place)
            seen.append(AddressFailed(place.ifindex, place.ip))
        elif entry.state & _VALID and entry.address:
            self._known.add(place)
            proof = AddressProof.KERNEL
            seen.append(AddressSeen(place.ifindex, entry.address, place.ip, proof))

    def _on_own(
        self, head: Header, message: bytes, request: _Request, seen: list[Observation]
    ) -> None:
        own = codec.own_address(message)
        if own is None:
            self._exchange.tear("no address can be made of it")
            return
        if own.family != AF_INET6 or not own.ip:
            return
        place = _Place(own.ifindex, own.ip)
        if self._is_old(place, request):
            return
        checked = not own.flags & _TENTATIVE or own.flags & _OPTIMISTIC
        if head.type == RTM_NEWADDR and checked and not own.flags & _DUPLICATE:
            self._set_own(self._own | {place}, seen)
        else:
            self._set_own(self._own - {place}, seen)

    def _is_old(self, place: _Place, request: _Request) -> bool:
        """Whether an event came after what this part of a dump says; both are noted."""
        if request is not None:
            request.asked.present.add(place)
            return place in request.asked.newer
        for other in self._exchange.in_flight:
            other.asked.newer.add(place)
        return False

    def _on_end(self, request: Request[_Asked], seen: list[Observation], now: int) -> None:
        asked = request.asked
        if request.error or request.torn:
            self._on_failure(request, seen, now)
            return
        seen.extend(self._health.succeeded(asked.type))
        there = asked.present | asked.newer
        if asked.type == RTM_GETADDR:
            self._set_own(self._own & there, seen)
            return
        if self._health.well:  # our own addresses came, too
            self._pace.succeeded()
        for place in sorted(self._known - there, key=lambda place: (place.ifindex, place.ip)):
            self._forget(place, seen)
        if not self._settled:
            self._settled = True
            seen.append(Settled(self.name))

    def _on_failure(self, request: Request[_Asked], seen: list[Observation], now: int) -> None:
        type_ = request.asked.type
        self._pace.retry(now, TORN_LIMIT_NS if request.torn else FAILED_LIMIT_NS)
        seen.extend(self._health.failed(type_, _DUMPED[type_], request.failure))

    # ---- what is known ----------------------------------------------------------------------

    def _forget(self, place: _Place, seen: list[Observation]) -> None:
        if place in self._known:
            self._known.discard(place)
            if not place.ip.startswith(_LINK_LOCAL):
                seen.append(AddressFailed(place.ifindex, place.ip))

    def _set_own(self, own: set[_Place], seen: list[Observation]) -> None:
        for ifindex in sorted({place.ifindex for place in self._own ^ own}):
            ips = sorted((p.ip for p in own if p.ifindex == ifindex), key=IPv6Address)
            seen.append(OwnAddresses(ifindex, tuple(ips)))
        self._own = own

    def _drop(self, ifindexes: set[int]) -> None:
        """These are no mesh interfaces any more."""
        self._meshes -= ifindexes
        self._down -= ifindexes
        self._known = {place for place in self._known if place.ifindex not in ifindexes}
        self._own = {place for place in self._own if place.ifindex not in ifindexes}
