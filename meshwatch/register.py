"""Who is who among all neighbors of all interfaces: names and addresses that ought to be one's."""

from __future__ import annotations

from collections.abc import Mapping

from meshwatch.claimed import Claimed, best, folded
from meshwatch.entry import Entry
from meshwatch.model import Clash, Proximity
from meshwatch.observations import ClaimMade
from meshwatch.port import Port

Place = tuple[Port, Entry]


class Register:
    """Keeps :attr:`Entry.who` of all entries; what it returns is to be published anew."""

    def __init__(self, ports: Mapping[int, Port]) -> None:
        self._ports = ports
        self._called: dict[str, set[str]] = {}  # by name: the hardware addresses

    def takes(self, claim: ClaimMade) -> bool:
        """The claim is about a neighbor, and there is room for it."""
        port = self._ports.get(claim.ifindex)
        entry = port.entries.get(claim.address) if port else None
        if entry is None or entry.row is None:
            return False
        claimed = entry.claimed or Claimed()
        return claim.lifetime_ns <= 0 or claimed.takes(claim.uid, claim.claimant)

    def claim(self, made: ClaimMade, now: int) -> list[Place]:
        """A local program says this of a neighbor."""
        if not self.takes(made):
            return []
        entry = self._ports[made.ifindex].entries[made.address]
        entry.claimed = entry.claimed or Claimed()
        before = entry.claimed.names
        entry.claimed.make(made, now)
        return self._identify(entry, before)

    def expire(self, entry: Entry, now: int) -> list[Place]:
        """Some of what was claimed of it is too old."""
        if entry.claimed is None:
            return []
        before = entry.claimed.names
        entry.claimed.expire(now)
        return self._identify(entry, before)

    def leave(self, entry: Entry) -> list[Place]:
        """Its row is gone, and so is what was claimed of it."""
        if entry.claimed is None:
            return []
        before = entry.claimed.names
        entry.claimed = None
        return self._identify(entry, before)

    def introduce(self, entry: Entry) -> None:
        """Nothing is published of it yet: what its address alone says is."""
        if entry.who.clash is None and self._is_ours(entry.key.name):
            entry.who = entry.who._replace(clash=Clash.OURS)

    def compare(self, address: str) -> list[Place]:
        """A neighbor with this hardware address came, went or moved, or an interface did."""
        here = self._at(address)
        channels = {
            port.row.frequency_mhz
            for port, entry in here
            if port.row and entry.row and entry.row.proximity is Proximity.DIRECT
        }
        ours = self._is_ours(address)
        clash = Clash.OURS if ours else Clash.CHANNELS if len(channels) > 1 else None
        changed = [(port, entry) for port, entry in here if entry.who.clash is not clash]
        for _, entry in changed:
            entry.who = entry.who._replace(clash=clash)
        return changed

    def _is_ours(self, address: str) -> bool:
        return any(port.row and port.row.address == address for port in self._ports.values())

    def _identify(self, entry: Entry, before: frozenset[str]) -> list[Place]:
        """Its claims changed, and so may what others with these names are."""
        address = entry.key.name
        called = self._names(address)
        for name in before - called:
            self._called[name].discard(address)
            if not self._called[name]:
                del self._called[name]
        for name in called:
            self._called.setdefault(name, set()).add(address)
        claims = entry.claimed.claims if entry.claimed else ()
        entry.who = entry.who._replace(
            name=best(claims, "name"),
            nick=best(claims, "nick"),
            jid=best(claims, "jid"),
            claims=claims,
        )
        concerned = {address}.union(*(self._called.get(name, ()) for name in before | called))
        changed = []
        for port, other in (place for each in sorted(concerned) for place in self._at(each)):
            disputed = self._disputed(other)
            if other is entry or other.who.disputed is not disputed:
                other.who = other.who._replace(disputed=disputed)
                changed.append((port, other))
        return changed

    def _disputed(self, entry: Entry) -> bool:
        if entry.who.name is None or entry.claimed is None:
            return False
        called = self._called.get(folded(entry.who.name), set())
        return entry.claimed.renamed or bool(called - {entry.key.name})

    def _names(self, address: str) -> frozenset[str]:
        """One radio may be a neighbor on several interfaces of ours."""
        claimed = [entry.claimed for _, entry in self._at(address) if entry.claimed]
        return frozenset[str]().union(*(each.names for each in claimed))

    def _at(self, address: str) -> list[Place]:
        return [
            (port, entry)
            for port in self._ports.values()
            if (entry := port.entries.get(address)) is not None
        ]
