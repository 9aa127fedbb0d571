"""Stays connected to a daemon and hands out what changed, one event after another: ``connect``
for programs that block, ``follow`` for asyncio; one :class:`_Course` decides for both."""

from __future__ import annotations

import asyncio
import math
import select
import socket
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from meshwatch.client.mirror import Disconnected, Event, Mirror, NeighborKey, Resynchronised
from meshwatch.protocol import Lines, Neighbor

RUNTIME_DIRECTORY = "/run/meshwatch"

_FIRST_PAUSE_S = 0.1  # a daemon that is being restarted is back at once
_LONGEST_PAUSE_S = 5.0
_CHUNK = 65536  # bytes
_SILENT = "it sends no snapshot"


class DaemonAbsent(ConnectionError):
    """No daemon serves the runtime directory, or it sent no snapshot in time."""


class _Course:
    """What to do next; knows no socket, and the time (seconds) only from its arguments."""

    def __init__(
        self, runtime_directory: str | Path, live: bool, reconnect: bool, timeout: float | None
    ) -> None:
        self.path = str(Path(runtime_directory) / ("live.sock" if live else "news.sock"))
        self.mirror = Mirror()
        self._reconnect = reconnect
        self._timeout = math.inf if timeout is None else timeout
        self._limit: float | None = None  # when ``timeout`` ends, while we are out of step
        self._pause = _FIRST_PAUSE_S
        self._trouble = _SILENT
        self._lines = Lines()
        self._received: deque[bytes] = deque()
        self._events: deque[Event] = deque()

    def event(self) -> Event | None:
        """The next event of what was received. A line is taken in only when the events of the
        line before it were handed out: the mirror is never ahead of its reader."""
        while not self._events:
            if not self._received:
                return None
            self._events.extend(self.mirror.receive(self._received.popleft()))
        event = self._events.popleft()
        if isinstance(event, Resynchronised):
            self._limit = None
            self._pause = _FIRST_PAUSE_S
        return event

    def received(self, data: bytes) -> None:
        """These bytes arrived; b"" means that the daemon hung up (ConnectionResetError)."""
        if not data:
            raise ConnectionResetError("it closed the connection")
        self._trouble = _SILENT
        self._received.extend(self._lines.feed(data))

    def limit(self, now: float) -> float:
        """When to give up; being in step with the daemon ends all hurry."""
        if self.mirror.synchronised:
            return math.inf
        if self._limit is None:
            self._limit = now + self._timeout
        return self._limit

    def lost(self, error: OSError, now: float) -> float:
        """The connection failed or ended: when to try again.

        Raises DaemonAbsent if that is not wanted, or ``timeout`` is over.
        """
        self._trouble = error.strerror or str(error)
        if self.mirror.synchronised and self._reconnect:
            self._events.append(Disconnected(self._trouble))
        self.mirror.disconnected()
        self._lines = Lines()
        limit = self.limit(now)
        if not self._reconnect or limit <= now:
            raise self.absent()
        again = min(now + self._pause, limit)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)
        return again

    def absent(self) -> DaemonAbsent:
        """What to raise when there is no daemon to follow."""
        return DaemonAbsent(f"no meshwatchd at {self.path}: {self._trouble}")


