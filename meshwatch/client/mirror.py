"""The daemon's table as its lines tell it, and what changed with each line; no I/O, no clock."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, json
from msgspec.structs import replace

from meshwatch import protocol
from meshwatch.model import Reason
from meshwatch.protocol import Evidence, Interface, Neighbor, ProtocolError, Source, Version


class NeighborKey(NamedTuple):
    """Identity of a neighbor in the table; never that of a person or machine."""

    ifindex: int
    address: str


# ---- events -------------------------------------------------------------------------------------


class Came(Struct, frozen=True):
    """A neighbor came into the table."""

    neighbor: Neighbor


class Changed(Struct, frozen=True):
    """Something about a neighbor that is news changed; ``was`` is what it was before."""

    neighbor: Neighbor
    was: Neighbor


class Removed(Struct, frozen=True):
    """A neighbor left the table; ``neighbor`` is the last that was known of it.

    ``reason`` is "absent" when it happened while we were not connected. ``evidence`` is what the
    removal rests on, if that was told.
    """

    neighbor: Neighbor
    reason: str
    evidence: Evidence | None = None


class Reading(Struct, frozen=True):
    """Nothing but a neighbor's readings changed (``live`` only)."""

    neighbor: Neighbor
    was: Neighbor


class InterfaceCame(Struct, frozen=True):
    """A mesh or IBSS interface came into the table."""

    interface: Interface


class InterfaceChanged(Struct, frozen=True):
    """An interface changed; ``was`` is what it was before."""

    interface: Interface
    was: Interface


class InterfaceRemoved(Struct, frozen=True):
    """An interface is gone, or is neither mesh nor IBSS any more; ``reason`` as in Removed."""

    interface: Interface
    reason: str


class SourceChanged(Struct, frozen=True):
    """A source of observations came (``was`` is None), failed or recovered."""

    source: Source
    was: Source | None = None


class Resynchronised(Struct, frozen=True):
    """The mirror equals the daemon's table, after a connection or because we were slow.

    The events before this one were the differences from what the mirror held.
    """

    version: Version


class Disconnected(Struct, frozen=True):
    """The daemon went away; the mirror keeps what it last said. ``why`` is for people."""

    why: str


Event = (
    Came
    | Changed
    | Removed
    | Reading
    | InterfaceCame
    | InterfaceChanged
    | InterfaceRemoved
    | SourceChanged
    | Resynchronised
    | Disconnected
)

# ---- mirror -------------------------------------------------------------------------------------


