"""A desktop is told who came and who left, by a real bus, a real publisher and a real client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from meshwatch.model import Presence, Reason
from meshwatch.notify import BusLost, Notifier
from tests.bus.desktop import Desktop
from tests.bus.harness import MessageDaemon, World, interface, neighbor, published, within

ANA, BEN = neighbor(1), neighbor(2)
NAMES = {ANA.address: "Ana's laptop", BEN.address: "Ben's <b>laptop</b>"}


@contextlib.asynccontextmanager
async def notifying(address: str, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A notifier between the table and the desktop on one bus, for the length of a block."""
    notifier = Notifier(
        NAMES,
        options.pop("favourites", frozenset()),
        table_bus=address,
        desktop_bus=address,
        **options,
    )
    running = asyncio.create_task(notifier.run())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait([running])


class Following(logging.Handler):
    """Knows how often the notifier began to follow a daemon, and found nobody to notify."""

    def __init__(self) -> None:
        super().__init__()
        self._begun, self._alone = asyncio.Semaphore(0), asyncio.Semaphore(0)

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log."""
        if record.getMessage().startswith("following meshwatchd"):
            self._begun.release()
        elif record.getMessage().startswith("cannot notify"):
            self._alone.release()

    async def __call__(self) -> None:
        """Wait until it began once more."""
        await within(self._begun.acquire())

    async def alone(self) -> None:
        """Wait until a notice was shown by nobody."""
        await within(self._alone.acquire())


@pytest.fixture
def following() -> Iterator[Following]:
    """What the notifier logs."""
    handler = Following()
    log = logging.getLogger("meshwatch.notify")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def test_comes_and_leaves(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        world = World(interface(), BEN)
        desktop = await Desktop.start(daemon.address)
        async with published(world, daemon.address) as states, notifying(daemon.address):
            await states.working()
            await following()
            world.put(ANA)
            bubble = await desktop.bubble()
            assert (bubble.application, bubble.summary) == ("meshwatch", "Ana's laptop is near")
            assert bubble.hints == {"category": "presence.online", "transient": True}
            world.drop(
                BEN.key, Reason.SILENT
            )  # was there from the start, of which nothing was told
            bubble = await desktop.bubble()
            assert bubble.summary == "Ben's <b>laptop</b> has left"
            assert bubble.body == ""  # a name must not become markup
            assert bubble.hints["category"] == "presence.offline"

    asyncio.run(scenario())


def test_quiet_is_not_gone(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        world = World(interface(), ANA, BEN)
        desktop = await Desktop.start(daemon.address)
        async with published(world, daemon.address) as states, notifying(daemon.address):
            await states.working()
            await following()
            world.put(replace(ANA, presence=Presence.QUIET, reason=Reason.SILENT))
            world.put(replace(BEN, presence=Presence.HEARD, reason=Reason.CLOSED))
            assert (await desktop.bubble()).summary == "Ben's <b>laptop</b> has left"

    asyncio.run(scenario())


def test_a_stranger_without_a_name_is_not_told(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        world = World(interface())
        desktop = await Desktop.start(daemon.address)
        async with published(world, daemon.address) as states, notifying(daemon.address):
            await states.working()
            await following()
            world.put(neighbor(3))
            world.put(ANA)
            assert (await desktop.bubble()).summary == "Ana's laptop is near"

    asyncio.run(scenario())


def test_only_favourites(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        world = World(interface())
        desktop = await Desktop.start(daemon.address)
        favourites = frozenset({BEN.address.upper()})
        options: dict[str, Any] = {"favourites": favourites, "favourites_only": True}
        async with published(world, daemon.address) as states, notifying(daemon.address, **options):
            await states.working()
            await following()
            world.put(ANA, BEN)
            assert (await desktop.bubble()).summary == "Ben's <b>laptop</b> is near"

    asyncio.run(scenario())


def test_a_daemon_that_comes_later_and_again(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        desktop = await Desktop.start(daemon.address)
        async with notifying(daemon.address):
            async with published(World(interface(), ANA), daemon.address) as states:
                await states.working()
                await following()
            # It ended, its table with it: Ana neither left by that, nor comes by a new one.
            world = World(interface(), ANA)
            async with published(world, daemon.address) as states:
                await states.working()
                await following()
                world.put(BEN)
                assert (await desktop.bubble()).summary == "Ben's <b>laptop</b> is near"

    asyncio.run(scenario())


def test_no_desktop_shows_any(daemon: MessageDaemon, following: Following) -> None:
    async def scenario() -> None:
        world = World(interface())
        first = await Desktop.start(daemon.address)
        async with published(world, daemon.address) as states, notifying(daemon.address):
            await states.working()
            await following()
            first.stop()
            world.put(ANA)
            await following.alone()
            second = await Desktop.start(daemon.address)
            world.put(BEN)
            bubble = await second.bubble()
            assert "Ben's <b>laptop</b>" in bubble.summary

    asyncio.run(scenario())


def test_the_session_ends(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        await Desktop.start(daemon.address)
        async with notifying(daemon.address) as running:
            world = World(interface())
            async with published(world, daemon.address) as states:
                await states.working()
            daemon.kill()
            await within(running)

    asyncio.run(scenario())


def test_no_session() -> None:
    async def scenario() -> None:
        notifier = Notifier({}, frozenset(), desktop_bus="unix:path=/nonexistent")
        with pytest.raises(BusLost, match="/nonexistent"):
            await notifier.run()

    asyncio.run(scenario())
