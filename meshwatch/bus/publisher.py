"""Publishes the table on the bus for as long as there is one, and finds it again when not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from msgspec.structs import replace

from meshwatch import __version__
from meshwatch.bus.answers import Answers
from meshwatch.bus.connection import CallError, Connection
from meshwatch.bus.contract import (
    INTERFACE,
    INTERFACE_OF,
    NAME,
    OBJECT_MANAGER,
    PROPERTIES,
    ROOT,
    Contract,
    Subject,
    path,
)
from meshwatch.bus.mirror import Mirror, Saying
from meshwatch.feed import Feed, Subscription
from meshwatch.model import Change, Key, Neighbor, Row

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
FIRST_PAUSE_S = 0.25
# Between two attempts at most: a bus that had us comes back, and asking in vain costs microseconds;
# where none ever did, we do not wake up every second for it.
RETURN_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0

# Objects told before other tasks get their turn: 1.5 ms; on a slow machine twenty times as much.
SAYINGS_PER_TURN = 16

TAKEN = f"another process owns the name {NAME}"


class Bus:
    """The table, seen through D-Bus.

    ``lookup`` gives a row as last published, with its readings, or None. ``address`` is "system",
    "session" or a D-Bus address. ``on_state`` is called at each transition, with what is wrong or
    with None. Nothing here ever raises into the daemon or makes it wait.
    """

    def __init__(
        self,
        feed: Feed,
        lookup: Callable[[Key], Row | None],
        wall_offset_ns: Callable[[], int],
        address: str = "system",
        on_state: Callable[[str | None], None] = lambda failure: None,
    ) -> None:
        self._feed = feed
        self._lookup = lookup
        self._address = address
        self._on_state = on_state
        self._contract = Contract(wall_offset_ns)
        self._failure: str | None = ""  # neither failed nor working yet
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._subscription: Subscription | None = None
        self._mirror = Mirror(__version__)
        self._complete = False  # a snapshot came
        self._owner = False

    async def run(self) -> None:
        """Serve, and connect again whenever the bus is lost, until ``close``."""
        pause_s, longest_s = FIRST_PAUSE_S, LONGEST_PAUSE_S
        while not self._closing.is_set():
            self._serving = asyncio.create_task(self._serve())
            try:
                await self._serving
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not self._closing.is_set() or (task is not None and task.cancelling()):
                    raise  # it was not close that cancelled
            except Exception as error:
                # Foreign code speaks to a foreign process here; none of its failures may take
                # the daemon with it, and all have the same cure.
                log.debug("the connection failed", exc_info=True)
                self._failed(f"no bus: {str(error) or type(error).__name__}")
            if self._owner:
                self._owner = False
                pause_s, longest_s = FIRST_PAUSE_S, RETURN_PAUSE_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause_s)
            pause_s = min(pause_s * 2, longest_s)

    async def close(self) -> None:
        """Give the name back, with everything said before delivered, and end ``run``."""
        self._closing.set()
        if self._owner and self._connection is not None:
            with contextlib.suppress(CallError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._connection.release_name(NAME)
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        """One connection, from its beginning to its end."""
        self._mirror = Mirror(__version__)
        self._complete = False
        answers = Answers(self._contract, self._mirror, self._fresh)
        connection = Connection(self._address, answers, self._named, self._wake.set)
        self._connection = connection
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
            self._subscription = self._feed.subscribe(readings=False, wake=self._fed)
            self._take()
            while not self._complete and not connection.lost:
                await self._next_wake()
            # Whoever sees the name must be able to see the table.
            if not connection.lost and not await connection.request_name(NAME):
                self._failed(TAKEN)
            while not connection.lost:
                await self._tell(connection)
                await self._next_wake()
            raise connection.failure or ConnectionResetError("the connection was closed")
        finally:
            self._connection = None
            if self._subscription is not None:
                self._subscription.close()
                self._subscription = None
            connection.close()

    async def _next_wake(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _fed(self) -> None:
        # Called in the middle of a turn of the pump: what it changes is taken at its end, and told
        # before anything else is read, which takes its time while many are met at once.
        asyncio.get_running_loop().call_soon(self._take)
        self._wake.set()

    def _take(self) -> None:
        """Bring the mirror up to date; cheap, and done even while the bus stands still."""
        while self._subscription is not None and (item := self._subscription.take()) is not None:
            if isinstance(item, Change):
                self._mirror.apply(item)
            else:
                self._mirror.reset(item.rows)
                self._complete = True
        if self._complete:
            self._wake.set()

    def _named(self, owner: bool) -> None:
        if owner:
            # Nobody could hear us before; who sees the name appear asks for everything.
            self._take()
            self._mirror.settle()
            self._worked()
        elif not self._closing.is_set():
            self._failed(TAKEN)
        self._owner = owner

    async def _tell(self, connection: Connection) -> None:
        told = 0
        while self._owner and not connection.lost and (saying := self._mirror.next()) is not None:
            self._say(connection, saying)
            connection.flush()  # the bus and its clients work on it beside us
            told += 1
            if connection.backed_up:
                await connection.room()
            elif told % SAYINGS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _say(self, connection: Connection, saying: Saying) -> None:
        old, new, _, evidence = saying
        subject = new or old
        assert subject is not None
        where, interface = path(subject), INTERFACE_OF[type(subject)]
        if new is None:
            # Why, first: after InterfacesRemoved a client has nothing left to ask.
            if isinstance(old, Neighbor) and evidence is not None:
                self._say_difference(connection, where, old, replace(old, evidence=evidence))
            self._say_presence(connection, where, saying)
            connection.signal(ROOT, OBJECT_MANAGER, "InterfacesRemoved", "oas", where, [interface])
            return
        if old is None:
            values = {interface: self._contract.news(new)}
            connection.signal(ROOT, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", where, values)
        else:
            self._say_difference(connection, where, old, new)
        self._say_presence(connection, where, saying)

    def _say_difference(
        self, connection: Connection, where: str, old: Subject, new: Subject
    ) -> None:
        changed, invalidated = self._contract.difference(old, new)
        if changed or invalidated:
            interface = INTERFACE_OF[type(new)]
            body = (interface, changed, invalidated)
            connection.signal(where, PROPERTIES, "PropertiesChanged", "sa{sv}as", *body)

    def _say_presence(self, connection: Connection, where: str, saying: Saying) -> None:
        old, new, reason, _ = saying
        subject = new or old
        if not isinstance(subject, Neighbor):
            return
        was = old.presence if isinstance(old, Neighbor) else ""
        presence = new.presence if isinstance(new, Neighbor) else ""
        if was != presence:
            connection.signal(
                where.rpartition("/")[0],
                INTERFACE,
                "PresenceChanged",
                "ossss",
                where,
                subject.address,
                str(was),
                str(presence),
                str(new.reason if isinstance(new, Neighbor) else reason),
            )

    def _fresh(self, subject: Subject) -> Subject:
        if isinstance(subject, Neighbor):
            now = self._lookup(subject.key)
            if isinstance(now, Neighbor):
                return now
        return subject

    def _failed(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            log.warning("D-Bus: %s", failure)
            self._on_state(failure)

    def _worked(self) -> None:
        if self._failure is not None:
            self._failure = None
            log.info("D-Bus: %s is ours", NAME)
            self._on_state(None)
