"""A private message bus, a table to publish on it, and a client that keeps a mirror."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant
from msgspec.structs import replace

from meshwatch.bus import Bus
from meshwatch.bus.marshal import Typed
from meshwatch.feed import Feed
from meshwatch.model import (
    Change,
    Evidence,
    Interface,
    InterfaceType,
    Key,
    Neighbor,
    Plink,
    Presence,
    Readings,
    Reason,
    Row,
)

DEADLINE_S = 20.0
WALL_OFFSET_NS = 1_700_000_000_000_000_000

DRIVER = "org.freedesktop.DBus"
NAME = "org.meshwatch"
ROOT = "/org/meshwatch"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
PROPERTIES = "org.freedesktop.DBus.Properties"
NEIGHBOR = "org.meshwatch.Neighbor1"
INTERFACE = "org.meshwatch.Interface1"
MANAGER = "org.meshwatch.Manager1"


class MessageDaemon:
    """A real dbus-daemon at an address of its own."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder / 'bus'}"
        self._log = folder / "bus.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self, config: Path | None = None) -> None:
        """Start it, as a session bus or as a file says; it listens when this returns."""
        kind = f"--config-file={config}" if config else "--session"
        command = ["dbus-daemon", kind, "--nofork", "--print-address", "--nopidfile"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, f"--address={self.address}"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("unix:path=")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Have it stand still."""
        self.signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def call(self, member: str) -> None:
        """Call a method of the bus itself, blocking this process until the reply is here."""
        command = ["busctl", f"--address={self.address}", "call", DRIVER, "/", DRIVER, member]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE_S)

    def environment(self) -> dict[str, str]:
        """For tools that look for a session bus."""
        return dict(os.environ, DBUS_SESSION_BUS_ADDRESS=self.address, LC_ALL="C")


class World:
    """Rows as a table would hold them, and the feed that tells of their changes."""

    def __init__(self, *rows: Row, complete: bool = True) -> None:
        self.rows = {row.key: row for row in rows}
        self.feed = Feed(lambda: tuple(self.rows.values()))
        if complete:
            self.feed.open()

    def put(self, *rows: Row) -> None:
        """Rows came or changed."""
        changes = []
        for row in rows:
            changes.append(Change(row.key, self.rows.get(row.key), row))
            self.rows[row.key] = row
        self.feed.publish(changes)

    def drop(self, key: Key, reason: Reason, evidence: Evidence | None = None) -> None:
        """A row was removed."""
        change = Change(key, self.rows.pop(key), None, reason=reason, evidence=evidence)
        self.feed.publish([change])

    def read(self, row: Row) -> None:
        """Nothing but a row's readings changed."""
        change = Change(row.key, self.rows[row.key], row, news=False)
        self.rows[row.key] = row
        self.feed.publish([change])


def interface(ifindex: int = 3, name: str = "mesh0", **fields: Any) -> Interface:
    """An interface that has joined."""
    plain = Interface(
        ifindex=ifindex,
        interface=name,
        type=InterfaceType.MESH,
        wiphy=0,
        address="42:00:00:00:00:00",
        up=True,
        running=True,
        frequency_mhz=2412,
    )
    return replace(plain, **fields)


def neighbor(number: int = 1, **fields: Any) -> Neighbor:
    """The neighbor 42:00:00:00:0N:00 of mesh0, established."""
    readings = Readings(last_heard_ns=2_000_000_000, reach=0xFFFF, signal_dbm=-40, tx_bytes=1)
    plain = Neighbor(
        ifindex=3,
        interface="mesh0",
        address=f"42:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        presence=Presence.PRESENT,
        reason=Reason.ESTABLISHED,
        since_ns=1_000_000_000,
        first_heard_ns=1_000_000_000,
        plink=Plink.ESTAB,
        llid=1,
        plid=2,
        readings=readings,
    )
    return replace(plain, **fields)


def where(row: Interface | Neighbor) -> str:
    """The object path of a row whose interface's name needs no escape."""
    path = f"{ROOT}/{row.interface}"
    return f"{path}/n_{row.address.replace(':', '_')}" if isinstance(row, Neighbor) else path


async def within(awaitable: Any) -> Any:
    """What is awaited, or a failure after the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return await awaitable


class States:
    """What the daemon was told about its bus."""

    def __init__(self) -> None:
        self.all: list[str | None] = []
        self._changed = asyncio.Event()

    def __call__(self, failure: str | None) -> None:
        self.all.append(failure)
        self._changed.set()

    async def until(self, wanted: Callable[[str | None], bool]) -> None:
        """Wait until the latest state is what is wanted."""
        while not self.all or not wanted(self.all[-1]):
            self._changed.clear()
            await within(self._changed.wait())

    async def working(self) -> None:
        """Wait until the name is ours."""
        await self.until(lambda failure: failure is None)


@contextlib.asynccontextmanager
async def published(
    world: World, address: str, lookup: Callable[[Key], Row | None] | None = None
) -> AsyncIterator[States]:
    """Publish a world on a bus, for the length of a block."""
    states = States()
    bus = Bus(world.feed, lookup or world.rows.get, lambda: WALL_OFFSET_NS, address, states)
    running = asyncio.create_task(bus.run())
    try:
        yield states
    finally:
        await bus.close()
        await within(running)


Objects = dict[str, dict[str, dict[str, Any]]]


class Client:
    """Another process's view: calls, the signals it hears, and a mirror of the objects.

    The mirror is kept as the ObjectManager's standard tells a client to.
    """

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._heard = asyncio.Event()
        self.signals: list[Message] = []
        self.objects: Objects = {}
        self.owner = ""
        self.answered: set[int] = set()  # serials of calls

    @classmethod
    async def connect(cls, address: str) -> Client:
        """Connect and listen to everything that org.meshwatch says."""
        bus = MessageBus(bus_address=address)
        client = cls(bus)
        await within(bus.connect())
        bus.add_message_handler(client._hear)
        for rule in (
            f"type='signal',sender='{NAME}'",
            f"type='signal',sender='{DRIVER}',member='NameOwnerChanged',arg0='{NAME}'",
        ):
            await client.call(DRIVER, "AddMatch", "s", [rule], path="/", to=DRIVER)
        return client

    async def call(
        self,
        interface: str | None,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        *,
        path: str = ROOT,
        to: str = NAME,
    ) -> Message:
        """Call a method; the reply may be an error."""
        call = Message(to, path, member=member, signature=signature, body=body or [])
        if interface is not None:
            call.interface = interface
        reply: Message = await within(self._bus.call(call))
        return reply

    def send(self, message: Message) -> None:
        """Send without waiting for a reply."""
        self._bus.send(message)

    async def get(self, path: str, interface: str, name: str) -> Any:
        """A property's value, or the name of the error."""
        reply = await self.call(PROPERTIES, "Get", "ss", [interface, name], path=path)
        if reply.message_type is MessageType.ERROR:
            return reply.error_name
        return reply.body[0].value

    async def look(self) -> Objects:
        """Ask for all objects and begin the mirror with them."""
        reply = await self.call(OBJECT_MANAGER, "GetManagedObjects")
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        self.objects = {
            path: {name: plain(values) for name, values in interfaces.items()}
            for path, interfaces in reply.body[0].items()
        }
        return self.objects

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition over what was heard holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    async def connections(self, number: int) -> None:
        """Wait until so many connections to the bus have said Hello."""
        names: list[str] = []
        while len(names) < number:
            reply = await self.call(DRIVER, "ListNames", path="/", to=DRIVER)
            names = [name for name in reply.body[0] if name.startswith(":")]

    async def caught_up(self) -> None:
        """Return when everything said before now has been heard: the bus keeps the order."""
        await self.call(PEER, "Ping")

    def said(self) -> list[tuple[str, str]]:
        """The signals of org.meshwatch so far, as (member, path it concerns)."""
        return [
            (each.member, each.path if each.member == "PropertiesChanged" else each.body[0])
            for each in self.signals
        ]

    def close(self) -> None:
        """Leave the bus."""
        self._bus.disconnect()  # type: ignore[no-untyped-call]

    def _hear(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            self.answered.add(message.reply_serial)
            self._heard.set()
            return
        if message.member == "NameOwnerChanged":
            self.owner = message.body[2]
        elif message.sender != DRIVER:
            self.signals.append(message)
            self._mirror(message)
        self._heard.set()

    def _mirror(self, message: Message) -> None:
        body = message.body
        if message.member == "InterfacesAdded":
            assert message.path == ROOT
            known = self.objects.setdefault(body[0], {})
            known.update({name: plain(values) for name, values in body[1].items()})
        elif message.member == "InterfacesRemoved":
            assert message.path == ROOT
            for name in body[1]:
                self.objects.get(body[0], {}).pop(name, None)
            if not self.objects.get(body[0], True):
                del self.objects[body[0]]
        elif message.member == "PropertiesChanged" and message.path in self.objects:
            values = self.objects[message.path][body[0]]
            values.update(plain(body[1]))
            for name in body[2]:
                values.pop(name, None)


@contextlib.asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    """A client, for the length of a block."""
    client = await Client.connect(address)
    try:
        yield client
    finally:
        client.close()


def plain(values: Mapping[str, Variant | Typed]) -> dict[str, Any]:
    """Values without their D-Bus types."""
    return {name: value.value for name, value in values.items()}
