"""What to ask nl80211, when to ask again, and what its answers mean.

Rules (the pace of dumps is in :mod:`meshwatch.pace`, that of looks at one station in
:mod:`meshwatch.glances`; how far to believe what was seen, in :mod:`meshwatch.look`):

* Every event is a hint to look, because the kernel tells nothing of the links themselves: one
  event when a station entry appears (before the link works), one when it is destroyed. Only
  DEL_STATION and DEL_INTERFACE are taken at their word, and followed by a look too.
* A look at an interface is a dump of its stations, but at a new one among many stations it is one
  at that station; a look at the interfaces is a dump of all,
  10 and 300 ms after a hint (an event, a change of a link, a channel switch, a failed look) and
  every 30 s while there is a mesh or IBSS interface.
* A look at one station goes before the dumps. That it fails means nothing, except that a
  station which was there is not (ENOENT, which may also be the family's own absence): a dump
  tells.
* A link probe (with CAP_NET_ADMIN; refused once, none is tried again) stands between looks at
  its station: see :mod:`meshwatch.probes`. Idle links may be measured likewise:
  :mod:`meshwatch.measuring`.
* A dump that failed or was torn is repeated ever later; the third in a row makes the source one
  that fails.
* Without the family (cfg80211 is a module) there is nothing, until nlctrl announces it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from meshwatch import codec
from meshwatch.absences import CHANNEL_SWITCHES, Absences
from meshwatch.interfaces import Interfaces
from meshwatch.look import INTERFACES, Findings, Look
from meshwatch.netlink import INTERRUPTED, Buffer, Exchange, Health, Request
from meshwatch.observations import (
    CandidateSeen,
    Deaf,
    InterfaceDeleted,
    InterfacesSwept,
    LinkSeen,
    LookWanted,
    Observation,
    PeeringSeen,
    ProbeWanted,
    Question,
    Settled,
    StationDeleted,
    StationsSwept,
)
from meshwatch.pace import MS_NS, POLL_NS
from meshwatch.records import (
    CandidateInfo,
    FamilyInfo,
    InterfaceInfo,
    Kind,
    Message,
    decode,
    reason_text,
)
from meshwatch.watched import Allowed, Watched

FAMILY = "nl80211"
CMD_GET_INTERFACE = 5
CMD_GET_STATION = 17
CMD_PROBE_MESH_LINK = 136

TORN_LIMIT_NS = POLL_NS
FAILED_LIMIT_NS = 30_000 * MS_NS


class Nl80211:
    """The conversation with nl80211; ``interfaces`` restricts it to interfaces of these names.

    ``probes`` allows it to send link probes when somebody wants one, ``measure`` to send frames
    over idle links. ``family`` is the family's number, 0 while it is not in the kernel.
    """

    name = FAMILY

    def __init__(
        self,
        interfaces: frozenset[str] | None = None,
        *,
        probes: bool = False,
        measure: bool = False,
    ) -> None:
        self.family = 0
        self._only = interfaces
        self._exchange: Exchange[Findings] = Exchange()
        self._health = Health(self.name)
        self._interfaces = Interfaces(Allowed(probes, measure))
        self._absences = Absences()
        self.begin(0)

    # ---- what the pump calls ----------------------------------------------------------------

    def begin(self, now: int) -> None:
        """Forget what was under way and look at everything."""
        self._exchange.forget()
        self._health.forget_all()
        self._interfaces.begin(now)
        self._wants_family = False
        self._turn_ns = now

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One datagram, from the events or the requests."""
        seen: list[Observation] = []
        for message in decode(data, self.family):
            match message.kind:
                case Kind.STATION if message.seq:
                    self._on_station(message, seen, now)
                case Kind.INTERFACE if message.seq:
                    request = self._exchange.part(message.seq, message.flags, now)
                    if request is not None:
                        request.asked.add_interface(message, self._only)
                case Kind.DONE | Kind.ERROR:
                    request = self._exchange.end(message.seq, message.flags, message.error)
                    if request is not None:
                        self._on_end(request, seen, now)
                case Kind.STATION | Kind.STATION_DELETED:
                    self._on_station_event(message, seen, now)
                case Kind.CANDIDATE:
                    self._on_candidate(message, seen, now)
                case Kind.INTERFACE | Kind.INTERFACE_DELETED:
                    self._on_interface_event(message, seen, now)
                case Kind.SCAN if not message.seq and isinstance(message.body, InterfaceInfo):
                    seen.extend(self._absences.scan(message.command, message.body.wiphy, now))
                case Kind.FAMILY | Kind.FAMILY_DELETED:
                    self._on_family(message, seen, now)
                case Kind.OVERRUN:
                    seen.extend(self.lost(now))
                case Kind.MALFORMED:
                    self._on_malformed(message, now)
                case Kind.OTHER if not message.seq and message.command in CHANNEL_SWITCHES:
                    self._on_switch(message, seen, now)
        return seen

    def notice(self, hint: Observation | Question, now: int) -> None:
        """What other sources observed and the table asks is a reason to look."""
        match hint:
            case LookWanted(ifindex, address):
                if watched := self._interfaces.watched.get(ifindex):
                    watched.want_look(address, now)
            case ProbeWanted(ifindex, address):
                if watched := self._interfaces.watched.get(ifindex):
                    watched.want_probe(address, now)
            case PeeringSeen(ifindex, address, action=action):
                if watched := self._interfaces.watched.get(ifindex):
                    watched.peering(address, action, now)
            case LinkSeen():
                self._interfaces.linked(hint, now)
            case InterfaceDeleted(ifindex):
                if self._interfaces.unlinked(ifindex):
                    self._forget(ifindex)
                    self._distrust_interfaces(now)

    def outgoing(self) -> list[bytes]:
        """The next request, unless one is under way."""
        if self._wants_family:
            self._wants_family = False
            return [self._exchange.stamp(codec.get_families())]
        ready = self._interfaces.ready
        if self._exchange.in_flight or not ready:
            return []
        look = min(ready, key=lambda look: not look.address)
        del ready[look]
        return [self._exchange.stamp(self._request(look))]

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent, by us or, in a replay, by whoever made the recording."""
        for message in decode(request, self.family):
            if message.kind is not Kind.REQUEST:
                continue
            if message.command == CMD_GET_STATION and message.ifindex:
                look = Look(message.ifindex, message.address)
            elif message.command == CMD_PROBE_MESH_LINK:
                look = Look(message.ifindex, message.address, codec.frame_bytes(request))
                if watched := self._interfaces.watched.get(look.ifindex):
                    watched.sent_frame(look, now)
            elif message.command == CMD_GET_INTERFACE and not message.ifindex:
                look = INTERFACES
            else:
                continue
            self._interfaces.ready.pop(look, None)
            self._exchange.sent(message.seq, message.flags, Findings(look, now), now)

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""
        times = [self._exchange.deadline(), self._absences.due()]
        if self.family:
            times.append(self._interfaces.due())
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up what was not answered; take what is due."""
        self._turn_ns = now
        seen: list[Observation] = [*self._absences.take(now)]
        for request in self._exchange.expired(now):
            self._on_failure(request, seen, now)
        if not self.family:
            if self._health.failure is None:
                self._leave("nl80211 is not in the kernel", seen, now)
            return seen
        self._interfaces.wake(now)
        return seen

    def lost(self, now: int) -> Iterable[Observation]:
        """Events went by unheard: whatever was under way is worth nothing, look again."""
        self._exchange.forget()
        self._interfaces.ready.clear()
        self._wants_family = not self.family
        self._interfaces.hint_all(now)
        return [Deaf(self.name, self._turn_ns)]

    def summary(self) -> str:
        """What could not be read, for the log; "" = nothing."""
        return self._exchange.summary()

    # ---- answers ----------------------------------------------------------------------------

    def _on_station(self, message: Message, seen: list[Observation], now: int) -> None:
        request = self._exchange.part(message.seq, message.flags, now)
        if request is None:
            return
        if not request.dump:
            self._exchange.end(message.seq)
        watched = self._interfaces.watched.get(message.ifindex)
        found = request.asked.add_station(message)
        if watched is not None and found is not None:
            seen.append(found)
            seen.extend(watched.described(found, request.asked.asked_ns, now))

    def _on_end(self, request: Request[Findings], seen: list[Observation], now: int) -> None:
        look = request.asked.look
        if look.address:
            self._on_refusal(request, now)
        elif request.error == errno.ENOENT:
            self._leave("nl80211 left the kernel", seen, now)
            self._wants_family = True  # it may be back already, under another number
        elif request.error:
            self._on_failure(request, seen, now)
        elif look == INTERFACES:
            self._on_interfaces(request, seen, now)
        elif watched := self._interfaces.watched.get(look.ifindex):
            self._on_stations(request, watched, seen, now)

    def _on_stations(
        self, request: Request[Findings], watched: Watched, seen: list[Observation], now: int
    ) -> None:
        found = request.asked
        if torn := found.torn(request):
            self._look_again(found.look, torn, TORN_LIMIT_NS, seen, now)
            return
        watched.pace.succeeded(len(found.addresses))
        seen.extend(self._health.succeeded(found.look))
        if not found.spoiled:
            addresses = frozenset(found.addresses)
            watched.keep(addresses)
            seen.append(StationsSwept(found.look.ifindex, addresses))
        if self._interfaces.settles(found.look.ifindex):
            seen.append(Settled(self.name))

    def _on_interfaces(self, request: Request[Findings], seen: list[Observation], now: int) -> None:
        found = request.asked
        if torn := found.torn(request) or (INTERRUPTED if found.spoiled else ""):
            self._look_again(INTERFACES, torn, TORN_LIMIT_NS, seen, now)
            return
        self._interfaces.pace.succeeded()
        seen.extend(self._health.succeeded(INTERFACES))
        for ifindex in self._interfaces.listed(found.interfaces, now):
            self._forget(ifindex)
        seen.extend(found.interfaces)
        seen.append(InterfacesSwept(self._interfaces.known))
        if self._interfaces.settles():
            seen.append(Settled(self.name))

    def _on_failure(self, request: Request[Findings], seen: list[Observation], now: int) -> None:
        look = request.asked.look
        if look.address:
            self._on_refusal(request, now)
            return
        if look.ifindex in self._interfaces.watched:
            self._interfaces.pace.hint(now)  # perhaps there is no such interface any more
        self._look_again(look, request.failure, FAILED_LIMIT_NS, seen, now)

    def _on_refusal(self, request: Request[Findings], now: int) -> None:
        """There was no answer about one station, or nothing but a frame was asked for."""
        watched = self._interfaces.watched.get(request.asked.look.ifindex)
        acknowledged = request.asked.look.frame_bytes and not request.error
        if watched is not None and not acknowledged:
            watched.refused(request.asked.look, request.error, now)

    def _look_again(
        self, look: Look, why: str, limit_ns: int, seen: list[Observation], now: int
    ) -> None:
        """A dump was of no use."""
        if look == INTERFACES:
            pace, what = self._interfaces.pace, "interfaces"
        elif watched := self._interfaces.watched.get(look.ifindex):
            pace, what = watched.pace, f"stations of {watched.seen.name}"
        else:
            return
        self._interfaces.ready.pop(look, None)
        pace.retry(now, limit_ns)
        seen.extend(self._health.failed(look, what, why))

    # ---- events -----------------------------------------------------------------------------

    def _on_station_event(self, message: Message, seen: list[Observation], now: int) -> None:
        ifindex = message.ifindex
        deleted = message.address if message.kind is Kind.STATION_DELETED else ""
        for request in self._exchange.in_flight:
            if request.asked.look.ifindex == ifindex:
                request.asked.spoil(deleted)
        if watched := self._interfaces.watched.get(ifindex):
            if deleted:
                watched.pace.hint(now)
                seen.append(StationDeleted(ifindex, deleted))
            else:
                watched.appeared(message.address, now)
        elif ifindex not in self._interfaces.known:
            self._interfaces.pace.hint(now)

    def _on_candidate(self, message: Message, seen: list[Observation], now: int) -> None:
        watched = self._interfaces.watched.get(message.ifindex)
        if watched is not None and isinstance(message.body, CandidateInfo):
            if watched.spells.is_new_candidate(message.address, now):
                watched.pace.hint(now)
            signal_dbm = message.body.signal_dbm
            seen.append(CandidateSeen(message.ifindex, message.address, signal_dbm))

    def _on_switch(self, message: Message, seen: list[Observation], now: int) -> None:
        self._interfaces.pace.hint(now)
        if watched := self._interfaces.watched.get(message.ifindex):
            seen.extend(self._absences.switch(message.command, watched.seen.wiphy, now))

    def _on_interface_event(self, message: Message, seen: list[Observation], now: int) -> None:
        self._distrust_interfaces(now)
        if message.kind is Kind.INTERFACE_DELETED and message.ifindex:  # a P2P device has none
            self._forget(message.ifindex)
            seen.append(InterfaceDeleted(message.ifindex))

    def _distrust_interfaces(self, now: int) -> None:
        self._interfaces.pace.hint(now)
        for request in self._exchange.in_flight:
            if request.asked.look == INTERFACES:
                request.asked.spoil()

    def _on_family(self, message: Message, seen: list[Observation], now: int) -> None:
        family = message.body
        if not isinstance(family, FamilyInfo) or family.name != FAMILY:
            return
        if message.kind is Kind.FAMILY_DELETED:
            self._leave("nl80211 left the kernel", seen, now)
        elif family.id != self.family:
            self.family = family.id
            self.begin(now)
            seen.extend(self._health.say(None))

    def _on_malformed(self, message: Message, now: int) -> None:
        self._exchange.tear(reason_text(message.error))
        if not message.seq:  # perhaps an event
            self._interfaces.hint_all(now)

    # ---- state ------------------------------------------------------------------------------

    def _leave(self, why: str, seen: list[Observation], now: int) -> None:
        self.family = 0
        self.begin(now)
        seen.extend(self._health.say(why))
        seen.append(InterfacesSwept(frozenset(), family_removed=True))

    def _forget(self, ifindex: int) -> None:
        self._interfaces.forget(ifindex)
        self._health.forget(Look(ifindex))

    def _request(self, look: Look) -> bytes:
        if look == INTERFACES:
            return codec.get_interfaces(self.family)
        if look.frame_bytes:
            own = self._interfaces.watched[look.ifindex].seen.address
            return codec.probe_mesh_link(
                self.family, look.ifindex, look.address, own, look.frame_bytes
            )
        if look.address:
            return codec.get_station(self.family, look.ifindex, look.address)
        return codec.get_stations(self.family, look.ifindex)
