"""Observations and time in, changes out: the one place that holds what is true.

Every observation is handled as of its own time: whatever was due before comes first, and is
done as of when it was due. So it does not matter how often somebody looks at the clock.

What would decide something about a neighbor is asked for (:meth:`Table.questions`); nobody has
to answer.

News of one neighbor is told at once sixteen times on credit, and one more every ten seconds: a
link that bounces is held back then, as ``bouncing``, and what is told of it when its turn comes
is how it is at that time. Only that a neighbor is gone is never held back.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from msgspec.structs import replace

from meshwatch.account import Account
from meshwatch.beyond import Beyond
from meshwatch.model import (
    Change,
    Evidence,
    Key,
    Neighbor,
    Presence,
    Proof,
    Proximity,
    Reason,
    Row,
    Source,
)
from meshwatch.observations import (
    BeaconSeen,
    CandidateSeen,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    Path,
    PathSeen,
    PathsSwept,
    Poked,
    ProbeAnswered,
    ProxySeen,
    Question,
    ScanSeen,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.port import Entry, Port
from meshwatch.portrait import neighbor

PACE_NS = 1_000_000_000  # readings of one neighbor are published at most this often

#: Where stations, candidates and interfaces come from, and where beacons do.
_STATIONS, _FRAMES = "nl80211", "frames"
#: Whose deafness excuses a silence: that of whatever else we hear with does not.
_EARS = frozenset({_STATIONS, "daemon"})

#: Probes to all neighbors together: a room full of losses must not be made worse by them.
PROBE_BURST, PROBE_PERIOD_NS = 30, 1_000_000_000

Changes = list[Change]


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
        self._ports: dict[int, Port] = {}
        self._agenda: list[tuple[int, int, str]] = []  # a heap of (due, ifindex, address)
        self._questions: list[Question] = []
        self._probes = Account(PROBE_BURST, PROBE_PERIOD_NS)

    def observe(self, observation: Observation, now: int) -> Changes:
        """Note an observation made at ``now`` (ns); a time before the latest known is that one."""
        now = self._now = max(now, self._now)
        # First of all what excuses silence, as what is due may be due for nothing but our deafness.
        if isinstance(observation, Deaf) and observation.source in _EARS:
            self._deafen(observation.since_ns, now)
        changes = self.tick(now)
        match observation:
            case StationSeen(ifindex, address, station):
                if (port := self._ports.get(ifindex)) and port.row:
                    entry = port.entry(address, now)
                    entry.link.look(station, port.row.type, now, port.hearing)
                    self._publish(port, entry, now, changes)
            case BeaconSeen():
                self._on_beacon(observation, now, changes)
            case ProbeAnswered(ifindex, address, acknowledged):
                if (port := self._ports.get(ifindex)) and (entry_ := port.entries.get(address)):
                    port.means.answered()
                    entry_.link.probed(acknowledged, now, port.hearing)
                    self._publish(port, entry_, now, changes)
            case Poked(ifindex, address):
                if (port := self._ports.get(ifindex)) and (entry_ := port.entries.get(address)):
                    port.means.poked(now)
                    entry_.link.poked(now)
                    self._publish(port, entry_, now, changes)
            case CandidateSeen(ifindex, address, signal_dbm):
                if (port := self._ports.get(ifindex)) and port.row:
                    entry = port.entry(address, now)
                    entry.link.candidate(signal_dbm, now, port.hearing)
                    self._publish(port, entry, now, changes)
            case StationDeleted(ifindex, address):
                if port := self._ports.get(ifindex):
                    self._forget(port, (address,), Reason.DELETED, Proof.EVENT, changes)
            case StationsSwept(ifindex, addresses):
                if port := self._ports.get(ifindex):
                    gone = port.absent(addresses)
                    self._forget(port, gone, Reason.ABSENT, Proof.LOOK, changes)
            case PathSeen(ifindex, address, path):
                self._see_beyond(ifindex, address, path, now, changes)
            case ProxySeen(ifindex, address, proxy):
                self._see_beyond(ifindex, address, proxy, now, changes)
            case PathsSwept():
                self._on_paths_swept(observation, now, changes)
            case ScanSeen(wiphy, scanning):
                self._on_scan(wiphy, scanning, now)
            case InterfaceSeen(ifindex):
                port = self._ports.setdefault(ifindex, Port())
                port.seen, port.seen_ns = observation, now
                self._reconsider(port, now, changes)
            case LinkSeen(ifindex):
                port = self._ports.setdefault(ifindex, Port())
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
                if source == _FRAMES and failure is not None:
                    self._untap(now, changes)
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
            expires_ns = self._expires_ns(port, entry)
            if expires_ns is not None and expires_ns <= due:
                self._forget(port, (address,), Reason.SILENT, Proof.BEACON, changes)
                continue
            if entry.link.ask_ns is not None and entry.link.ask_ns <= due:
                self._ask(port, entry, due)
            self._publish(port, entry, due, changes)
        return changes

    def deadline(self) -> int | None:
        """When something changes, or a question arises, although nothing is observed."""
        while self._agenda:
            queued, ifindex, address = self._agenda[0]
            port = self._ports.get(ifindex)
            entry = port.entries.get(address) if port else None
            counts = entry is not None and entry.queued_ns == queued
            if port and entry and counts and self._due(port, entry) == queued:
                return queued
            heappop(self._agenda)
            if port and entry and counts:  # due later, or not at all
                entry.queued_ns = None
                self._queue(port, entry)
        return None

    def questions(self) -> list[Question]:
        """What would decide something now; asked once, here."""
        questions, self._questions = self._questions, []
        return questions

    def row(self, key: Key) -> Row | None:
        """One published row as it is now."""
        if key.kind == "source":
            return self._sources.get(key.name)
        port = self._ports.get(key.ifindex)
        if port is None or key.kind == "interface":
            return port.row if port else None
        entry = port.entries.get(key.name)
        return entry.row if entry else None

    def ifindex(self, interface: str) -> int | None:
        """The interface of this name."""
        rows = (port.row for port in self._ports.values())
        return next((row.ifindex for row in rows if row and row.interface == interface), None)

    def snapshot(self) -> tuple[Row, ...]:
        """All published rows: interfaces, sources, neighbors, each kind in a stable order."""
        ports = [port for _, port in sorted(self._ports.items())]
        entries = [entry for port in ports for _, entry in sorted(port.entries.items())]
        interfaces = [port.row for port in ports if port.row]
        sources = [source for _, source in sorted(self._sources.items())]
        return (*interfaces, *sources, *(entry.row for entry in entries if entry.row))

    # ---- evidence that concerns more than one neighbor ----------------------------------------

    def _on_beacon(self, seen: BeaconSeen, now: int, changes: Changes) -> None:
        port = self._ports.get(seen.ifindex)
        if port is None or port.row is None:
            return
        if seen.address == port.row.address:
            if port.own != seen.beacon:
                port.own = seen.beacon
                self._reconsider(port, now, changes)
            return
        port.means.tapped = True
        entry = port.stranger(seen.address, now)
        if entry is not None:
            entry.link.hear(seen.beacon, seen.heard_ns, now, port.hearing, port.own)
            self._publish(port, entry, now, changes)

    def _see_beyond(
        self, ifindex: int, address: str, seen: Path | str, now: int, changes: Changes
    ) -> None:
        port = self._ports.get(ifindex)
        if port is None or port.row is None or address == port.row.address:
            return
        entry = port.outsider(address, now)
        if entry is None:
            return
        if entry.beyond is None:
            entry.beyond = Beyond(address)
        if isinstance(seen, Path):
            entry.beyond.see_path(seen, now)
        else:
            entry.beyond.see_proxy(seen, now)
        self._publish(port, entry, now, changes)

    def _on_paths_swept(self, swept: PathsSwept, now: int, changes: Changes) -> None:
        port = self._ports.get(swept.ifindex)
        for address, entry in list(port.entries.items()) if port else ():
            beyond = entry.beyond
            if port is None or beyond is None:
                continue
            if beyond.path is not None and address not in swept.paths:
                beyond.see_path(None, now)
            if beyond.proxy is not None and address not in swept.proxies:
                beyond.see_proxy(None, now)
            self._publish(port, entry, now, changes)
            if beyond.empty:
                entry.beyond = None
                if entry.row is None and entry.link.life_ns is None:
                    port.forget(address, now)

    def _deafen(self, since_ns: int, until_ns: int) -> None:
        for port in self._ports.values():
            port.hearing.deaf(since_ns, until_ns)
            self._plan_anew(port, until_ns)

    def _on_scan(self, wiphy: int, scanning: bool, now: int) -> None:
        for port in self._ports.values():
            if port.seen is not None and port.seen.wiphy == wiphy:
                port.hearing.scan(scanning, now)
                self._plan_anew(port, now)

    def _untap(self, now: int, changes: Changes) -> None:
        for port in self._ports.values():
            port.own = None
            port.means.tapped = False
            for entry in list(port.entries.values()):
                entry.link.untapped()
                self._publish(port, entry, now, changes)
            self._reconsider(port, now, changes)

    # ---- questions ------------------------------------------------------------------------------

    def _plan_anew(self, port: Port, now: int) -> None:
        for entry in port.entries.values():
            entry.link.plan(now, port.hearing, port.means)
            self._queue(port, entry)

    def _ask(self, port: Port, entry: Entry, now: int) -> None:
        if entry.link.wants_probe:
            ready_ns = self._probes.ready_ns()
            if ready_ns > now:
                entry.link.ask_ns = ready_ns
                return
            self._probes.spend(now)
        self._questions.append(entry.link.ask(now, port.means))

    # ---- publication ----------------------------------------------------------------------------

    def _publish(self, port: Port, entry: Entry, now: int, changes: Changes) -> None:
        """Compare a neighbor with what is published of it; news go out at once, as a rule."""
        if port.alive:
            entry.link.plan(now, port.hearing, port.means)
        old = entry.row
        new = self._row(port, entry, now)
        if new is None:
            entry.held = False
            if old is not None:
                self._withdraw(port, entry, changes)
                self._note_gate(port, old, None, now, changes)
        elif (
            old is not None
            and old == replace(new, readings=old.readings, bouncing=old.bouncing)
            and not self._calmed(entry, now)
        ):
            entry.held = False
            entry.pending = new.readings if new.readings != old.readings else None
            if entry.pending is not None and entry.paced_ns + PACE_NS <= now:
                self._publish_readings(entry, now, changes)
        elif self._may_tell(entry, old, new, now):
            calmed = self._calmed(entry, now)
            entry.account.spend(now)
            entry.held = False
            bouncing = entry.account.ready_ns() > now or bool(old and old.bouncing and not calmed)
            entry.row, entry.pending, entry.paced_ns = new, None, now
            if bouncing:
                entry.row = replace(new, bouncing=True)
            changes.append(Change(entry.key, old, entry.row))
            self._note_gate(port, old, new, now, changes)
        else:
            entry.held = True
        self._queue(port, entry)

    def _row(self, port: Port, entry: Entry, now: int) -> Neighbor | None:
        """What is to be published of an address: in radio range rather than beyond."""
        first_heard_ns = entry.row.first_heard_ns if entry.row else now
        if port.row is None:
            return None
        beyond = entry.beyond
        if port.shows(entry.link):
            row = neighbor(entry.link, port.row.interface, first_heard_ns)
            if beyond is not None and beyond.path is not None:
                row = beyond.add_path(row)
            return row
        if port.alive and beyond is not None and beyond.shows:
            return beyond.neighbor(port.row.ifindex, port.row.interface, first_heard_ns)
        return None

    def _may_tell(self, entry: Entry, old: Neighbor | None, new: Neighbor, now: int) -> bool:
        gone = new.presence is Presence.HEARD and old and old.presence is not Presence.HEARD
        return bool(gone) or entry.account.ready_ns() <= now

    def _calmed(self, entry: Entry, now: int) -> bool:
        return entry.row is not None and entry.row.bouncing and entry.account.half_ns() <= now

    def _publish_readings(self, entry: Entry, now: int, changes: Changes) -> None:
        old = entry.row
        assert old is not None and entry.pending is not None
        entry.row = replace(old, readings=entry.pending)
        entry.pending, entry.paced_ns = None, now
        changes.append(Change(entry.key, old, entry.row, news=False))

    def _withdraw(self, port: Port, entry: Entry, changes: Changes) -> None:
        """There is nothing to show any more; what is known stays."""
        link, beyond = entry.link, entry.beyond
        if not port.alive:
            self._remove(entry, Reason.INTERFACE_DOWN, Evidence(proof=Proof.EVENT), changes)
        elif entry.row and entry.row.proximity is not Proximity.DIRECT and beyond:
            self._remove(entry, beyond.reason, Evidence(proof=Proof.PATH), changes)
        elif link.presence is None:
            self._remove(entry, Reason.SILENT, link.evidence, changes)
        else:
            self._remove(entry, Reason.INTERFACE_DOWN, Evidence(proof=Proof.EVENT), changes)

    def _remove(self, entry: Entry, reason: Reason, evidence: Evidence, changes: Changes) -> None:
        """Take the row from the table; the link may stay."""
        if entry.row is not None:
            change = Change(entry.key, entry.row, None, reason=reason, evidence=evidence)
            changes.append(change)
        entry.row = entry.pending = None
        entry.held = False

    def _forget(
        self,
        port: Port,
        addresses: Iterable[str],
        reason: Reason,
        proof: Proof,
        changes: Changes,
    ) -> None:
        """Take rows and links from the table: whoever comes back is somebody new."""
        for address in addresses:
            if entry := port.forget(address, self._now):
                old = entry.row
                self._remove(entry, reason, Evidence(proof=proof), changes)
                self._note_gate(port, old, None, self._now, changes)

    def _note_gate(
        self, port: Port, old: Neighbor | None, new: Neighbor | None, now: int, changes: Changes
    ) -> None:
        """The gates that are in reach stand in the interface's row."""
        if (old is not None and old.gate) or (new is not None and new.gate):
            self._tell_interface(port, changes)

    # ---- the agenda -----------------------------------------------------------------------------

    def _expires_ns(self, port: Port, entry: Entry) -> int | None:
        return entry.link.expires_ns(self._now, port.hearing)

    def _due(self, port: Port, entry: Entry) -> int | None:
        times = [entry.link.ask_ns] if port.alive else []
        if entry.row is not None:
            times.append(self._expires_ns(port, entry))
            if entry.pending is not None:
                times.append(entry.paced_ns + PACE_NS)
            if entry.row.bouncing and not entry.held:
                times.append(entry.account.half_ns())
        if entry.held:
            times.append(entry.account.ready_ns())
        return min((ns for ns in times if ns is not None), default=None)

    def _queue(self, port: Port, entry: Entry) -> None:
        """See to it that the agenda has a place for the entry, not after it is due."""
        due = self._due(port, entry)
        if due is not None and (entry.queued_ns is None or due < entry.queued_ns):
            entry.queued_ns = due
            heappush(self._agenda, (due, entry.key.ifindex, entry.key.name))

    # ---- interfaces and sources -----------------------------------------------------------------

    def _reconsider(self, port: Port, now: int, changes: Changes) -> None:
        """The evidence for an interface changed: so may its row, and all its neighbors'."""
        old, new = port.row, port.interface()
        if new == old:
            return
        source = self._sources.get(_STATIONS)
        gone = Reason.FAMILY_REMOVED if source and source.failure else Reason.INTERFACE_REMOVED
        if old and (new is None or new.type is not old.type):
            self._forget(port, list(port.entries), gone, Proof.EVENT, changes)
            new = port.interface()
        if new and new.up and new.running and not (old and old.up and old.running):
            port.running_ns = now
        port.row = new
        if row := new or old:
            changes.append(Change(row.key, old, new, reason=None if new else gone))
        for entry in list(port.entries.values()):
            self._publish(port, entry, now, changes)

    def _tell_interface(self, port: Port, changes: Changes) -> None:
        old, new = port.row, port.interface()
        if old is not None and new is not None and new != old:
            port.row = new
            changes.append(Change(new.key, old, new))

    def _note_source(self, source: str, failure: str | None, now: int, changes: Changes) -> None:
        old = self._sources.get(source)
        if old is None or old.failure != failure:
            new = self._sources[source] = Source(source=source, since_ns=now, failure=failure)
            changes.append(Change(new.key, old, new))
        self.ready = self.ready or (source == _STATIONS and failure is not None)
