"""Keeps the kernel sources open: opens their channels, and again when the kernel's side moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from meshwatch import kernel
from meshwatch.config import Config
from meshwatch.kernel import Channels, FamilyAbsent
from meshwatch.neighborhood import Neighborhood
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import (
    AddressWanted,
    BeaconSeen,
    Observation,
    ProbeWanted,
    Question,
    SourceState,
)
from meshwatch.paths import Paths
from meshwatch.pump import Channel, Pump, Tee
from meshwatch.rtnetlink import Rtnetlink
from meshwatch.taps import Taps
from meshwatch.wires import Wires

log = logging.getLogger(__name__)

RETRY_S = 5.0

HandOn = Callable[[Iterable[Observation], int], None]
Opened = tuple[list[Channel], Channel]


class Sources:
    """All that the kernel tells, and the taps; what one source observes is a hint to all."""

    def __init__(self, settings: Config, hand_on: HandOn, tee: Tee | None) -> None:
        only = frozenset(settings.interfaces) or None
        self._settings = settings
        self._hand_on = hand_on
        self._nl80211 = Nl80211(only, probes=settings.probes, measure=settings.measure)
        self._nl80211_pump = Pump(self._nl80211, self._observed, tee)
        self._rtnetlink_pump = Pump(Rtnetlink(), self._observed, tee)
        self._neighborhood_pump = Pump(Neighborhood(), self._observed, tee)
        self._paths_pump = Pump(Paths(), self._observed, tee)
        self._taps: Taps | None = None
        if settings.tap:
            monitors = frozenset(settings.monitors)
            self._taps = Taps(
                self._observed, self._say, tee, beacons=settings.beacons, only=monitors
            )
        self._wires = Wires(self._observed, self._say, tee) if settings.echoes else None
        self._served_family = 0
        self._family_moved = asyncio.Event()
        self._put_off: list[Callable[[], None]] = []  # what follows from what was learned
        self._closed = False

    @property
    def _pumps(self) -> list[Pump]:
        kernels = [
            self._nl80211_pump,
            self._rtnetlink_pump,
            self._neighborhood_pump,
            self._paths_pump,
        ]
        return kernels + [pump for each in self._packets for pump in each.pumps]

    @property
    def _packets(self) -> list[Taps | Wires]:
        """Who keeps packet sockets."""
        return [each for each in (self._taps, self._wires) if each is not None]

    async def run(self) -> None:
        """Serve all until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                # One after the other, so that a recording begins with the family's reply.
                opened = asyncio.Event()
                tasks.create_task(self._follow_nl80211(opened))
                await opened.wait()
                tasks.create_task(self._follow(self._rtnetlink_pump, self._open_rtnetlink))
                tasks.create_task(self._follow(self._neighborhood_pump, self._open_neighborhood))
                tasks.create_task(self._follow(self._paths_pump, self._open_paths))
        finally:
            self._closed = True
            for pump in self._pumps:
                pump.close()
            for each in self._packets:
                each.close()

    def ask(self, questions: Iterable[Question], now: int) -> None:
        """Have the table's questions given to those who can answer them, in a moment: what was
        published before goes out first."""
        self._put(partial(self._ask, tuple(questions), now))

    def _put(self, work: Callable[[], None]) -> None:
        # Twelve who are met at once make work for all sources. It waits until they were told, and
        # until those whom the kernel describes next were told as well.
        if not self._put_off:
            asyncio.get_running_loop().call_soon(self._serve)
        self._put_off.append(work)

    def _serve(self) -> None:
        if self._closed:
            return
        if self._nl80211_pump.goes_on:
            asyncio.get_running_loop().call_soon(self._serve)
            return
        put_off, self._put_off = self._put_off, []
        for work in put_off:
            work()

    def _ask(self, questions: Iterable[Question], now: int) -> None:
        for question in questions:
            pump: Pump | None = self._nl80211_pump
            if isinstance(question, AddressWanted):
                pump = self._wires.pump_for(question.ifindex) if self._wires else None
            elif isinstance(question, ProbeWanted):
                if not self._settings.probes:
                    continue
                tap = self._taps.pump_for(question.ifindex) if self._taps else None
                pump = tap or pump
            if pump is not None:
                pump.notice([question], now)

    async def _follow_nl80211(self, opened: asyncio.Event) -> None:
        pump = self._nl80211_pump
        while True:
            nlctrl = None
            try:
                nlctrl = await kernel.open_nlctrl(self._settings.receive_buffer_bytes)
                channels = await self._open_family()
            except (OSError, TimeoutError) as error:
                if nlctrl is not None:
                    nlctrl.close()
                await self._failed(pump, error)
                continue
            if channels is None:
                pump.open([nlctrl], nlctrl)
                self._served_family = 0
            else:
                pump.open([channels.requests, channels.events, nlctrl], channels.requests)
                self._served_family = self._nl80211.family
            opened.set()
            while self._nl80211.family == self._served_family:
                self._family_moved.clear()
                await self._family_moved.wait()
            log.info("nl80211 moved in the kernel, opening it again")
            pump.close()

    async def _open_family(self) -> Channels | None:
        try:
            return await kernel.open_nl80211(self._settings.receive_buffer_bytes)
        except FamilyAbsent:
            return None

    async def _open_rtnetlink(self) -> Opened:
        channels = await kernel.open_rtnetlink(self._settings.receive_buffer_bytes)
        return [channels.requests, channels.events], channels.requests

    async def _open_neighborhood(self) -> Opened:
        channels = await kernel.open_neighborhood(self._settings.receive_buffer_bytes)
        return [channels.requests, channels.events], channels.requests

    async def _open_paths(self) -> Opened:
        channel = await kernel.open_paths(self._settings.receive_buffer_bytes)
        return [channel], channel

    async def _follow(self, pump: Pump, opener: Callable[[], Awaitable[Opened]]) -> None:
        while True:
            try:
                listening, speaking = await opener()
            except (OSError, TimeoutError) as error:
                await self._failed(pump, error)
                continue
            pump.open(listening, speaking)
            return

    async def _failed(self, pump: Pump, error: Exception) -> None:
        why = f"cannot be opened: {error or type(error).__name__}"
        pump.observed([SourceState(pump.conversation.name, why)])
        await asyncio.sleep(RETRY_S)

    def _say(self, news: Observation) -> None:
        self._hand_on([news], time.monotonic_ns())

    def _observed(self, origin: Pump, observations: list[Observation], now: int) -> None:
        self._hand_on(observations, now)
        # Most of what a tap hears is beacons, of which no source makes anything.
        if hints := [each for each in observations if not isinstance(each, BeaconSeen)]:
            self._put(partial(self._hint, origin, hints, now))
        if self._nl80211.family != self._served_family:
            self._family_moved.set()

    def _hint(self, origin: Pump, observations: Sequence[Observation], now: int) -> None:
        for pump in self._pumps:
            if pump is not origin:
                pump.notice(observations, now)
        for each in self._packets:
            each.notice(observations, now)
