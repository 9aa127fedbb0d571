"""Keeps a socket for echoes open on every mesh and IBSS interface."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from meshwatch.echo_socket import open_echo
from meshwatch.echoes import TOKEN_BYTES, Echoes
from meshwatch.observations import (
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Observation,
    OwnAddresses,
    SourceState,
    Wire,
)
from meshwatch.pump import Pump, Tee

RETRY_S = 30.0

Reporter = Callable[[Pump, list[Observation], int], None]


class Wires:
    """The interfaces as they come and go; the health of all is the source ``echoes``."""

    def __init__(self, observed: Reporter, say: Callable[[SourceState], None], tee: Tee | None):
        self._observed = observed
        self._say = say
        self._tee = tee
        self._seen: dict[int, Wire] = {}
        self._own: dict[int, OwnAddresses] = {}
        self._open: dict[int, Pump] = {}  # by ifindex
        self._said: str | None = ""  # neither failed nor working yet
        self._retry: asyncio.TimerHandle | None = None
        self._token = os.urandom(TOKEN_BYTES)

    @property
    def pumps(self) -> list[Pump]:
        """Those of the open sockets."""
        return list(self._open.values())

    def pump_for(self, ifindex: int) -> Pump | None:
        """Who asks on this interface."""
        return self._open.get(ifindex)

    def notice(self, observations: Iterable[Observation], now: int) -> None:
        """Interfaces come and go, and so do our addresses."""
        before = self._seen.copy()
        for observation in observations:
            match observation:
                case InterfaceSeen(ifindex, name, type_, _, address) if type_ is not None:
                    self._seen[ifindex] = Wire(ifindex, name, address)
                case InterfaceSeen(ifindex) | InterfaceDeleted(ifindex):
                    self._seen.pop(ifindex, None)
                    self._own.pop(ifindex, None)
                case InterfacesSwept(ifindexes):
                    self._seen = {i: wire for i, wire in self._seen.items() if i in ifindexes}
                    self._own = {i: own for i, own in self._own.items() if i in ifindexes}
                case OwnAddresses(ifindex):
                    self._own[ifindex] = observation
        if self._seen != before:
            for ifindex, wire in before.items():
                if self._seen.get(ifindex) != wire and ifindex in self._open:
                    self._open.pop(ifindex).close()
            self._follow(now)

    def close(self) -> None:
        """Close all sockets."""
        if self._retry is not None:
            self._retry.cancel()
        for pump in self._open.values():
            pump.close()
        self._open = {}

    def _follow(self, now: int) -> None:
        """Open what can be opened."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        failures = [self._try(w, now) for i, w in self._seen.items() if i not in self._open]
        failure = next(filter(None, failures), None)
        if failure != self._said and (self._seen or failure):
            self._said = failure
            self._say(SourceState(Echoes.name, failure))

    def _try(self, wire: Wire, now: int) -> str | None:
        """Open one; or why that cannot be."""
        try:
            opened = open_echo(wire, int.from_bytes(self._token[:2]))
        except PermissionError:
            return "needs CAP_NET_RAW"
        except OSError as error:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RETRY_S, lambda: self._follow(int(loop.time() * 1e9)))
            return f"{wire.name}: {error.strerror or error}"
        pump = Pump(Echoes(wire, self._token), self._observed, self._tee)
        own = self._own.get(wire.ifindex)
        pump.notice([] if own is None else [own], now)
        pump.open([opened], opened)
        self._open[wire.ifindex] = pump
        return None
