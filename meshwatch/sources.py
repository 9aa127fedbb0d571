"""Keeps the kernel sources open: opens their channels, and again when the kernel's side moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from meshwatch import kernel
from meshwatch.kernel import Channels, FamilyAbsent
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import (
    Observation,
    SourceState,
)
from meshwatch.pump import Pump, Tee
from meshwatch.rtnetlink import Rtnetlink

log = logging.getLogger(__name__)

RETRY_S = 5.0

HandOn = Callable[[Iterable[Observation], int], None]


class Sources:
    """nl80211 and rtnetlink, each with its pump; what one observes is a hint to the other."""

    def __init__(
        self,
        interfaces: frozenset[str] | None,
        receive_buffer_bytes: int,
        hand_on: HandOn,
        tee: Tee | None,
    ) -> None:
        self._receive_buffer_bytes = receive_buffer_bytes
        self._hand_on = hand_on
        self._nl80211 = Nl80211(interfaces)
        self._pumps = [
            Pump(self._nl80211, self._observed, tee),
            Pump(Rtnetlink(), self._observed, tee),
        ]
        self._served_family = 0
        self._family_moved = asyncio.Event()

    async def run(self) -> None:
        """Serve both until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                # One after the other, so that a recording begins with the family's reply.
                opened = asyncio.Event()
                tasks.create_task(self._follow_nl80211(opened))
                await opened.wait()
                tasks.create_task(self._follow_rtnetlink())
        finally:
            for pump in self._pumps:
                pump.close()

    async def _follow_nl80211(self, opened: asyncio.Event) -> None:
        pump = self._pumps[0]
        while True:
            nlctrl = None
            try:
                nlctrl = await kernel.open_nlctrl(self._receive_buffer_bytes)
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
            return await kernel.open_nl80211(self._receive_buffer_bytes)
        except FamilyAbsent:
            return None

    async def _follow_rtnetlink(self) -> None:
        pump = self._pumps[1]
        while True:
            try:
                channels = await kernel.open_rtnetlink(self._receive_buffer_bytes)
            except (OSError, TimeoutError) as error:
                await self._failed(pump, error)
                continue
            pump.open([channels.requests, channels.events], channels.requests)
            return

    async def _failed(self, pump: Pump, error: Exception) -> None:
        why = f"cannot be opened: {error or type(error).__name__}"
        pump.observed([SourceState(pump.conversation.name, why)])
        await asyncio.sleep(RETRY_S)

    def _observed(self, origin: Pump, observations: list[Observation], now: int) -> None:
        self._hand_on(observations, now)
        for pump in self._pumps:
            if pump is not origin:
                pump.notice(observations, now)
        if self._nl80211.family != self._served_family:
            self._family_moved.set()
