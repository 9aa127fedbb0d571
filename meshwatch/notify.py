"""Tells a desktop who came near and who left: the table on one bus, notifications on another.

A client of the system bus like any other (org.meshwatch(5)), in the session of the user, because
a system service has no business there. Notifications are those of the Desktop Notifications
Specification 1.2, org.freedesktop.Notifications.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from meshwatch.discretion import Acquaintance, Discretion, Notice
from meshwatch.model import Presence

log = logging.getLogger(__name__)

RETRY_S = 5.0
CALL_S = 5.0  # within which a bus, a daemon or a desktop answers

_DRIVER, _DRIVER_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_NAME, _ROOT, _NEIGHBOR = "org.meshwatch", "/org/meshwatch", "org.meshwatch.Neighbor1"
_OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
_NOTIFICATIONS = "org.freedesktop.Notifications"
_NOTIFICATIONS_PATH = "/org/freedesktop/Notifications"
_RULES = (
    f"type='signal',sender='{_NAME}'",
    f"type='signal',sender='{_DRIVER}',member='NameOwnerChanged',arg0='{_NAME}'",
)

_NEAR = frozenset({Presence.PRESENT, Presence.QUIET})
_MOST_LABEL = 64  # characters: what a stranger calls itself has to fit
_EXPIRES_BY_ITSELF = -1

Properties = dict[str, Any]


class BusLost(Exception):
    """A bus that cannot be reached, was lost, or answers with an error."""


class Notifier:
    """Follows org.meshwatch on ``table_bus`` and notifies on ``desktop_bus``.

    A bus is "system", "session" or a D-Bus address. ``names`` are the user's own, by hardware
    address; ``favourites`` are names or hardware addresses.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        favourites: frozenset[str],
        *,
        favourites_only: bool = False,
        table_bus: str = "system",
        desktop_bus: str = "session",
    ) -> None:
        self.notified = 0
        self._names = names
        self._favourites = frozenset(each.casefold() for each in favourites)
        self._discretion = Discretion(favourites_only=favourites_only)
        self._neighbors = Neighbors(table_bus, self._begin, self._see, self._gone)
        self._desktop_bus = desktop_bus
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Serve until the desktop's bus ends, with its session; :class:`BusLost` if there is
        none."""
        desktop = await _connect(self._desktop_bus)
        serving = [
            asyncio.create_task(self._neighbors.follow()),
            asyncio.create_task(self._notify(desktop)),
        ]
        end = asyncio.create_task(_end_of(desktop))
        try:
            await asyncio.wait([*serving, end], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*serving, end):
                task.cancel()
            ended = await asyncio.gather(*serving, end, return_exceptions=True)
            desktop.disconnect()  # type: ignore[no-untyped-call]
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def _notify(self, desktop: MessageBus) -> None:
        complained = ""
        while True:
            self._changed.clear()
            for notice in self._discretion.due(time.monotonic_ns()):
                try:
                    await _call(desktop, _bubble(notice))
                except BusLost as error:  # no desktop shows any at present
                    if str(error) != complained:
                        complained = str(error)
                        log.warning("cannot notify: %s", error)
                else:
                    self.notified += 1
                    complained = ""
            deadline = self._discretion.deadline()
            wait_s = None if deadline is None else max(0, deadline - time.monotonic_ns()) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    # ---- what the table tells -----------------------------------------------------------------

    def _begin(self, neighbors: Mapping[str, Properties]) -> None:
        everybody = [self._acquaintance(path, each) for path, each in neighbors.items()]
        self._discretion.begin(everybody, time.monotonic_ns())
        self._changed.set()

    def _see(self, path: str, neighbor: Properties) -> None:
        self._discretion.see(self._acquaintance(path, neighbor), time.monotonic_ns())
        self._changed.set()

    def _gone(self, path: str) -> None:
        self._discretion.gone(path, time.monotonic_ns())
        self._changed.set()

    def _acquaintance(self, path: str, neighbor: Properties) -> Acquaintance:
        address, claimed = neighbor["Address"], neighbor.get("Name", "")
        label = self._names.get(address)
        if label is None and not neighbor.get("Disputed"):
            label = neighbor.get("Nick") or claimed.removesuffix(".").removesuffix(".local")
        called = {each.casefold() for each in (address, label, claimed) if each}
        return Acquaintance(
            path,
            label[:_MOST_LABEL] if label else None,
            neighbor["Presence"] in _NEAR,
            not called.isdisjoint(self._favourites),
        )


class Neighbors:
    """The objects of org.meshwatch: all of them at ``begin``, then each that came, changed or
    went."""

    def __init__(
        self,
        address: str,
        begin: Callable[[Mapping[str, Properties]], None],
        see: Callable[[str, Properties], None],
        gone: Callable[[str], None],
    ) -> None:
        self._address = address
        self._begin, self._see, self._gone = begin, see, gone
        self._objects: dict[str, Properties] = {}
        self._signals = 0
        self._daemon_came = asyncio.Event()

    async def follow(self) -> None:
        """Serve until cancelled, through restarts of daemon and bus."""
        complained = ""
        while True:
            try:
                await self._follow_one_bus()
            except BusLost as error:
                if str(error) != complained:
                    complained = str(error)
                    log.warning("cannot follow meshwatchd: %s", error)
            await asyncio.sleep(RETRY_S)

    async def _follow_one_bus(self) -> None:
        bus = await _connect(self._address)
        end = asyncio.create_task(_end_of(bus))
        try:
            bus.add_message_handler(self._take)
            for rule in _RULES:
                await _call(bus, _of_driver("AddMatch", rule))
            while not end.done():
                self._daemon_came.clear()
                await self._look(bus)
                came = asyncio.create_task(self._daemon_came.wait())
                await asyncio.wait([end, came], return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
        finally:
            end.cancel()
            bus.disconnect()  # type: ignore[no-untyped-call]

    async def _look(self, bus: MessageBus) -> None:
        """Have all of them; until a daemon comes there are none."""
        signals = -1
        while signals != self._signals:  # else the answer may be older than what a signal said
            signals = self._signals
            owned = await _call(bus, _of_driver("NameHasOwner", _NAME))
            if not owned[0]:
                log.info("there is no meshwatchd on the bus yet")
                return
            found = await _call(bus, Message(_NAME, _ROOT, _OBJECT_MANAGER, "GetManagedObjects"))
        self._objects = {
            path: _plain(interfaces[_NEIGHBOR])
            for path, interfaces in found[0].items()
            if _NEIGHBOR in interfaces
        }
        self._begin(self._objects)
        log.info("following meshwatchd, neighbors: %d", len(self._objects))

    def _take(self, message: Message) -> bool:
        if message.message_type is not MessageType.SIGNAL:
            return False
        self._signals += 1
        path = message.path
        match message.member, message.body:
            case "NameOwnerChanged", [_, _, owner] if owner:
                self._daemon_came.set()
            case "InterfacesAdded", [path, interfaces] if _NEIGHBOR in interfaces:
                self._objects[path] = _plain(interfaces[_NEIGHBOR])
                self._see(path, self._objects[path])
            case "InterfacesRemoved", [path, _] if self._objects.pop(path, None) is not None:
                self._gone(path)
            case "PropertiesChanged", [interface, changed, invalidated] if (
                interface == _NEIGHBOR and path in self._objects
            ):
                known = self._objects[path]
                known |= _plain(changed)
                for name in invalidated:
                    known.pop(name, None)
                self._see(path, known)
        return False


def _of_driver(member: str, argument: str) -> Message:
    return Message(_DRIVER, _DRIVER_PATH, _DRIVER, member, signature="s", body=[argument])


def _bubble(notice: Notice) -> Message:
    """The call that shows a notice. Names are strangers' words: they go into the summary, which
    is plain text, never into the body, which is markup."""
    hints = {
        "category": Variant("s", "presence.online" if notice.near else "presence.offline"),
        "transient": Variant("b", True),
    }
    body = ["meshwatch", 0, "network-wireless", notice.text, "", [], hints, _EXPIRES_BY_ITSELF]
    where = (_NOTIFICATIONS, _NOTIFICATIONS_PATH, _NOTIFICATIONS, "Notify")
    return Message(*where, signature="susssasa{sv}i", body=body)


def _plain(properties: Mapping[str, Variant]) -> Properties:
    return {name: variant.value for name, variant in properties.items()}


async def _connect(address: str) -> MessageBus:
    kinds = {"system": BusType.SYSTEM, "session": BusType.SESSION}
    try:
        if address in kinds:
            bus = MessageBus(bus_type=kinds[address])
        else:
            bus = MessageBus(bus_address=address)
        async with asyncio.timeout(CALL_S):
            return await bus.connect()
    except Exception as error:  # the library raises whatever it stumbles over
        raise BusLost(f"{address} bus: {error or type(error).__name__}") from error


async def _end_of(bus: MessageBus) -> None:
    with contextlib.suppress(Exception):  # how it ended does not matter
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _call(bus: MessageBus, call: Message) -> list[Any]:
    """The body of the reply."""
    member = call.member
    try:
        async with asyncio.timeout(CALL_S):
            reply = await bus.call(call)
    except (OSError, EOFError, TimeoutError) as error:
        raise BusLost(f"{member}: {error or 'no answer'}") from error
    if reply is None:
        raise BusLost(f"{member}: the connection was closed")
    if reply.message_type is MessageType.ERROR:
        raise BusLost(f"{member}: {reply.body[0] if reply.body else reply.error_name}")
    return list(reply.body)
