"""What rtnetlink says about network devices: which exist, are up, and have carrier.

Rules: one dump of all links at the beginning and after a loss; events in between. An event is
newer than a dump that was under way, so it holds against it. A complete dump that does not hold
a link we know of means that the link went while nobody listened. A dump that failed or was torn is
repeated ever later; the third in a row makes the source one that fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from meshwatch import codec
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
from meshwatch.observations import Deaf, InterfaceDeleted, LinkSeen, Observation, Question, Settled
from meshwatch.pace import MS_NS, Pace

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
AF_UNSPEC = 0
IFF_UP = 0x1
# Carrier; IFF_RUNNING would also wait for a supplicant that left the link dormant (RFC 2863).
IFF_LOWER_UP = 0x10000

TORN_LIMIT_NS = 1_000 * MS_NS
FAILED_LIMIT_NS = 30_000 * MS_NS


@dataclass(slots=True)
class _Asked:
    """A dump under way: links described by it, and links that events described meanwhile."""

    present: set[int] = field(default_factory=set)
    newer: set[int] = field(default_factory=set)


class Rtnetlink:
    """The conversation with rtnetlink."""

    name = "rtnetlink"

    def __init__(self) -> None:
        self._exchange: Exchange[_Asked] = Exchange()
        self._known: set[int] = set()
        self._request = b""
        self._health = Health(self.name)
        self._turn_ns = 0
        self.begin(0)

    def begin(self, now: int) -> None:
        """Forget what was under way and look at everything."""
        self._exchange.forget()
        self._pace = Pace(now, quick_span_ns=0)
        self._ready = False
        self._settled = False
        self._turn_ns = now

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One datagram, from the events or the requests."""
        seen: list[Observation] = []
        for part in split(data):
            if part is None:
                self._exchange.tear("cut off")
                break
            head, message = part
            if head.type in (RTM_NEWLINK, RTM_DELLINK):
                self._on_link(head, message, seen, now)
            elif head.type in (NLMSG_DONE, NLMSG_ERROR):
                request = self._exchange.end(head.seq, head.flags, error_of(message))
                if request is not None:
                    self._on_end(request, seen, now)
            elif head.type == NLMSG_OVERRUN:
                seen.extend(self.lost(now))
        return seen

    def notice(self, hint: Observation | Question, now: int) -> None:
        """Nothing that another source observes is a hint here."""

    def outgoing(self) -> list[bytes]:
        """The next request, unless one is under way."""
        if self._exchange.in_flight or not self._ready:
            return []
        self._ready = False
        self._request = self._request or codec.get_links()
        return [self._exchange.stamp(self._request)]

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent, by us or, in a replay, by whoever made the recording."""
        head = header(request)
        if head is not None and head.type == RTM_GETLINK:
            self._ready = False
            self._exchange.sent(head.seq, head.flags, _Asked(), now)

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""
        times = (self._exchange.deadline(), self._pace.due())
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up what was not answered; take what is due."""
        self._turn_ns = now
        seen: list[Observation] = []
        for request in self._exchange.expired(now):
            self._on_failure(request, seen, now)
        due = self._pace.due()
        if due is not None and due <= now:
            self._pace.take(now)
            self._ready = True
        return seen

    def lost(self, now: int) -> Iterable[Observation]:
        """Events went by unheard: whatever was under way is worth nothing, look again."""
        self._exchange.forget()
        self._pace = Pace(now, quick_span_ns=0)
        self._ready = False
        return [Deaf(self.name, self._turn_ns)]

    def summary(self) -> str:
        """What could not be read, for the log; "" = nothing."""
        return self._exchange.summary()

    def _on_link(
        self, head: Header, message: memoryview, seen: list[Observation], now: int
    ) -> None:
        link = codec.link(bytes(message))
        if link is None:
            self._exchange.tear("no link can be made of it")
            return
        if link.family != AF_UNSPEC:
            return  # a bridge's view of its port: its removal is not that of the device
        request = None
        # An event carries the sequence number of the program that caused it: only a part of a
        # dump is marked as one.
        if head.flags & NLM_F_MULTI:
            request = self._exchange.part(head.seq, head.flags, now)
            if request is None:
                return
            request.asked.present.add(link.ifindex)
            if link.ifindex in request.asked.newer:
                return
        else:
            for other in self._exchange.in_flight:
                other.asked.newer.add(link.ifindex)
        if head.type == RTM_DELLINK:
            self._known.discard(link.ifindex)
            seen.append(InterfaceDeleted(link.ifindex))
        else:
            self._known.add(link.ifindex)
            up, running = bool(link.flags & IFF_UP), bool(link.flags & IFF_LOWER_UP)
            seen.append(LinkSeen(link.ifindex, link.name, up, running))

    def _on_end(self, request: Request[_Asked], seen: list[Observation], now: int) -> None:
        if request.error or request.torn:
            self._on_failure(request, seen, now)
            return
        self._pace.succeeded()
        seen.extend(self._health.succeeded(RTM_GETLINK))
        for ifindex in sorted(self._known - request.asked.present - request.asked.newer):
            self._known.discard(ifindex)
            seen.append(InterfaceDeleted(ifindex))
        if not self._settled:
            self._settled = True
            seen.append(Settled(self.name))

    def _on_failure(self, request: Request[_Asked], seen: list[Observation], now: int) -> None:
        self._pace.retry(now, TORN_LIMIT_NS if request.torn else FAILED_LIMIT_NS)
        seen.extend(self._health.failed(RTM_GETLINK, "links", request.failure))
