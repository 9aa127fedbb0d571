"""One interface as the table keeps it: evidence for it by source, and its neighbors' entries."""

from __future__ import annotations

from collections.abc import Iterator

from meshwatch.addresses import Addresses
from meshwatch.beyond import Beyond
from meshwatch.entry import Entry, Spent
from meshwatch.hearing import Hearing
from meshwatch.link import Link
from meshwatch.means import Means
from meshwatch.model import Evidence, Interface, Neighbor, Presence, Proof, Proximity, Reason
from meshwatch.observations import Beacon, InterfaceSeen, LinkSeen, Path, PathsSwept
from meshwatch.portrait import escaped, features, neighbor

#: Whoever is no station of ours is noted up to this number, on the air, and as many beyond: anybody
#: can send in any name.
MOST_STRANGERS = 256
#: A stranger is noted when a second beacon came within this time.
STRANGE_NS = 15_000_000_000


class Port:
    """Evidence for one interface, and its neighbors."""

    def __init__(self) -> None:
        self.seen: InterfaceSeen | None = None  # nl80211
        self.seen_ns = 0
        self.link: LinkSeen | None = None  # rtnetlink
        self.link_ns = 0
        self.own: Beacon | None = None  # a tap
        self.row: Interface | None = None
        self.running_ns = 0  # up and running since then, or last
        self.hearing = Hearing()
        self.means = Means()
        self.entries: dict[str, Entry] = {}
        self.addresses = Addresses()
        self.forged = False  # another radio sent beacons with our address
        self._spent: dict[str, Spent] = {}  # by neighbors that came and went
        self._met: dict[str, int] = {}  # strangers of whom one beacon was heard, oldest first

    def entry(self, address: str, now: int) -> Entry:
        """The entry of an address, made when there is none."""
        entry = self.entries.get(address)
        if entry is None:
            assert self.seen is not None
            spent = self._spent.pop(address, None)
            entry = self.entries[address] = Entry(self.seen.ifindex, address, spent)
            self.locate(entry)
        return entry

    def locate(self, entry: Entry) -> None:
        """Where it is to be reached, or what we call the way there, may be new."""
        if self.row is not None:
            verified, usable = self.addresses.known(entry.key.name, self.row.interface)
            entry.who = entry.who._replace(verified=verified, usable=usable)

    def unlearn(self) -> None:
        """The link is down: so are all IP addresses, whoever used our hardware address, and what
        our own beacons said, as the next may be of another mesh."""
        self.addresses.clear()
        self.forged = False
        self.own = None
        for entry in self.entries.values():
            self.locate(entry)

    def stranger(self, address: str, now: int) -> Entry | None:
        """The entry of whoever sends beacons; None if there is none and none is to be made."""
        entry = self.entries.get(address)
        if entry is not None:
            return entry
        met_ns = self._met.pop(address, None)
        if met_ns is None or now - met_ns > STRANGE_NS:
            if len(self._met) >= MOST_STRANGERS:
                del self._met[next(iter(self._met))]
            self._met[address] = now
            return None
        heard = sum(each.beyond is None for each in self._strangers())
        return self.entry(address, now) if heard < MOST_STRANGERS else None

    def _strangers(self) -> Iterator[Entry]:
        return (each for each in self.entries.values() if each.link.station is None)

    def forget(self, address: str, now: int) -> Entry | None:
        """Take an entry out; what it spent is remembered for as long as it matters."""
        entry = self.entries.pop(address, None)
        if entry is None:
            return None
        spent = entry.spent
        if spent.matters(now):
            if len(self._spent) >= MOST_STRANGERS:
                for known in [a for a, each in self._spent.items() if not each.matters(now)]:
                    del self._spent[known]
            if len(self._spent) < MOST_STRANGERS:
                self._spent[address] = spent
        return entry

    def absent(self, addresses: frozenset[str]) -> list[str]:
        """Stations that a dump did not list; it never lists who has no station."""
        return [
            address
            for address, entry in self.entries.items()
            if address not in addresses and (entry.link.station or not entry.row)
        ]

    # ---- evidence beyond one hop ----------------------------------------------------------------

    def see_beyond(self, address: str, seen: Path | str, now: int) -> Entry | None:
        """There is a path to the address, or a proxy for it; None if it is not to be noted."""
        if self.row is None or address == self.row.address:
            return None
        entry = self.entries.get(address)
        if entry is None:
            beyond = sum(each.beyond is not None for each in self._strangers())
            if beyond >= MOST_STRANGERS:
                return None
            entry = self.entry(address, now)
        if entry.beyond is None:
            entry.beyond = Beyond(address)
        if isinstance(seen, Path):
            entry.beyond.see_path(seen, now)
        else:
            entry.beyond.see_proxy(seen, now)
        return entry

    def sweep_beyond(self, swept: PathsSwept, now: int) -> list[Entry]:
        """Only these paths and proxies exist; whom that may concern."""
        concerned = []
        for address, entry in self.entries.items():
            beyond = entry.beyond
            if beyond is None:
                continue
            if beyond.path is not None and address not in swept.paths:
                beyond.see_path(None, now)
            if beyond.proxy is not None and address not in swept.proxies:
                beyond.see_proxy(None, now)
            concerned.append(entry)
        return concerned

    def drop_beyond(self, entry: Entry, now: int) -> None:
        """Nothing is beyond: forget that there was, and the entry if there is nothing else."""
        if entry.beyond is not None and entry.beyond.empty:
            entry.beyond = None
            if entry.row is None and entry.link.life_ns is None:
                self.forget(entry.key.name, now)

    # ---- rows -----------------------------------------------------------------------------------

    def features(self, entry: Entry) -> tuple[object, ...] | None:
        """While these are equal, what is to be published of the address is, but for readings;
        None: that is not known so easily."""
        if self.row is None or entry.beyond is not None or not self._shows(entry.link):
            return None
        return features(entry.link, self.row.interface, entry.who)

    def portray(self, entry: Entry, now: int) -> Neighbor | None:
        """What is to be published of an address: in radio range rather than beyond."""
        first_heard_ns = entry.row.first_heard_ns if entry.row else now
        if self.row is None:
            return None
        beyond = entry.beyond
        if self._shows(entry.link):
            row = neighbor(entry.link, self.row.interface, first_heard_ns, entry.who)
            if beyond is not None and beyond.path is not None:
                row = beyond.add_path(row)
            return row
        departed_ns = entry.link.departed_ns
        if (
            self.alive
            and beyond is not None
            and (beyond.shows if departed_ns is None else beyond.shows_after(departed_ns))
        ):
            ifindex, interface = self.row.ifindex, self.row.interface
            return beyond.neighbor(ifindex, interface, first_heard_ns, entry.who)
        return None

    def parting(self, entry: Entry) -> tuple[Reason, Evidence]:
        """Why there is nothing to show of an address any more."""
        link, beyond = entry.link, entry.beyond
        if self.alive and entry.row and entry.row.proximity is not Proximity.DIRECT and beyond:
            return beyond.reason, Evidence(proof=Proof.PATH)
        if self.alive and link.presence is None:
            return Reason.SILENT, link.evidence
        return Reason.INTERFACE_DOWN, Evidence(proof=Proof.EVENT)

    def _shows(self, link: Link) -> bool:
        """Evidence from before the interface came up is void: the kernel kept no station."""
        return self.alive and link.presence is not None and link.evidence_ns >= self.running_ns

    @property
    def alive(self) -> bool:
        """The interface is up and has joined."""
        return self.row is not None and self.row.up and self.row.running

    def interface(self) -> Interface | None:
        """Who wins: nl80211 says what it is, rtnetlink how it is, the newest its name."""
        seen, link, own = self.seen, self.link, self.own
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
            mesh_id=escaped(own.mesh_id) if own else None,
            beacon_interval_tu=own.interval_tu if own else None,
            gates=self._gates(),
            forged=self.forged,
        )

    def _gates(self) -> tuple[str, ...]:
        rows = (entry.row for entry in self.entries.values())
        return tuple(
            sorted(
                row.address
                for row in rows
                if row is not None
                and row.gate
                and row.proximity is Proximity.DIRECT
                and row.presence is Presence.PRESENT
            )
        )
