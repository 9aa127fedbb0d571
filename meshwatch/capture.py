"""What other programs asked the kernel and heard, seen by a netlink monitor device.

``ip link add nlmon0 type nlmon; tcpdump -i nlmon0 -w FILE`` keeps every netlink datagram of a
network namespace: the requests of whatever runs there, the answers, the kernel's events. Here
are the conversations for such a capture. They only listen: what nobody asked about, they do not
know, and a name or type that nobody asked for is guessed until somebody does. Path tables are
passed over: programs dump one of the two, once, so that no path would ever be gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from meshwatch import codec, netlink, records
from meshwatch.absences import CHANNEL_SWITCHES, Absences
from meshwatch.look import interface_seen
from meshwatch.model import InterfaceType
from meshwatch.nl80211 import CMD_GET_STATION, FAMILY
from meshwatch.observations import (
    AwaySeen,
    InterfaceDeleted,
    InterfaceSeen,
    LinkSeen,
    Observation,
    Question,
    Settled,
    SourceState,
    Station,
    StationDeleted,
    StationField,
    StationSeen,
    StationsSwept,
)
from meshwatch.records import FamilyInfo, InterfaceInfo, Kind, Message
from meshwatch.rtnetlink import AF_UNSPEC, IFF_LOWER_UP, IFF_UP, RTM_DELLINK, RTM_NEWLINK

NLM_F_REQUEST = 0x1

_FIRST_FAMILY = 0x11  # below are netlink's own messages and the family controller
_DUMPS_MAX = 64
_DESCRIBED = StationField.PLINK | StationField.INACTIVE_MS


@dataclass(slots=True)
class _Dump:
    """A program's dump of the stations of an interface."""

    ifindex: int
    heard_ns: int
    torn: bool = False
    addresses: set[str] = field(default_factory=set)
    generations: set[int] = field(default_factory=set)


