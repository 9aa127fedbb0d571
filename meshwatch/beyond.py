"""A neighbor beyond radio range: what the kernel's path and proxy tables say of it.

Paths are made on demand (IEEE 802.11-2020 14.10, HWMP) and expire some seconds after the last
frame: that a path expired is no departure, that its discovery failed is one. A proxied address
is outside the mesh, behind the station that stands for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from meshwatch.model import Evidence, Neighbor, Presence, Proof, Proximity, Readings, Reason
from meshwatch.observations import Path
from meshwatch.who import Who

_EVIDENCE = Evidence(proof=Proof.PATH)


class Beyond:
    """What is known of the way to one address."""

    __slots__ = ("_address", "_presence", "_reason", "_since_ns", "_used_ns", "path", "proxy")

    def __init__(self, address: str) -> None:
        self._address = address
        self.path: Path | None = None
        self.proxy: str | None = None
        self._presence: Presence | None = None
        self._reason = Reason.PATH
        self._since_ns = 0
        self._used_ns = 0

    def see_path(self, path: Path | None, now: int) -> None:
        """The path table has this, or nothing."""
        self.path = path
        if path is not None and path.active:
            self._used_ns = now
        self._judge(now)

    def see_proxy(self, proxy: str | None, now: int) -> None:
        """The proxy table has this, or nothing."""
        self.proxy = proxy
        if proxy is not None:
            self._used_ns = now
        self._judge(now)

    @property
    def shows(self) -> bool:
        """It is a neighbor."""
        return self._presence is not None

    def shows_after(self, departed_ns: int) -> bool:
        """It is a neighbor although its link departed at this time: an expired path says no more
        than that there once was a way, and only one that was used since is a way around."""
        return self._presence is Presence.PRESENT or (self.shows and self._used_ns > departed_ns)

    @property
    def empty(self) -> bool:
        """Neither table has it."""
        return self.path is None and self.proxy is None

    @property
    def reason(self) -> Reason:
        """Why it is what it is, or is no neighbor any more."""
        return self._reason

    def _judge(self, now: int) -> None:
        presence, reason = self._verdict()
        if presence is not self._presence:
            self._since_ns = now
        self._presence, self._reason = presence, reason

    def _verdict(self) -> tuple[Presence | None, Reason]:
        path = self.path
        if path is not None and path.next_hop == self._address:
            path = None  # one hop: its link, or the lack of it, says more
        if path is not None and path.active and path.next_hop is not None:
            return Presence.PRESENT, Reason.PATH
        if self.proxy is not None:
            return Presence.PRESENT, Reason.PATH
        if path is None:
            return None, Reason.ABSENT
        # After a failed discovery the kernel keeps the stale next hop (net/mac80211/mesh_hwmp.c);
        # the first request may just be under way.
        if path.next_hop is None or path.discovery_retries > 1:
            return None, Reason.UNREACHABLE
        if self._presence is None:
            return None, Reason.EXPIRED  # old when we came: it may be gone for long
        return Presence.QUIET, Reason.EXPIRED

    def add_path(self, row: Neighbor) -> Neighbor:
        """The row of a neighbor in radio range, with the path that frames to it take."""
        path = self.path
        if path is None or not path.active:
            return row
        readings = replace(row.readings, path_metric=path.metric, path_changes=path.changes)
        hops = None if path.next_hop == self._address else path.next_hop
        return replace(row, next_hop=hops, hop_count=path.hop_count, readings=readings)

    def neighbor(self, ifindex: int, interface: str, first_heard_ns: int, who: Who) -> Neighbor:
        """The row to publish; only while it shows."""
        assert self._presence is not None
        path = self.path
        reached = path is not None and path.next_hop is not None
        return Neighbor(
            ifindex=ifindex,
            interface=interface,
            address=self._address,
            presence=self._presence,
            reason=self._reason,
            evidence=_EVIDENCE,
            since_ns=max(self._since_ns, first_heard_ns),
            first_heard_ns=first_heard_ns,
            proximity=Proximity.MESH if reached else Proximity.PROXIED,
            next_hop=path.next_hop if path else None,
            hop_count=path.hop_count if path and path.active else None,
            proxy=self.proxy,
            addresses=who.addresses(self._presence),
            name=who.name,
            nick=who.nick,
            jid=who.jid,
            disputed=who.disputed,
            claims=who.claims,
            clash=who.clash,
            readings=Readings(
                last_heard_ns=self._used_ns,
                path_metric=path.metric if path else None,
                path_changes=path.changes if path else None,
            ),
        )
