"""Asks a station for its IPv6 addresses: echo requests in frames for it alone, and their answers.

Rules:

* Asked is whom the table wants to know (``AddressWanted``). The request goes to all nodes
  (ff02::1), but in a frame to the one station: so nobody else hears it, the radio acknowledges
  it, and the answer comes from the station's own link-local address, however that was made.
* If we have a unique local address made of our hardware address, others of the mesh have theirs:
  whoever has a link-local one is asked at the unique local one that it would have.
* Requests go out at 0, 50, 100, 200, 400, 800 and 1600 ms: a station that just came checks its
  own addresses first, for a second or two (RFC 4862 5.4). Then there is silence. An answer ends
  it, and so does the kernel's neighbor table if it knows.
* Without an address to be answered at, the question waits for one, up to a minute.
* An answer counts if it is whole, came from that station, to the address that asked, with what
  was sent along, and from a link-local unicast address or the one that was asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address
from typing import NamedTuple, TypeVar

from meshwatch import echo_packet
from meshwatch.account import Account
from meshwatch.echo_packet import Buffer, Echo
from meshwatch.eui64 import derived, prefix_of
from meshwatch.model import AddressProof
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    AddressWanted,
    LinkSeen,
    Observation,
    OwnAddresses,
    Question,
    Wire,
)

MS_NS = 1_000_000
TRIES_NS = tuple(ms * MS_NS for ms in (0, 50, 100, 200, 400, 800, 1600))
REST_NS = 10_000 * MS_NS  # from the beginning of one series of requests to that of the next
LOCAL_REST_NS = 600_000 * MS_NS  # the same for a unique local address, if nobody wants to know
WAIT_NS = 60_000 * MS_NS
#: To all stations together.
BURST, PERIOD_NS = 100, 50 * MS_NS
STATIONS_MAX = 512

ALL_NODES = "ff02::1"
TOKEN_BYTES = 10

_LINK_LOCAL, _UNIQUE_LOCAL = IPv6Network("fe80::/10"), IPv6Network("fc00::/7")
_NO_TOKEN = bytes(TOKEN_BYTES)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Target(NamedTuple):
    """Who is asked at which address."""

    address: str
    ip: str


@dataclass(slots=True)
class _Series:
    """Requests that are still to be sent: the next one, and when."""

    wanted_ns: int
    began_ns: int
    tries: int = 0

    @property
    def due_ns(self) -> int:
        return self.began_ns + TRIES_NS[self.tries]


class Echoes:
    """The conversation with the stations on one mesh interface.

    ``token`` marks our requests: the first two octets are their identifier. ``malformed`` counts
    packets that could not be read, ``stray`` answers that nobody waits for.
    """

    name = "echoes"

    def __init__(self, wire: Wire, token: bytes = _NO_TOKEN) -> None:
        self.wire = wire
        self.malformed = 0
        self.stray = 0
        self._identifier, self._data = int.from_bytes(token[:2]), token[2:]
        self._account = Account(BURST, PERIOD_NS)
        self._link_local: str | None = None  # our own
        self._unique_local: str | None = None
        self._met: dict[str, None] = {}  # stations of which a link-local address is known
        self._found: dict[_Target, None] = {}  # unique local addresses
        self.begin(0)

    # ---- what the pump calls ----------------------------------------------------------------

    def begin(self, now: int) -> None:
        """Forget what was under way."""
        self._series: dict[_Target, _Series] = {}
        self._begun: dict[_Target, int] = {}
        self._ready: list[_Target] = []
        self._asked: dict[_Target, Echo] = {}

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One frame."""
        echo = echo_packet.decode(data)
        if echo is None:
            self.malformed += 1
            return ()
        link_local = _is_in(_LINK_LOCAL, echo.source)
        asked = self._asked.get(_Target(echo.sender, ALL_NODES if link_local else echo.source))
        if asked is None or not _answers(echo, asked):
            self.stray += 1
            return ()
        seen = AddressSeen(self.wire.ifindex, echo.sender, echo.source, AddressProof.ECHO)
        self._learn(seen, now)
        return (seen,)

    def notice(self, hint: Observation | Question, now: int) -> None:
        """The table wants to know, the kernel knows, or our own addresses changed."""
        match hint:
            case AddressWanted(self.wire.ifindex, address):
                self._want(_Target(address, ALL_NODES), now, REST_NS)
                self._found = {found: None for found in self._found if found.address != address}
                self._want_local(address, now, REST_NS)
            case AddressSeen(self.wire.ifindex):
                self._learn(hint, now)
            case AddressFailed(self.wire.ifindex, ip):
                for target in [target for target in self._found if target.ip == ip]:
                    del self._found[target]
            case OwnAddresses(self.wire.ifindex, ips):
                self._own(ips, now)
            case LinkSeen(self.wire.ifindex, _, up, running) if not (up and running):
                self._met.clear()
                self._found.clear()
                self._series.clear()

    def outgoing(self) -> list[bytes]:
        """The requests that are due."""
        ready, self._ready = self._ready, []
        return [echo_packet.encode(self._request(target)) for target in ready]

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent, by us or, in a replay, by whoever made the recording."""
        echo = echo_packet.decode(request)
        if echo is not None:
            _put(self._asked, _Target(echo.receiver, echo.destination), echo)

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""
        dues = [s.due_ns for target, s in self._series.items() if self._source(target)]
        return max(min(dues), self._account.ready_ns()) if dues else None

    def wake(self, now: int) -> Iterable[Observation]:
        """Take what is due."""
        # Who was asked least comes first, if there is not enough for all.
        for target, series in sorted(self._series.items(), key=lambda item: item[1].tries):
            if series.due_ns > now or not self._source(target):
                continue
            if self._account.ready_ns() > now:
                break
            self._account.spend(now)
            self._ready.append(target)
            series.tries += 1
            if series.tries == len(TRIES_NS):
                del self._series[target]
        return ()

    def lost(self, now: int) -> Iterable[Observation]:
        """An answer may be lost, as on the air: that is what the next request is for."""
        return ()

    def summary(self) -> str:
        """What was of no use, for the log; "" = nothing."""
        counts = {
            "packets that could not be read": self.malformed,
            "answers that nobody waited for": self.stray,
        }
        return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)

    # ---- whom to ask ------------------------------------------------------------------------

    def _want(self, target: _Target, now: int, rest_ns: int) -> None:
        if target in self._series:
            return
        began_ns = max(now, self._begun.get(target, now - rest_ns) + rest_ns)
        _put(self._series, target, _Series(now, began_ns))
        _put(self._begun, target, began_ns)

    def _want_local(self, address: str, now: int, rest_ns: int) -> None:
        """Ask a station at the unique local address that it would have, if we have one."""
        if self._unique_local is None:
            return
        target = _Target(address, derived(prefix_of(self._unique_local), address))
        if target not in self._found:
            self._want(target, now, rest_ns)

    def _learn(self, seen: AddressSeen, now: int) -> None:
        """An address of a station is known: nobody has to ask for it any more."""
        if _is_in(_LINK_LOCAL, seen.ip):
            self._stop(_Target(seen.address, ALL_NODES))
            _put(self._met, seen.address, None)
            self._want_local(seen.address, now, LOCAL_REST_NS)
        elif _is_in(_UNIQUE_LOCAL, seen.ip):
            target = _Target(seen.address, seen.ip)
            self._stop(target)
            _put(self._found, target, None)

    def _stop(self, target: _Target) -> None:
        self._series.pop(target, None)
        self._asked.pop(target, None)
        self._ready = [ready for ready in self._ready if ready != target]

    # ---- who asks ---------------------------------------------------------------------------

    def _own(self, ips: tuple[str, ...], now: int) -> None:
        """These are our addresses now: what waited for one begins."""
        had, own = self._unique_local, self.wire.address
        link_local = next((ip for ip in ips if _is_in(_LINK_LOCAL, ip)), None)
        unique_locals = [ip for ip in ips if _is_in(_UNIQUE_LOCAL, ip)]
        made = (ip for ip in unique_locals if ip == derived(prefix_of(ip), own))
        unique_local = next(made, None)
        waited = [target for target in self._series if not self._source(target)]
        self._link_local, self._unique_local = link_local, unique_local
        for target in waited:
            series = self._series[target]
            if self._source(target) and now - series.wanted_ns > WAIT_NS:
                del self._series[target]
            elif self._source(target):
                series.began_ns = max(now, series.began_ns)
        if unique_local not in (None, had):
            for address in self._met:
                self._want_local(address, now, REST_NS)

    def _source(self, target: _Target) -> str | None:
        return self._link_local if target.ip == ALL_NODES else self._unique_local

    def _request(self, target: _Target) -> Echo:
        series = self._series.get(target)
        return Echo(
            receiver=target.address,
            sender=self.wire.address,
            destination=target.ip,
            source=self._source(target) or "::",
            identifier=self._identifier,
            sequence=series.tries if series else len(TRIES_NS),
            data=self._data,
        )


def _answers(echo: Echo, asked: Echo) -> bool:
    return (
        echo.reply
        and echo.source != ALL_NODES
        and echo.receiver == asked.sender
        and echo.destination == asked.source
        and (echo.identifier, echo.data) == (asked.identifier, asked.data)
        and 1 <= echo.sequence <= asked.sequence
    )


def _is_in(network: IPv6Network, ip: str) -> bool:
    return ip_address(ip) in network


def _put(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Remember, and forget the oldest if that is too much."""
    known[key] = value
    if len(known) > STATIONS_MAX:
        del known[next(iter(known))]