class CapturedNl80211:
    """The conversation of others with nl80211.

    The family's number comes from the controller's reply if the capture has one, else from the
    first message that can only be a station's description, unless ``family`` gives it.
    """

    name = FAMILY

    def __init__(self, family: int = 0) -> None:
        self._family = family
        self._interfaces: dict[int, InterfaceSeen] = {}
        self._names: dict[int, str] = {}  # as rtnetlink said
        self._renamed: list[InterfaceSeen] = []
        # By sequence number and port. A request may leave its port to the kernel (0).
        self._dumps: dict[tuple[int, int], _Dump] = {}
        self._absences = Absences()
        self._looked = False  # something was learned
        self._settled = False
        self._failed = False

    def begin(self, now: int) -> None:
        """Nothing is under way."""
        self._dumps.clear()

    def outgoing(self) -> list[bytes]:
        """Nothing is ever asked."""
        return []

    def sent(self, request: bytes, now: int) -> None:
        """A capture does not tell what was sent from what was received."""

    def notice(self, hint: Observation | Question, now: int) -> None:
        """rtnetlink knows the names of interfaces that nobody asked nl80211 about."""
        if not isinstance(hint, LinkSeen):
            return
        self._names[hint.ifindex] = hint.name
        interface = self._interfaces.get(hint.ifindex)
        if interface is not None and interface.name != hint.name:
            interface = replace(interface, name=hint.name)
            self._interfaces[hint.ifindex] = interface
            self._renamed.append(interface)

    def deadline(self) -> int | None:
        """When the oldest dump, scan or channel switch is given up."""
        times = [dump.heard_ns + netlink.ANSWER_TIMEOUT_NS for dump in self._dumps.values()]
        if (due := self._absences.due()) is not None:
            times.append(due)
        return min(times, default=None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up dumps whose end was not seen."""
        late = now - netlink.ANSWER_TIMEOUT_NS
        for key in [key for key, dump in self._dumps.items() if dump.heard_ns <= late]:
            del self._dumps[key]
        yield from self._absences.take(now)
        renamed, self._renamed = self._renamed, []
        yield from renamed
        # Not in the middle of the first dump: half a table is none.
        if self._looked and not self._settled and not self._dumps:
            self._settled = True
            yield Settled(FAMILY)

    def lost(self, now: int) -> Iterable[Observation]:
        """Something is missing here: no dump under way can be known to be complete."""
        self._dumps.clear()
        return ()

    def receive(self, data: netlink.Buffer, now: int) -> Iterator[Observation]:
        """One datagram, from or to anyone."""
        if not self._family:
            self._family = _inferred_family(data)
        for message in records.decode(data, self._family):
            for observation in self._understand(message, now):
                self._looked |= not isinstance(observation, AwaySeen)
                yield observation

    def _understand(self, message: Message, now: int) -> Iterator[Observation]:
        match message.kind:
            case Kind.REQUEST:
                self._asked(message, now)
            case Kind.STATION:
                yield from self._station(message, now)
            case Kind.STATION_DELETED:
                self._tear(message.ifindex)
                if message.ifindex in self._interfaces:
                    yield StationDeleted(message.ifindex, message.address)
            case Kind.INTERFACE:
                yield from self._interface(message)
            case Kind.INTERFACE_DELETED:
                self._tear(message.ifindex)
                if self._interfaces.pop(message.ifindex, None) is not None:
                    yield InterfaceDeleted(message.ifindex)
            case Kind.SCAN if not message.seq and isinstance(message.body, InterfaceInfo):
                yield from self._absences.scan(message.command, message.body.wiphy, now)
            case Kind.OTHER if not message.seq and message.command in CHANNEL_SWITCHES:
                if interface := self._interfaces.get(message.ifindex):
                    yield from self._absences.switch(message.command, interface.wiphy, now)
            case Kind.DONE | Kind.ERROR:
                yield from self._ended(message)
            case Kind.OVERRUN:
                self._dumps.clear()
            case Kind.MALFORMED:
                for dump in self._dumps.values():
                    dump.torn = True
            case Kind.FAMILY | Kind.FAMILY_DELETED:
                yield from self._family_changed(message)

    # ---- dumps ----------------------------------------------------------------------------------

    def _asked(self, message: Message, now: int) -> None:
        dump = message.flags & netlink.NLM_F_DUMP == netlink.NLM_F_DUMP
        if message.command != CMD_GET_STATION or not dump or not message.ifindex:
            return
        key = (message.seq, message.portid)
        if self._dumps.pop(key, None) is not None:
            return  # two programs, one number: whose answer is whose cannot be told
        self._dumps[key] = _Dump(message.ifindex, now)
        if len(self._dumps) > _DUMPS_MAX:
            del self._dumps[next(iter(self._dumps))]

    def _dump_answered(self, message: Message) -> _Dump | None:
        key = (message.seq, message.portid)
        if key not in self._dumps and (message.seq, 0) in self._dumps:
            self._dumps[key] = self._dumps.pop((message.seq, 0))
        return self._dumps.get(key)

    def _tear(self, ifindex: int) -> None:
        """Something changed while stations were dumped: the dump says nothing of the absent."""
        for dump in self._dumps.values():
            dump.torn |= dump.ifindex == ifindex

    def _ended(self, message: Message) -> Iterator[Observation]:
        dump = self._dump_answered(message)
        if dump is None:
            return
        del self._dumps[message.seq, message.portid]
        torn = dump.torn or message.error or message.flags & netlink.NLM_F_DUMP_INTR
        torn = torn or len(dump.generations) > 1  # see meshwatch.nl80211
        if message.kind is Kind.DONE and not torn:
            self._looked = True
            if dump.ifindex in self._interfaces:
                yield StationsSwept(dump.ifindex, frozenset(dump.addresses))

    # ---- stations and interfaces ----------------------------------------------------------------

    def _station(self, message: Message, now: int) -> Iterator[Observation]:
        station, ifindex, address = message.body, message.ifindex, message.address
        if not isinstance(station, Station) or not ifindex or not address:
            return
        if not station.present & _DESCRIBED:
            self._tear(ifindex)  # the event of an insertion describes nothing
            return
        dump = self._dump_answered(message)
        if dump is not None:
            dump.heard_ns = now
            dump.addresses.add(address)
            if station.present & StationField.GENERATION:
                dump.generations.add(station.generation)
            dump.torn |= dump.ifindex != ifindex
            dump.torn |= bool(message.flags & netlink.NLM_F_DUMP_INTR)
        if ifindex not in self._interfaces and station.present & StationField.PLINK:
            name = self._names.get(ifindex, f"if{ifindex}")
            self._interfaces[ifindex] = InterfaceSeen(ifindex, name, InterfaceType.MESH, 0, "")
            yield self._interfaces[ifindex]
        interface = self._interfaces.get(ifindex)
        if interface is not None and interface.type is not None:
            yield StationSeen(ifindex, address, station)

    def _interface(self, message: Message) -> Iterator[Observation]:
        if (seen := interface_seen(message)) is not None:
            self._interfaces[message.ifindex] = seen
            yield seen

    # ---- the family -----------------------------------------------------------------------------

    def _family_changed(self, message: Message) -> Iterator[Observation]:
        info = message.body
        if not isinstance(info, FamilyInfo) or info.name != FAMILY:
            return
        self._dumps.clear()
        if message.kind is Kind.FAMILY:
            self._family = info.id
            if self._failed:
                self._failed = False
                yield SourceState(FAMILY, None)
        else:
            self._family = 0
            self._failed = True
            yield SourceState(FAMILY, "nl80211 left the kernel")
            for ifindex in self._interfaces:
                yield InterfaceDeleted(ifindex)
            self._interfaces.clear()


class CapturedRtnetlink:
    """The conversation of others with rtnetlink: whatever describes a device is taken as news."""

    name = "rtnetlink"

    def begin(self, now: int) -> None:
        """Nothing is under way."""

    def outgoing(self) -> list[bytes]:
        """Nothing is ever asked."""
        return []

    def sent(self, request: bytes, now: int) -> None:
        """A capture does not tell what was sent from what was received."""

    def notice(self, hint: Observation | Question, now: int) -> None:
        """Nothing that nl80211 observes is a hint here."""

    def deadline(self) -> int | None:
        """Nothing is ever due."""
        return None

    def wake(self, now: int) -> Iterable[Observation]:
        """Nothing is due."""
        return ()

    def lost(self, now: int) -> Iterable[Observation]:
        """What was missed stays unknown."""
        return ()

    def receive(self, data: netlink.Buffer, now: int) -> Iterator[Observation]:
        """One datagram, from or to anyone."""
        for part in netlink.split(data):
            if part is None:
                return
            header, message = part
            if header.type not in (RTM_NEWLINK, RTM_DELLINK) or header.flags & NLM_F_REQUEST:
                continue
            link = codec.link(bytes(message))
            if link is None or link.family != AF_UNSPEC:
                continue
            if header.type == RTM_DELLINK:
                yield InterfaceDeleted(link.ifindex)
            else:
                yield LinkSeen(
                    link.ifindex,
                    link.name,
                    up=bool(link.flags & IFF_UP),
                    running=bool(link.flags & IFF_LOWER_UP),
                )


def _inferred_family(data: netlink.Buffer) -> int:
    """The message type under which something in the datagram reads as a station's description."""
    for part in netlink.split(data):
        if part is None or part[0].type < _FIRST_FAMILY:
            continue
        for message in records.decode(part[1], part[0].type):
            station = message.body
            if (
                message.kind is Kind.STATION
                and message.ifindex
                and message.address
                and isinstance(station, Station)
                and station.present & _DESCRIBED == _DESCRIBED
            ):
                return part[0].type
    return 0
