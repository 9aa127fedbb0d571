"""Observations and time in, changes out: the one place that holds what is true.

Every observation is handled as of its own time: whatever was due before comes first, and is
done as of when it was due. So it does not matter how often somebody looks at the clock.

What would decide something about a neighbor is asked for (:meth:`Table.questions`); nobody has
to answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from meshwatch.account import Account
from meshwatch.entry import Entry
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
    AddressFailed,
    AddressSeen,
    AddressWanted,
    AwaySeen,
    BeaconSeen,
    CandidateSeen,
    ClaimMade,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Observation,
    PathSeen,
    PathsSwept,
    Poked,
    PokesPromised,
    ProbeAnswered,
    ProxySeen,
    Question,
    Settled,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
    Untapped,
)
from meshwatch.port import Port
from meshwatch.portrait import readings
from meshwatch.register import Place, Register

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
        self._register = Register(self._ports)
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
            case PokesPromised(ifindex, lifetime_ns):
                if port := self._ports.get(ifindex):
                    port.means.promised(now, lifetime_ns)
                    self._plan_anew(port, now)
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
                    absent = port.absent(addresses)
                    self._forget(port, absent, Reason.ABSENT, Proof.LOOK, changes)
            case PathSeen(ifindex, address, seen) | ProxySeen(ifindex, address, seen):
                port = self._ports.get(ifindex)
                if port and (beyond := port.see_beyond(address, seen, now)):
                    self._publish(port, beyond, now, changes)
            case PathsSwept(ifindex):
                if port := self._ports.get(ifindex):
                    for each in port.sweep_beyond(observation, now):
                        self._publish(port, each, now, changes)
                        port.drop_beyond(each, now)
            case AddressSeen(ifindex, address, ip, proof):
                port = self._ports.setdefault(ifindex, Port())
                found = port.addresses.see(address, ip, proof, now, port.entries)
                self._relocate(port, found, now, changes)
            case AddressFailed(ifindex, ip):
                if (port := self._ports.get(ifindex)) and (owner := port.addresses.fail(ip)):
                    self._relocate(port, (owner,), now, changes)
                    self._want_address(port, owner)
            case ClaimMade():
                self._publish_all(self._register.claim(observation, now), now, changes)
            case AwaySeen(wiphy, away):
                self._on_move(wiphy, away, now)
            case InterfaceSeen(ifindex):
                port = self._ports.setdefault(ifindex, Port())
                port.seen, port.seen_ns = observation, now
                self._reconsider(port, now, changes)
            case LinkSeen(ifindex):
                port = self._ports.setdefault(ifindex, Port())
                port.link, port.link_ns = observation, now
                if not (observation.up and observation.running):
                    port.unlearn()
                self._reconsider(port, now, changes)
            case InterfaceDeleted(ifindex):
                if (port := self._ports.pop(ifindex, None)) is not None:
                    port.seen = None
                    self._reconsider(port, now, changes)
            case InterfacesSwept(ifindexes, family_removed):
                gone = Reason.FAMILY_REMOVED if family_removed else Reason.INTERFACE_REMOVED
                for port in [p for i, p in self._ports.items() if i not in ifindexes]:
                    port.seen = None  # rtnetlink may still know it, as it knows eth0
                    self._reconsider(port, now, changes, gone)
            case Deaf(source) if source == _FRAMES:
                for port in self._ports.values():
                    for entry in port.entries.values():
                        entry.link.overrun()
            case Untapped(wiphy):
                self._untap(wiphy, now, changes)
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
        if not self._agenda or self._agenda[0][0] > now:  # places may be too early, never too late
            return changes
        while (due := self.deadline()) is not None and due <= now:
            _, ifindex, address = heappop(self._agenda)
            port = self._ports[ifindex]
            entry = port.entries[address]
            entry.queued_ns = None
            claims_end_ns = entry.claims_end_ns
            if claims_end_ns is not None and claims_end_ns <= due:
                self._publish_all(self._register.expire(entry, due), due, changes)
            expires_ns = self._expires_ns(port, entry)
            if expires_ns is not None and expires_ns <= due:
                self._forget(port, (address,), Reason.SILENT, Proof.BEACON, changes)
                continue
            asks_ns = entry.link.questions.ask_ns
            if port.alive and asks_ns is not None and asks_ns <= due:
                self._ask(port, entry, due)
            elif paced := entry.pace(due):
                changes.append(paced)
                self._queue(port, entry)
                continue
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

    def takes(self, claim: ClaimMade) -> bool:
        """The claim is about a neighbor, and not one too many of it."""
        return self._register.takes(claim)

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
            if seen.beacon.signal_dbm is not None:  # nobody hears himself
                port.forged = True
                self._tell_interface(port, changes)
            elif port.own != seen.beacon:
                port.own = seen.beacon
                self._reconsider(port, now, changes)
            return
        port.means.tapped = True
        entry = port.stranger(seen.address, now)
        if entry is not None:
            entry.link.hear(seen.beacon, seen.heard_ns, now, port.hearing, port.own)
            self._publish(port, entry, now, changes)

    def _deafen(self, since_ns: int, until_ns: int) -> None:
        for port in self._ports.values():
            port.hearing.deaf(since_ns, until_ns)
            self._plan_anew(port, until_ns)

    def _on_move(self, wiphy: int, away: bool, now: int) -> None:
        for port in self._ports.values():
            if port.seen is not None and port.seen.wiphy == wiphy:
                port.hearing.move(away, now)
                self._plan_anew(port, now)

    def _untap(self, wiphy: int, now: int, changes: Changes) -> None:
        for port in self._ports.values():
            if port.seen is None or port.seen.wiphy != wiphy:
                continue
            port.own = None
            port.means.tapped = False
            for entry in list(port.entries.values()):
                entry.link.untapped()
                self._publish(port, entry, now, changes)
            self._reconsider(port, now, changes)

    # ---- who is where ---------------------------------------------------------------------------

    def _relocate(self, port: Port, addresses: Iterable[str], now: int, changes: Changes) -> None:
        for address in addresses:
            if entry := port.entries.get(address):
                port.locate(entry)
                self._publish(port, entry, now, changes)

    def _want_address(self, port: Port, address: str) -> None:
        """Nobody can be connected to without one."""
        entry = port.entries.get(address)
        present = entry and entry.row and entry.row.presence is Presence.PRESENT
        if entry and present and not port.addresses.linked(address):
            self._questions.append(AddressWanted(entry.key.ifindex, address))

    # ---- questions ------------------------------------------------------------------------------

    def _plan_anew(self, port: Port, now: int) -> None:
        for entry in port.entries.values():
            entry.link.plan(now, port.hearing, port.means, self._probes.ready_ns())
            self._queue(port, entry)

    def _ask(self, port: Port, entry: Entry, now: int) -> None:
        """Ask what is due, unless it is a probe and those of all are spent since it was planned."""
        if entry.link.questions.wants_probe:
            if self._probes.ready_ns() > now:
                return
            self._probes.spend(now)
        self._questions.append(entry.link.ask(now, port.means))

    # ---- publication ----------------------------------------------------------------------------

    def _publish(self, port: Port, entry: Entry, now: int, changes: Changes) -> None:
        """Compare a neighbor with what is published of it; news go out at once, as a rule."""
        if port.alive:
            entry.link.plan(now, port.hearing, port.means, self._probes.ready_ns())
        if entry.row is None:
            self._register.introduce(entry)
        features = port.features(entry)
        if features is not None and features == entry.features and entry.settled:
            change = entry.drift(readings(entry.link), now)
        else:
            new = port.portray(entry, now)
            change = entry.tell(new, now) if new else entry.withdraw(*port.parting(entry))
            entry.features = features
        if change is not None:
            self._note(port, entry, change, now, changes)
        self._queue(port, entry)

    def _publish_all(self, places: Iterable[Place], now: int, changes: Changes) -> None:
        for port, entry in places:
            self._publish(port, entry, now, changes)

    def _note(self, port: Port, entry: Entry, change: Change, now: int, changes: Changes) -> None:
        """One neighbor's row changed; so may others."""
        changes.append(change)
        if not change.news:
            return
        old, new = _side(change.old), _side(change.new)
        if old.gate or new.gate:
            self._tell_interface(port, changes)  # gates in reach stand in its row
        if change.new is None:
            self._publish_all(self._register.leave(entry), now, changes)
        if new.present and not old.present:
            self._want_address(port, entry.key.name)
        if old.proximity is not new.proximity:
            self._publish_all(self._register.compare(entry.key.name), now, changes)

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
            entry = port.forget(address, self._now)
            change = entry.withdraw(reason, Evidence(proof=proof)) if entry else None
            if entry and change:
                self._note(port, entry, change, self._now, changes)

    # ---- the agenda -----------------------------------------------------------------------------

    def _expires_ns(self, port: Port, entry: Entry) -> int | None:
        return entry.link.expires_ns(self._now, port.hearing)

    def _due(self, port: Port, entry: Entry) -> int | None:
        due = entry.due_ns()
        asks = entry.link.questions.ask_ns
        if asks is not None and (due is None or asks < due) and port.alive:
            due = asks
        expires = self._expires_ns(port, entry) if entry.row is not None else None
        return expires if due is None or (expires is not None and expires < due) else due

    def _queue(self, port: Port, entry: Entry) -> None:
        """See to it that the agenda has a place for the entry, not after it is due."""
        due = self._due(port, entry)
        if due is not None and (entry.queued_ns is None or due < entry.queued_ns):
            entry.queued_ns = due
            heappush(self._agenda, (due, entry.key.ifindex, entry.key.name))

    # ---- interfaces and sources -----------------------------------------------------------------

    def _reconsider(
        self,
        port: Port,
        now: int,
        changes: Changes,
        gone: Reason = Reason.INTERFACE_REMOVED,
    ) -> None:
        """The evidence for an interface changed: so may its row, and all its neighbors'."""
        old, new = port.row, port.interface()
        if new == old:
            return
        if old and (new is None or new.type is not old.type):
            self._forget(port, list(port.entries), gone, Proof.EVENT, changes)
            new = port.interface()
        if new and new.up and new.running and not (old and old.up and old.running):
            port.running_ns = now
        port.row = new
        if row := new or old:
            changes.append(Change(row.key, old, new, reason=None if new else gone))
        for entry in list(port.entries.values()):
            port.locate(entry)
            self._publish(port, entry, now, changes)
        addresses = [row.address for row in (old, new) if row is not None]
        if old and new and old.frequency_mhz != new.frequency_mhz:
            addresses += port.entries
        for address in addresses:
            self._publish_all(self._register.compare(address), now, changes)

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


class _Side(NamedTuple):
    """What of a neighbor's row concerns others' too."""

    proximity: Proximity | None
    present: bool
    gate: bool


def _side(row: Row | None) -> _Side:
    if not isinstance(row, Neighbor):
        return _Side(None, False, False)
    return _Side(row.proximity, row.presence is Presence.PRESENT, bool(row.gate))
