"""Observations and time in, changes out: the one place that holds what is true.

Every observation is handled as of its own time: whatever was due before comes first, and is
done as of when it was due. So it does not matter how often somebody looks at the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from msgspec.structs import replace

from meshwatch.link import Hearing, Link
from meshwatch.model import (
    Change,
    Interface,
    Key,
    Neighbor,
    Readings,
    Reason,
    Row,
    Source,
)
from meshwatch.observations import (
    CandidateSeen,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)

PACE_NS = 1_000_000_000  # readings of one neighbor are published at most this often

#: Where stations, candidates and interfaces come from: only its deafness excuses a silence.
_STATIONS = "nl80211"

Changes = list[Change]


class _Entry:
    """What is published of a link, and what is due."""

    __slots__ = ("key", "link", "paced_ns", "pending", "queued_ns", "row")

    def __init__(self, ifindex: int, address: str) -> None:
        self.key = Key("neighbor", ifindex, address)
        self.link = Link(ifindex, address)
        self.row: Neighbor | None = None
        self.pending: Readings | None = None  # newer than the row's, to be published in time
        self.paced_ns = 0  # when the row was last published
        self.queued_ns: int | None = None  # the place in the agenda that counts


class _Port:
    """Evidence for one interface, by source, and its stations."""

    def __init__(self) -> None:
        self.seen: InterfaceSeen | None = None  # nl80211
        self.seen_ns = 0
        self.link: LinkSeen | None = None  # rtnetlink
        self.link_ns = 0
        self.row: Interface | None = None
        self.running_ns = 0  # up and running since then, or last
        self.entries: dict[str, _Entry] = {}

    def entry(self, ifindex: int, address: str) -> _Entry:
        entry = self.entries.get(address)
        if entry is None:
            entry = self.entries[address] = _Entry(ifindex, address)
        return entry

    def absent(self, addresses: frozenset[str]) -> list[str]:
        """Stations that a dump did not list; it never lists a candidate, which has no station."""
        return [
            address
            for address, entry in self.entries.items()
            if address not in addresses and (entry.link.station or not entry.row)
        ]

    def shows(self, link: Link) -> bool:
        """Evidence from before the interface came up is void: the kernel kept no station."""
        row = self.row
        alive = row is not None and row.up and row.running
        return alive and link.presence is not None and link.evidence_ns >= self.running_ns

    def interface(self) -> Interface | None:
        """Who wins: nl80211 says what it is, rtnetlink how it is, the newest its name."""
        seen, link = self.seen, self.link
        if seen is None or seen.type is None:
            return None
        return Interface(
            ifindex=seen.ifindex,
            interface=link.name if link and self.link_ns >= self.seen_ns else seen.name,
            type=seen.type,
            wiphy=seen.wiphy,
            address=seen.address,
            up=link.up if link else True,
            running=link.running if link else True,
            frequency_mhz=seen.frequency_mhz,
        )


class Table:
    """All neighbors, interfaces and sources.

    Stations of an interface that nl80211 has not yet called a mesh or IBSS one are not noted:
    the next look will find them.
    """

    def __init__(self) -> None:
        #: What the table holds is complete, or the failure that keeps it from being so is known.
        self.ready = False
        self._now = 0
        self._sources: dict[str, Source] = {}
        self._ports: dict[int, _Port] = {}
        self._hearing = Hearing()
        self._agenda: list[tuple[int, int, str]] = []  # a heap of (due, ifindex, address)

    def observe(self, observation: Observation, now: int) -> Changes:
        """Note an observation made at ``now`` (ns); a time before the latest known is that one."""
        now = self._now = max(now, self._now)
        if isinstance(observation, Deaf) and observation.source == _STATIONS:
            # First of all, as what is due may be due for nothing but our deafness.
            self._hearing.deaf(observation.since_ns, now)
        changes = self.tick(now)
        match observation:
            case StationSeen(ifindex, address, station):
                if (port := self._ports.get(ifindex)) and port.row:
                    entry = port.entry(ifindex, address)
                    entry.link.look(station, port.row.type, now, self._hearing)
                    self._publish(port, entry, now, changes)
            case CandidateSeen(ifindex, address, signal_dbm):
                if (port := self._ports.get(ifindex)) and port.row:
                    entry = port.entry(ifindex, address)
                    entry.link.candidate(signal_dbm, now, self._hearing)
                    self._publish(port, entry, now, changes)
            case StationDeleted(ifindex, address):
                if port := self._ports.get(ifindex):
                    self._forget(port, (address,), Reason.DELETED, changes)
            case StationsSwept(ifindex, addresses):
                if port := self._ports.get(ifindex):
                    self._forget(port, port.absent(addresses), Reason.ABSENT, changes)
            case InterfaceSeen(ifindex):
                port = self._ports.setdefault(ifindex, _Port())
                port.seen, port.seen_ns = observation, now
                self._reconsider(port, now, changes)
            case LinkSeen(ifindex):
                port = self._ports.setdefault(ifindex, _Port())
                port.link, port.link_ns = observation, now
                self._reconsider(port, now, changes)
            case InterfaceDeleted(ifindex):
                if (port := self._ports.pop(ifindex, None)) is not None:
                    port.seen = None
                    self._reconsider(port, now, changes)
            case InterfacesSwept(ifindexes):
                for port in [p for i, p in self._ports.items() if i not in ifindexes]:
                    port.seen = None  # rtnetlink may still know it, as it knows eth0
                    self._reconsider(port, now, changes)
            case SourceState(source, failure):
                self._note_source(source, failure, now, changes)
            case Settled(source):
                self._note_source(source, None, now, changes)
                self.ready = self.ready or source == _STATIONS
        return changes

    def tick(self, now: int) -> Changes:
        """Do what is due at ``now``."""
        now = self._now = max(now, self._now)
        changes: Changes = []
        while (due := self.deadline()) is not None and due <= now:
            _, ifindex, address = heappop(self._agenda)
            port = self._ports[ifindex]
            entry = port.entries[address]
            entry.queued_ns = None
            expires_ns = entry.link.expires_ns(due, self._hearing)
            if expires_ns is not None and expires_ns <= due:
                self._forget(port, (address,), Reason.SILENT, changes)
            else:
                self._publish_readings(entry, due, changes)
                self._queue(entry)
        return changes

    def deadline(self) -> int | None:
        """When something changes although nothing is observed; None: never."""
        while self._agenda:
            queued, ifindex, address = self._agenda[0]
            port = self._ports.get(ifindex)
            entry = port.entries.get(address) if port else None
            counts = entry is not None and entry.queued_ns == queued
            if entry and counts and self._due(entry) == queued:
                return queued
            heappop(self._agenda)
            if entry and counts:  # due later, or not at all
                entry.queued_ns = None
                self._queue(entry)
        return None

    def row(self, key: Key) -> Row | None:
        """One published row as it is now."""
        if key.kind == "source":
            return self._sources.get(key.name)
        port = self._ports.get(key.ifindex)
        if port is None or key.kind == "interface":
            return port.row if port else None
        entry = port.entries.get(key.name)
        return entry.row if entry else None

    def snapshot(self) -> tuple[Row, ...]:
        """All published rows: interfaces, sources, neighbors, each kind in a stable order."""
        ports = [port for _, port in sorted(self._ports.items())]
        entries = [entry for port in ports for _, entry in sorted(port.entries.items())]
        interfaces = [port.row for port in ports if port.row]
        sources = [source for _, source in sorted(self._sources.items())]
        return (*interfaces, *sources, *(entry.row for entry in entries if entry.row))

    def _publish(self, port: _Port, entry: _Entry, now: int, changes: Changes) -> None:
        """Compare a neighbor with what is published of it; news go out at once."""
        old, link = entry.row, entry.link
        if not port.shows(link):
            if old is not None:
                reason = Reason.SILENT if link.presence is None else Reason.INTERFACE_DOWN
                self._remove(entry, reason, changes)
            return
        assert port.row is not None
        new = link.neighbor(port.row.interface, old.first_heard_ns if old else now)
        if old == new:
            entry.pending = None
        elif old is not None and old == replace(new, readings=old.readings):
            entry.pending = new.readings
            if entry.paced_ns + PACE_NS <= now:
                self._publish_readings(entry, now, changes)
        else:
            entry.row, entry.pending, entry.paced_ns = new, None, now
            changes.append(Change(entry.key, old, new))
        self._queue(entry)

    def _publish_readings(self, entry: _Entry, now: int, changes: Changes) -> None:
        old = entry.row
        assert old is not None and entry.pending is not None
        entry.row = replace(old, readings=entry.pending)
        entry.pending, entry.paced_ns = None, now
        changes.append(Change(entry.key, old, entry.row, news=False))

    def _remove(self, entry: _Entry, reason: Reason, changes: Changes) -> None:
        """Take the row from the table; the link may stay."""
        if entry.row is not None:
            changes.append(Change(entry.key, entry.row, None, reason=reason))
        entry.row = entry.pending = None

    def _forget(
        self, port: _Port, addresses: Iterable[str], reason: Reason, changes: Changes
    ) -> None:
        """Take rows and links from the table: whoever comes back is somebody new."""
        for address in addresses:
            if entry := port.entries.pop(address, None):
                self._remove(entry, reason, changes)

    def _due(self, entry: _Entry) -> int | None:
        if entry.row is None:
            return None
        expires_ns = entry.link.expires_ns(self._now, self._hearing)
        publish_ns = entry.paced_ns + PACE_NS if entry.pending else None
        return min((ns for ns in (expires_ns, publish_ns) if ns is not None), default=None)

    def _queue(self, entry: _Entry) -> None:
        """See to it that the agenda has a place for the entry, not after it is due."""
        due = self._due(entry)
        if due is not None and (entry.queued_ns is None or due < entry.queued_ns):
            entry.queued_ns = due
            heappush(self._agenda, (due, entry.key.ifindex, entry.key.name))

    def _reconsider(self, port: _Port, now: int, changes: Changes) -> None:
        """The evidence for an interface changed: so may its row, and all its neighbors'."""
        old, new = port.row, port.interface()
        if new == old:
            return
        source = self._sources.get(_STATIONS)
        gone = Reason.FAMILY_REMOVED if source and source.failure else Reason.INTERFACE_REMOVED
        if old and (new is None or new.type is not old.type):
            self._forget(port, list(port.entries), gone, changes)
        if new and new.up and new.running and not (old and old.up and old.running):
            port.running_ns = now
        port.row = new
        if row := new or old:
            changes.append(Change(row.key, old, new, reason=None if new else gone))
        for entry in port.entries.values():
            self._publish(port, entry, now, changes)

    def _note_source(self, source: str, failure: str | None, now: int, changes: Changes) -> None:
        old = self._sources.get(source)
        if old is None or old.failure != failure:
            new = self._sources[source] = Source(source=source, since_ns=now, failure=failure)
            changes.append(Change(new.key, old, new))
        self.ready = self.ready or (source == _STATIONS and failure is not None)
