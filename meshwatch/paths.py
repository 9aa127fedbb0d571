"""What to ask of the kernel's mesh path tables, when to ask again, and what the answers mean.

Rules:

* nl80211 shows the tables to whoever has CAP_NET_ADMIN. Without it that is said once, and
  nothing more is asked until the conversation begins anew.
* No event tells of a path (net/mac80211/mesh_pathtbl.c): paths come with traffic and expire
  without it. They are looked at every 30 s; every 5 s for 30 s after something moved or a path
  led farther than to a neighbor; and at once when the link to a station came or went, for its
  paths go with it.
* A look is two dumps, of paths and of proxied addresses. What neither holds is gone (a *sweep*)
  if both were complete and not torn: by NLM_F_DUMP_INTR, an unreadable message, or parts of
  different generations, as the kernel continues by position. The third in a row that failed or was
  torn makes the source one that fails.
* An address that is its own proxy is a mesh station's, learned from its frames for others.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from meshwatch import codec
from meshwatch.model import InterfaceType, Plink
from meshwatch.netlink import INTERRUPTED, Buffer, Exchange, Health, Request
from meshwatch.observations import (
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Observation,
    Path,
    PathSeen,
    PathsSwept,
    ProxySeen,
    Question,
    SourceState,
    StationDeleted,
    StationSeen,
    StationsSwept,
)
from meshwatch.pace import MS_NS, Pace
from meshwatch.records import FamilyInfo, Kind, Message, PathInfo, ProxyInfo, decode, reason_text

FAMILY = "nl80211"
CMD_GET_MPATH = 21
CMD_GET_MPP = 107

PERIOD_NS = 30_000 * MS_NS
QUICK_NS = 5_000 * MS_NS
QUICK_SPAN_NS = 30_000 * MS_NS
BURST_NS = (10 * MS_NS,)
GAP_NS = 1_000 * MS_NS
FIRST_SEQ = 0x40000000  # apart from those of meshwatch.nl80211

_ESTAB = int(Plink.ESTAB)
_NOWHERE = "00:00:00:00:00:00"
# enum nl80211_mpath_flags
_ACTIVE, _RESOLVING, _FIXED, _RESOLVED = 1, 2, 8, 16


class _Table(NamedTuple):
    """The paths (GET_MPATH) or the proxied addresses (GET_MPP) of an interface."""

    ifindex: int
    command: int


@dataclass(slots=True)
class _Dump:
    """A dump under way."""

    table: _Table
    paths: dict[str, Path] = field(default_factory=dict)
    proxies: dict[str, str] = field(default_factory=dict)
    generations: set[int] = field(default_factory=set)


class _Mesh:
    """A mesh interface."""

    def __init__(self, name: str, now: int) -> None:
        self.name = name
        self.pace = Pace(now, BURST_NS, QUICK_SPAN_NS, QUICK_NS, GAP_NS)
        self.pace.period_ns = PERIOD_NS
        self.linked: set[str] = set()  # stations with an established link
        self.paths: dict[str, Path] | None = None  # dumped; the proxies are not yet
        self.last: tuple[dict[str, Path], dict[str, str]] | None = None


class Paths:
    """The conversation with nl80211 about mesh paths, on a socket of its own.

    It learns of interfaces and stations by :meth:`notice`.
    """

    name = "paths"

    def __init__(self) -> None:
        self._exchange: Exchange[_Dump] = Exchange(FIRST_SEQ)
        self._health = Health(self.name)
        self._meshes: dict[int, _Mesh] = {}
        self.begin(0)

    # ---- what the pump calls ----------------------------------------------------------------

    def begin(self, now: int) -> None:
        """Forget what was under way and look at everything."""
        self._exchange.forget()
        self._health.forget_all()
        self._ready: dict[_Table, None] = {}
        self._family = 0
        self._wants_family = bool(self._meshes)
        self._permitted = True
        self._works = False
        self._look_anew(now)

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One datagram."""
        seen: list[Observation] = []
        for message in decode(data, self._family):
            match message.kind:
                case Kind.MPATH | Kind.MPP:
                    request = self._exchange.part(message.seq, message.flags, now)
                    if request is not None:
                        self._on_part(request.asked, message, seen)
                case Kind.DONE | Kind.ERROR:
                    request = self._exchange.end(message.seq, message.flags, message.error)
                    if request is not None:
                        self._on_end(request, seen, now)
                case Kind.FAMILY:
                    info = message.body
                    if isinstance(info, FamilyInfo) and info.name == FAMILY:
                        self._on_family(info.id, now)
                case Kind.OVERRUN:
                    seen.extend(self.lost(now))
                case Kind.MALFORMED:
                    self._exchange.tear(reason_text(message.error))
        return seen

    def notice(self, hint: Observation | Question, now: int) -> None:
        """Which mesh interfaces there are, and whose links came and went."""
        match hint:
            case StationSeen(ifindex, address, station):
                if mesh := self._meshes.get(ifindex):
                    linked = station.plink == _ESTAB
                    if linked != (address in mesh.linked):
                        mesh.linked ^= {address}
                        mesh.pace.hint(now)
            case StationDeleted(ifindex, address):
                if (mesh := self._meshes.get(ifindex)) and address in mesh.linked:
                    mesh.linked.remove(address)
                    mesh.pace.hint(now)
            case StationsSwept(ifindex, addresses):
                if (mesh := self._meshes.get(ifindex)) and not mesh.linked <= addresses:
                    mesh.linked &= addresses
                    mesh.pace.hint(now)
            case InterfaceSeen(ifindex, name, type_):
                if type_ is not InterfaceType.MESH:
                    self._forget(ifindex)
                elif ifindex not in self._meshes:
                    self._wants_family |= not self._meshes  # it may have come with the module
                    self._meshes[ifindex] = _Mesh(name, now)
                else:
                    self._meshes[ifindex].name = name
            case InterfaceDeleted(ifindex):
                self._forget(ifindex)
            case InterfacesSwept(ifindexes):
                for ifindex in self._meshes.keys() - ifindexes:
                    self._forget(ifindex)

    def outgoing(self) -> list[bytes]:
        """The next request, unless one is under way."""
        if self._wants_family:
            self._wants_family = False
            return [self._exchange.stamp(codec.get_families())]
        if self._exchange.in_flight or not self._ready:
            return []
        table = next(iter(self._ready))
        del self._ready[table]
        get = codec.get_paths if table.command == CMD_GET_MPATH else codec.get_proxies
        return [self._exchange.stamp(get(self._family, table.ifindex))]

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent, by us or, in a replay, by whoever made the recording."""
        for message in decode(request, self._family):
            if message.kind is Kind.REQUEST and message.command in (CMD_GET_MPATH, CMD_GET_MPP):
                table = _Table(message.ifindex, message.command)
                self._ready.pop(table, None)
                self._exchange.sent(message.seq, message.flags, _Dump(table), now)

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""
        times = [self._exchange.deadline()]
        if self._family and self._permitted:
            times.extend(mesh.pace.due() for mesh in self._meshes.values())
        return min((time for time in times if time is not None), default=None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up what was not answered; take what is due."""
        seen: list[Observation] = []
        for request in self._exchange.expired(now):
            self._look_again(request, request.failure, PERIOD_NS, seen, now)
        if not self._family or not self._permitted:
            return seen
        for ifindex, mesh in self._meshes.items():
            due = mesh.pace.due()
            if due is not None and due <= now:
                mesh.pace.take(now)
                self._ready |= {_Table(ifindex, c): None for c in (CMD_GET_MPATH, CMD_GET_MPP)}
        return seen

    def lost(self, now: int) -> Iterable[Observation]:
        """Answers went by unheard: look again. There are no events to be deaf to."""
        self._exchange.forget()
        self._ready.clear()
        self._wants_family = bool(self._meshes and not self._family)
        for mesh in self._meshes.values():
            mesh.pace.hint(now)
        return ()

    def summary(self) -> str:
        """What could not be read, for the log; "" = nothing."""
        return self._exchange.summary()

    # ---- answers ----------------------------------------------------------------------------

    def _on_part(self, dump: _Dump, message: Message, seen: list[Observation]) -> None:
        ifindex, address, info = message.ifindex, message.address, message.body
        if ifindex not in self._meshes or ifindex != dump.table.ifindex:
            return
        if isinstance(info, PathInfo):
            path = dump.paths[address] = _path(info)
            seen.append(PathSeen(ifindex, address, path))
        elif isinstance(info, ProxyInfo) and info.proxy != address:
            dump.proxies[address] = info.proxy
            seen.append(ProxySeen(ifindex, address, info.proxy))
        if isinstance(info, PathInfo | ProxyInfo) and info.generation is not None:
            dump.generations.add(info.generation)

    def _on_end(self, request: Request[_Dump], seen: list[Observation], now: int) -> None:
        dump = request.asked
        mesh = self._meshes.get(dump.table.ifindex)
        if request.error == errno.EPERM:
            self._permitted = False
            self._ready.clear()
            seen.extend(self._health.say("needs CAP_NET_ADMIN"))
        elif request.error == errno.ENOENT:  # the family's absence; it may be back already
            self._family = 0
            self._ready.clear()
            self._wants_family = True
        elif mesh is None:
            return
        elif request.error:
            self._look_again(request, request.failure, PERIOD_NS, seen, now)
        elif torn := request.torn or (INTERRUPTED if len(dump.generations) > 1 else ""):
            self._look_again(request, torn, QUICK_NS, seen, now)
        elif dump.table.command == CMD_GET_MPATH:
            mesh.paths = dump.paths
        elif mesh.paths is not None:
            self._on_both(dump, mesh, mesh.paths, seen, now)

    def _on_both(
        self, dump: _Dump, mesh: _Mesh, paths: dict[str, Path], seen: list[Observation], now: int
    ) -> None:
        ifindex, proxies = dump.table.ifindex, dump.proxies
        timeless = {address: replace(path, expiry_ms=None) for address, path in paths.items()}
        farther = any(p.active and p.next_hop not in (None, to) for to, p in paths.items())
        if farther or (mesh.last is not None and mesh.last != (timeless, proxies)):
            mesh.pace.quicken(now)
        mesh.last, mesh.paths = (timeless, proxies), None
        mesh.pace.succeeded()
        states = self._health.succeeded(ifindex)
        if not self._works:
            self._works = True
            states = states or [SourceState(self.name)]
        seen.extend(states)
        seen.append(PathsSwept(ifindex, frozenset(paths), frozenset(proxies)))

    def _look_again(
        self, request: Request[_Dump], why: str, limit_ns: int, seen: list[Observation], now: int
    ) -> None:
        """A dump was of no use."""
        ifindex = request.asked.table.ifindex
        if mesh := self._meshes.get(ifindex):
            mesh.paths = None
            self._ready = {table: None for table in self._ready if table.ifindex != ifindex}
            mesh.pace.retry(now, limit_ns)
            seen.extend(self._health.failed(ifindex, f"paths of {mesh.name}", why))

    def _on_family(self, family: int, now: int) -> None:
        if family != self._family:
            self._family = family
            self._look_anew(now)

    # ---- state ------------------------------------------------------------------------------

    def _look_anew(self, now: int) -> None:
        self._meshes = {i: _Mesh(mesh.name, now) for i, mesh in self._meshes.items()}

    def _forget(self, ifindex: int) -> None:
        if self._meshes.pop(ifindex, None) is not None:
            self._ready = {table: None for table in self._ready if table.ifindex != ifindex}
            self._health.forget(ifindex)


def _path(info: PathInfo) -> Path:
    flags = info.flags or 0
    return Path(
        next_hop=None if info.next_hop == _NOWHERE else info.next_hop,
        active=bool(flags & _ACTIVE),
        resolving=bool(flags & _RESOLVING),
        fixed=bool(flags & _FIXED),
        resolved=bool(flags & _RESOLVED),
        hop_count=info.hop_count,
        metric=info.metric,
        expiry_ms=info.expiry_ms,
        changes=info.changes,
        discovery_retries=info.discovery_retries or 0,
    )
