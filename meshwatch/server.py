"""The table seen through Unix sockets: a connection is a subscription, and nothing is read.

``news.sock`` tells what is news, ``live.sock`` readings too. The sockets are open to everyone
(mode 0666) because they say no more than ``iw dev mesh0 station dump`` says to any user; the
mode of the runtime directory can narrow that.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import logging
import resource
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from meshwatch import model, protocol
from meshwatch.feed import Feed, Snapshot, Subscription
from meshwatch.protocol import Line

log = logging.getLogger(__name__)

QUANTUM = 32768  # bytes joined in one write before others get their turn
WRITES_PER_TURN = 64  # before the rest of the daemon gets its turn
CACHED_LINES = 256  # readers that keep pace are at most a quantum apart
MOST_SUBSCRIBERS = 1024
SPARE_DESCRIPTORS = 64  # for netlink, D-Bus and recordings, which matter more
BACKLOG = 1024  # after a restart everybody comes at once
PAUSE_S = 1.0  # before more is taken from a client that writes, to be thrown away


class ServerError(Exception):
    """The sockets cannot be opened; the text says which and why."""


class _Encoded:
    """Lines of which each is encoded once for all subscribers, kept while one is behind."""

    def __init__(self, wall_offset_ns: Callable[[], int]) -> None:
        self._wall_offset_ns = wall_offset_ns
        self._changes: dict[int, tuple[model.Change, Line]] = {}
        self._rows: Sequence[model.Row] | None = None
        self._parts: Iterator[Line] = iter(())

    def change(self, change: model.Change) -> Line:
        """The line of a change."""
        # By identity: every subscription hands out the same object, and hashing one would cost
        # as much as encoding it. The object is kept, so that its id stays its own.
        known = self._changes.get(id(change))
        if known is not None:
            return known[1]
        if len(self._changes) >= CACHED_LINES:
            del self._changes[next(iter(self._changes))]
        line = protocol.change(change, self._wall_offset_ns())
        self._changes[id(change)] = (change, line)
        return line

    def snapshot(self, rows: Sequence[model.Row]) -> Iterator[Line]:
        """The lines of a snapshot, each encoded when the fastest of its readers gets there."""
        if rows is not self._rows:
            self._rows = rows
            (self._parts,) = itertools.tee(protocol.snapshot(rows, self._wall_offset_ns()), 1)
        return copy.copy(self._parts)

    def clear(self) -> None:
        """Nobody is behind."""
        self._changes.clear()
        self._rows = None
        self._parts = iter(())


class _Audience:
    """All subscribers, and whose turn it is to be written to."""

    def __init__(self, feed: Feed, wall_offset_ns: Callable[[], int], hello: Line) -> None:
        self.feed = feed
        self.hello = hello
        self.encoded = _Encoded(wall_offset_ns)
        self.subscribers: set[_Subscriber] = set()
        self.slow: set[_Subscriber] = set()  # do not keep pace; their transport wakes them
        self.refused = 0
        self.empty = asyncio.Event()
        self._turns: dict[_Subscriber, None] = {}  # in the order of their waking, each once
        self._most = max(1, min(MOST_SUBSCRIBERS, _descriptors() - SPARE_DESCRIPTORS))

    def admit(self, subscriber: _Subscriber) -> bool:
        """Take in one more, unless it is one too many."""
        if len(self.subscribers) >= self._most:
            if not self.refused:
                log.warning("refusing connections: %d subscribers is the most", self._most)
            self.refused += 1
            return False
        self.subscribers.add(subscriber)
        self.empty.clear()
        return True

    def dismiss(self, subscriber: _Subscriber) -> None:
        """Forget one that is gone."""
        self.subscribers.discard(subscriber)
        self.slow.discard(subscriber)
        self._turns.pop(subscriber, None)
        if not self.subscribers:
            self.empty.set()

    def wake(self, subscriber: _Subscriber) -> None:
        """There is something to write to this one: soon, together with what else this turn of
        the loop brings."""
        # The subscription of a slow reader runs over meanwhile, which costs nothing: what is
        # taken from it next is a fresh snapshot.
        if subscriber not in self.slow:
            if not self._turns:
                asyncio.get_running_loop().call_soon(self._flush)
            self._turns[subscriber] = None

    def _flush(self) -> None:
        for subscriber in list(itertools.islice(self._turns, WRITES_PER_TURN)):
            if not subscriber.write():
                del self._turns[subscriber]
            else:  # to the end of the queue
                self._turns[subscriber] = self._turns.pop(subscriber)
        if self._turns:
            asyncio.get_running_loop().call_soon(self._flush)
        elif not self.slow:
            self.encoded.clear()


class _Subscriber(asyncio.Protocol):
    """One connection."""

    def __init__(self, audience: _Audience, *, readings: bool) -> None:
        self._audience = audience
        self._readings = readings
        self._subscription: Subscription | None = None
        self._lines = iter((audience.hello,))  # to be sent before anything more is taken
        self._seq = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._audience.admit(self):
            transport.abort()
            return
        # The kernel's socket buffer is buffer enough: paused while the least is left over.
        transport.set_write_buffer_limits(high=0)
        self._subscription = self._audience.feed.subscribe(readings=self._readings, wake=self._wake)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._subscription is not None:
            self._subscription.close()
        self._audience.dismiss(self)

    def data_received(self, data: bytes) -> None:
        """Nobody listens; reading goes on, slowly, only to notice the end."""
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(PAUSE_S, self._resume_reading)

    def _resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._audience.slow.add(self)

    def resume_writing(self) -> None:
        self._audience.slow.discard(self)
        self._wake()

    def _wake(self) -> None:
        self._audience.wake(self)

    def write(self) -> bool:
        """Send in one write what there is, at most a quantum; True if that was not all."""
        lines: list[bytes] = []
        size = 0
        while size < QUANTUM:
            line = self._next()
            if line is None:
                break
            self._seq += 1
            lines.append(line.numbered(self._seq))
            size += len(lines[-1])
        self._transport.write(b"".join(lines))
        return size >= QUANTUM and self not in self._audience.slow

    def _next(self) -> Line | None:
        line = next(self._lines, None)
        if line is not None or self._subscription is None:
            return line
        match self._subscription.take():
            case None:
                return None
            case Snapshot(rows=rows):
                self._lines = self._audience.encoded.snapshot(rows)
                return next(self._lines)
            case change:
                return self._audience.encoded.change(change)

    def close(self) -> None:
        """Hang up without waiting for a slow reader."""
        if self in self._audience.slow:
            self._transport.abort()
        else:
            self._transport.close()


class Server:
    """Serves a feed on ``news.sock`` and ``live.sock`` of a runtime directory.

    ``wall_offset_ns`` gives what to add to a time of the feed to get wall time; ``hello`` is the
    ``version`` line (:func:`meshwatch.protocol.version`).
    """

    def __init__(
        self,
        feed: Feed,
        runtime_directory: Path,
        wall_offset_ns: Callable[[], int],
        hello: Line,
        *,
        mode: int = 0o666,
    ) -> None:
        self._audience = _Audience(feed, wall_offset_ns, hello)
        self._directory = runtime_directory
        self._mode = mode
        self._servers: list[asyncio.Server] = []
        self._files: list[tuple[Path, int]] = []  # with their inode, to know them again

    @property
    def subscribers(self) -> int:
        """How many connections there are."""
        return len(self._audience.subscribers)

    @property
    def refused(self) -> int:
        """How many connections were one too many."""
        return self._audience.refused

    async def start(self) -> None:
        """Open both sockets. Raises ServerError, leaving nothing open."""
        try:
            for name, readings in (("news.sock", False), ("live.sock", True)):
                await self._open(self._directory / name, readings)
        except ServerError:
            await self.close()
            raise

    async def _open(self, path: Path, readings: bool) -> None:
        listener, inode = _bind(path, self._mode)
        self._files.append((path, inode))
        self._servers.append(
            await asyncio.get_running_loop().create_unix_server(
                lambda: _Subscriber(self._audience, readings=readings),
                sock=listener,
                backlog=BACKLOG,
            )
        )

    async def close(self) -> None:
        """Stop listening, hang up on everyone, remove our own socket files."""
        for server in self._servers:
            server.close()
        for subscriber in list(self._audience.subscribers):
            subscriber.close()
        if self._audience.subscribers:
            await self._audience.empty.wait()
        for path, inode in self._files:
            _unlink(path, inode)
        self._servers.clear()
        self._files.clear()


def _descriptors() -> int:
    """How many there may be at once, after asking for as many as we can use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST_SUBSCRIBERS + SPARE_DESCRIPTORS)
    if soft < wanted:
        # The usual 1024 are for programs that call select(2).
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


def _bind(path: Path, mode: int) -> tuple[socket.socket, int]:
    """A socket bound to this path, in place of one that a dead daemon left; its file's inode."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.exists():
            if not path.is_socket():
                raise ServerError(f"{path} is in the way and is no socket")
            if _is_served(path):
                raise ServerError(f"another meshwatchd serves {path}")
            path.unlink()
        listener.bind(str(path))
        path.chmod(mode)  # nobody was let in or kept out by the umask: it does not listen yet
        return listener, path.stat().st_ino
    except OSError as error:
        listener.close()
        raise ServerError(f"{path}: {error.strerror or error}") from error
    except ServerError:
        listener.close()
        raise


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # its backlog is full: alive, if only just
            return True
    return True


def _unlink(path: Path, inode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()
