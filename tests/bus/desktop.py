"""A desktop as far as notifications go: serves org.freedesktop.Notifications on a bus."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message

from tests.bus.harness import DEADLINE_S

NAME = "org.freedesktop.Notifications"


class Bubble(NamedTuple):
    """One notification as it was asked for."""

    application: str
    summary: str
    body: str
    hints: dict[str, Any]


class Desktop:
    """Keeps every notification it is asked to show."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._bubbles: asyncio.Queue[Bubble] = asyncio.Queue()
        bus.add_message_handler(self._handle)

    @classmethod
    async def start(cls, address: str) -> Desktop:
        """One that owns the name."""
        desktop = cls(await MessageBus(bus_address=address).connect())
        await desktop._bus.request_name(NAME)
        return desktop

    async def bubble(self, within_s: float = DEADLINE_S) -> Bubble:
        """The next one; TimeoutError if none is shown in time."""
        return await asyncio.wait_for(self._bubbles.get(), within_s)

    def stop(self) -> None:
        """It crashes."""
        self._bus.disconnect()  # type: ignore[no-untyped-call]

    def _handle(self, message: Message) -> bool:
        if message.message_type is MessageType.METHOD_CALL and message.member == "Notify":
            application, _, _, summary, body, _, hints, _ = message.body
            values = {name: hint.value for name, hint in hints.items()}
            self._bubbles.put_nowait(Bubble(application, summary, body, values))
            self._bus.send(Message.new_method_return(message, "u", [1]))
            return True
        return False
