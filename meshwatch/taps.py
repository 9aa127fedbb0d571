"""Keeps a tap open on every radio that has a mesh interface and a monitor interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing

from meshwatch.frames import Frames
from meshwatch.model import InterfaceType
from meshwatch.observations import (
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    LinkSeen,
    Monitor,
    Observation,
    SourceState,
    Untapped,
)
from meshwatch.pump import Pump, Tee
from meshwatch.tap import beacon_filter, open_tap, peering_filter

RETRY_S = 30.0

#: What there is to read on a socket with all of a second's beacons of a hundred neighbors.
RECEIVE_BUFFER_BYTES = 1 << 20

Reporter = Callable[[Pump, list[Observation], int], None]


class Taps:
    """The taps there can be, one a radio, as interfaces come and go; the health of all is the
    source ``frames``.

    ``only`` restricts them to monitor interfaces of these names: others may be there for somebody
    who does not want to find our probes in what he hears.
    """

    def __init__(
        self,
        observed: Reporter,
        say: Callable[[SourceState | Untapped], None],
        tee: Tee | None,
        *,
        beacons: bool,
        only: frozenset[str] = frozenset(),
    ) -> None:
        self._only = only
        self._beacons = beacons
        self._observed = observed
        self._say = say
        self._tee = tee
        self._seen: dict[int, InterfaceSeen] = {}
        self._up: dict[int, bool] = {}
        self._open: dict[Monitor, Pump] = {}
        self._own: dict[int, frozenset[str]] = {}  # by radio, whom the tap's filter lets in
        self._said: str | None = ""  # neither failed nor working yet
        self._retry: asyncio.TimerHandle | None = None

    @property
    def pumps(self) -> list[Pump]:
        """Those of the open taps."""
        return list(self._open.values())

    def pump_for(self, ifindex: int) -> Pump | None:
        """The pump of the tap that hears what this mesh interface hears."""
        seen = self._seen.get(ifindex)
        if seen is None:
            return None
        return next((pump for at, pump in self._open.items() if at.wiphy == seen.wiphy), None)

    def notice(self, observations: Iterable[Observation], now: int) -> None:
        """Interfaces come and go."""
        moved = False
        for observation in observations:
            match observation:
                case InterfaceSeen(ifindex):
                    moved |= self._seen.get(ifindex) != observation
                    self._seen[ifindex] = observation
                case LinkSeen(ifindex, _, up):
                    moved |= self._up.get(ifindex) != up
                    self._up[ifindex] = up
                case InterfaceDeleted(ifindex):
                    moved |= self._seen.pop(ifindex, None) is not None
                    self._up.pop(ifindex, None)
                case InterfacesSwept(ifindexes):
                    for ifindex in self._seen.keys() - ifindexes:
                        del self._seen[ifindex]
                        moved = True
        if moved:
            self._follow(now)

    def close(self) -> None:
        """Close all taps."""
        if self._retry is not None:
            self._retry.cancel()
        for pump in self._open.values():
            pump.close()
        self._open = {}

    def _follow(self, now: int) -> None:
        """Open what can be opened, close what is of no use any more."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        failures: list[str] = []
        wanted: list[Monitor] = []
        for wiphy in sorted({i.wiphy for i in self._seen.values() if i.type is InterfaceType.MESH}):
            monitors = list(self._monitors(wiphy))
            up = [monitor for monitor in monitors if self._up.get(monitor.ifindex)]
            if up:
                wanted.append(up[0])
            elif monitors:
                failures.append(f"{monitors[0].name} is down")
            else:
                named = " of those named" if self._only else ""
                failures.append(f"phy{wiphy} has no monitor interface{named}")
        before = self._tapped
        own = {wiphy: self._addresses(wiphy) for wiphy in before | {m.wiphy for m in wanted}}
        for monitor in list(self._open):
            if monitor not in wanted or own[monitor.wiphy] != self._own[monitor.wiphy]:
                self._open.pop(monitor).close()
        self._own = own
        failures += [why for m in wanted if m not in self._open and (why := self._try(m, now))]
        for wiphy in sorted(before - self._tapped):
            self._say(Untapped(wiphy))
        failure = ", ".join(failures) or None
        if failure != self._said and (wanted or failure):
            self._said = failure
            self._say(SourceState(Frames.name, failure))

    @property
    def _tapped(self) -> set[int]:
        """The radios with a tap."""
        return {monitor.wiphy for monitor in self._open}

    def _addresses(self, wiphy: int) -> frozenset[str]:
        """Those of its mesh interfaces."""
        seen = self._seen.values()
        meshes = [s for s in seen if s.wiphy == wiphy and s.type is InterfaceType.MESH]
        return frozenset(mesh.address for mesh in meshes)

    def _monitors(self, wiphy: int) -> Iterator[Monitor]:
        for ifindex, seen in sorted(self._seen.items()):
            if seen.monitor and seen.wiphy == wiphy and (seen.name in self._only or not self._only):
                yield Monitor(ifindex=ifindex, name=seen.name, wiphy=wiphy)

    def _try(self, monitor: Monitor, now: int) -> str | None:
        """Open a tap; or why that cannot be."""
        # Peering frames have a socket of their own, and are heard first.
        filters = peering_filter(self._own[monitor.wiphy]), beacon_filter(beacons=self._beacons)
        try:
            with ExitStack() as unless_all:
                opened = [
                    unless_all.enter_context(closing(open_tap(monitor, RECEIVE_BUFFER_BYTES, each)))
                    for each in filters
                ]
                unless_all.pop_all()
        except PermissionError:
            return f"{monitor.name}: needs CAP_NET_RAW"
        except OSError as error:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RETRY_S, lambda: self._follow(int(loop.time() * 1e9)))
            return f"{monitor.name}: {error.strerror or error}"
        pump = Pump(Frames(monitor), self._observed, self._tee)
        pump.notice(self._seen.values(), now)
        pump.open(opened, opened[-1])
        self._open[monitor] = pump
        return None