class Mirror:
    """The daemon's table as of the last line received.

    It survives a lost connection: the snapshot of the next one is compared with it, and only the
    differences become events. What the restart of a daemon alone would alter is no difference:
    readings, ``since_unix_ms``, ``first_heard_unix_ms``, the reason and evidence of an unchanged
    presence, and that nothing was heard yet of what beacons tell (the mirror takes them over all
    the same).
    """

    def __init__(self) -> None:
        self.neighbors: dict[NeighborKey, Neighbor] = {}
        self.interfaces: dict[int, Interface] = {}
        self.sources: dict[str, Source] = {}
        self.version: Version | None = None  # of the daemon last spoken with
        self.synchronised = False  # a complete snapshot arrived over the present connection
        self._greeted = False
        self._parts: list[protocol.Snapshot] = []

    def disconnected(self) -> None:
        """The connection is gone; the next line is the first of another one."""
        self.synchronised = False
        self._greeted = False
        self._parts.clear()

    def receive(self, line: bytes) -> list[Event]:
        """Take in one line; what it changed. Raises ProtocolError."""
        message = protocol.decode(line)
        if message is None:  # a class of a later minor version
            return []
        if isinstance(message, Version):
            self.version = message
            self._greeted = True
            return []
        if self.version is None or not self._greeted:
            raise ProtocolError("the first line is not of class 'version'")
        if isinstance(message, protocol.Snapshot):
            self._parts.append(message)
            return [] if message.more else self._resynchronise(self.version)
        if self._parts or not self.synchronised:
            raise ProtocolError("a change before the end of the snapshot")
        return self._apply(message)

    def _apply(self, message: protocol.Message) -> list[Event]:
        match message:
            case protocol.Changed(neighbor=new):
                old = self.neighbors.get(_key(new))
                self.neighbors[_key(new)] = new
                return [Came(new) if old is None else Changed(new, old)]
            case protocol.Reading(neighbor=new):
                old = self.neighbors.get(_key(new))
                self.neighbors[_key(new)] = new
                return [Came(new) if old is None else Reading(new, old)]
            case protocol.Removed(neighbor=last, reason=reason, evidence=evidence):
                known = self.neighbors.pop(_key(last), None)
                return [] if known is None else [Removed(last, reason, evidence)]
            case protocol.InterfaceChanged(interface=interface):
                before = self.interfaces.get(interface.ifindex)
                self.interfaces[interface.ifindex] = interface
                return [_interface_event(interface, before)]
            case protocol.InterfaceRemoved(interface=interface, reason=reason):
                before = self.interfaces.pop(interface.ifindex, None)
                return [] if before is None else [InterfaceRemoved(interface, reason)]
            case protocol.SourceChanged(source=source):
                was = self.sources.get(source.source)
                self.sources[source.source] = source
                return [SourceChanged(source, was)]
        return []

    def _resynchronise(self, version: Version) -> list[Event]:
        neighbors, interfaces, sources = self.neighbors, self.interfaces, self.sources
        self.neighbors = {_key(row): row for part in self._parts for row in part.neighbors}
        self.interfaces = {row.ifindex: row for part in self._parts for row in part.interfaces}
        self.sources = {row.source: row for part in self._parts for row in part.sources}
        self._parts.clear()
        self.synchronised = True
        events: list[Event] = [
            _interface_event(row, interfaces.get(ifindex))
            for ifindex, row in self.interfaces.items()
            if ifindex not in interfaces or _differ(interfaces[ifindex], row)
        ]
        for name, source in self.sources.items():
            was = sources.get(name)
            if was is None or was.failure != source.failure:
                events.append(SourceChanged(source, was))
        for key, gone in neighbors.items():
            if key not in self.neighbors:
                events.append(Removed(gone, Reason.ABSENT))
        for key, new in self.neighbors.items():
            old = neighbors.get(key)
            if old is None:
                events.append(Came(new))
            elif _differ(old, new):
                events.append(Changed(new, old))
        for ifindex, interface in interfaces.items():
            if ifindex not in self.interfaces:
                events.append(InterfaceRemoved(interface, Reason.ABSENT))
        events.append(Resynchronised(version))
        return events


_NOT_COMPARED = {
    "reason",
    "evidence",
    "since_unix_ms",
    "first_heard_unix_ms",
    "restarts",
    "readings",
}
# By beacons, by echoes, by local programs: what a restarted daemon does not know yet.
_LEARNED_LATER = {
    "security",
    "mesh_id",
    "accepting",
    "beacon_interval_tu",
    "addresses",
    "name",
    "nick",
    "jid",
    "claims",
}


def _differ(old: Neighbor | Interface, new: Neighbor | Interface) -> bool:
    for name in new.__struct_fields__:
        before, after = _compared(old, name), _compared(new, name)
        unknown = name in _LEARNED_LATER and (before in _UNKNOWN or after in _UNKNOWN)
        if before != after and name not in _NOT_COMPARED and not unknown:
            return True
    return False


_UNKNOWN: tuple[object, ...] = (None, frozenset())


def _compared(row: Neighbor | Interface, name: str) -> object:
    """Of addresses those that are verified, of claims what is claimed: not how, or since when."""
    value = getattr(row, name)
    if name == "addresses":
        return frozenset(each.address for each in value if each.proof != "derived")
    if name == "claims":
        return frozenset(json.encode(replace(each, claimed_unix_ms=0)) for each in value)
    return value


def _key(neighbor: Neighbor) -> NeighborKey:
    return NeighborKey(neighbor.ifindex, neighbor.address)


def _interface_event(new: Interface, old: Interface | None) -> Event:
    return InterfaceCame(new) if old is None else InterfaceChanged(new, old)