class Connection:
    """What :func:`connect` gives: an iterator of events, and the table as of the last of them."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self._socket: socket.socket | None = None
        self._again = 0.0  # no attempt to connect before this time

    @property
    def mirror(self) -> Mirror:
        """The daemon's table: neighbors, interfaces, sources, version."""
        return self._course.mirror

    @property
    def neighbors(self) -> Mapping[NeighborKey, Neighbor]:
        """The neighbors as of the last event."""
        return self._course.mirror.neighbors

    def fileno(self) -> int:
        """The descriptor to watch for reading, -1 while there is no connection.

        It is another one after each Disconnected. When it is readable, and some time after it
        became -1, call ``receive(0)`` until that gives None.
        """
        return -1 if self._socket is None else self._socket.fileno()

    def receive(self, timeout: float | None = None) -> Event | None:
        """The next event; None if there was none within ``timeout`` seconds (None: no limit).

        Raises DaemonAbsent and ProtocolError.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (event := self._course.event()) is None:
            now = time.monotonic()
            limit = self._course.limit(now)
            if self._socket is None and now < self._again:
                if end < self._again:
                    time.sleep(max(end - now, 0))
                    return None
                time.sleep(self._again - now)
                now = self._again
            try:
                data = self._read(min(end, limit) - now)
                if data is not None:
                    self._course.received(data)
            except OSError as error:
                self.close()
                self._again = self._course.lost(error, time.monotonic())
                continue
            if data is None:
                if limit <= end:
                    self.close()
                    raise self._course.absent()
                return None
        return event

    def _read(self, seconds: float) -> bytes | None:
        """Bytes, b"" at the end, None if nothing came within these seconds."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            # A Unix socket is connected at once or never; blocking here would be waiting for
            # room in the backlog of a daemon that does not run.
            self._socket.setblocking(False)
            self._socket.connect(self._course.path)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(None if seconds == math.inf else max(math.ceil(seconds * 1000), 0)):
            return None
        return self._socket.recv(_CHUNK)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = None
        while event is None:
            event = self.receive()
        return event

    def close(self) -> None:
        """Hang up. The mirror stays readable."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Following:
    """What :func:`follow` gives: an asynchronous iterator of events, and the table as of the
    last of them."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._again = 0.0  # no attempt to connect before this time

    @property
    def mirror(self) -> Mirror:
        """The daemon's table: neighbors, interfaces, sources, version."""
        return self._course.mirror

    @property
    def neighbors(self) -> Mapping[NeighborKey, Neighbor]:
        """The neighbors as of the last event."""
        return self._course.mirror.neighbors

    async def receive(self) -> Event:
        """The next event; may be cancelled without losing one.

        Raises DaemonAbsent and ProtocolError.
        """
        while (event := self._course.event()) is None:
            now = time.monotonic()
            limit = self._course.limit(now)
            if self._reader is None and now < self._again:
                await asyncio.sleep(self._again - now)
                now = self._again
            try:
                async with asyncio.timeout(None if limit == math.inf else max(limit - now, 0)):
                    data = await self._read()
                self._course.received(data)
            except TimeoutError:
                self.close()
                raise self._course.absent() from None
            except OSError as error:
                self.close()
                self._again = self._course.lost(error, time.monotonic())
        return event

    async def _read(self) -> bytes:
        if self._reader is None:
            self._reader, self._writer = await asyncio.open_unix_connection(self._course.path)
        return await self._reader.read(_CHUNK)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self.receive()

    def close(self) -> None:
        """Hang up. The mirror stays readable."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    runtime_directory: str | Path = RUNTIME_DIRECTORY,
    *,
    live: bool = False,
    reconnect: bool = True,
    timeout: float | None = None,
) -> Connection:
    """Follow the daemon of a runtime directory, blocking; ``live`` adds Reading events.

    Nothing is connected before the first event is asked for. With ``reconnect`` a daemon that is
    absent or goes away is waited for, in pauses of 0.1 s growing to 5 s; without, DaemonAbsent is
    raised. ``timeout`` is how many seconds in a row the mirror may be out of step with a daemon
    (none there, or no snapshot from it) before DaemonAbsent is raised; None: for ever.
    """
    return Connection(_Course(runtime_directory, live, reconnect, timeout))


def follow(
    runtime_directory: str | Path = RUNTIME_DIRECTORY,
    *,
    live: bool = False,
    reconnect: bool = True,
    timeout: float | None = None,
) -> Following:
    """The same as :func:`connect` for asyncio: ``async for event in follow(): ...``."""
    return Following(_Course(runtime_directory, live, reconnect, timeout))


def look(runtime_directory: str | Path = RUNTIME_DIRECTORY, timeout: float | None = 10.0) -> Mirror:
    """The daemon's table as it is now. Raises DaemonAbsent and ProtocolError."""
    with connect(runtime_directory, reconnect=False, timeout=timeout) as daemon:
        for event in daemon:
            if isinstance(event, Resynchronised):
                break
        return daemon.mirror
