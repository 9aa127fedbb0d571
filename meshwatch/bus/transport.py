"""What takes the place of dbus-next's parser and writer: bounds on what comes in and goes out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.message import Message
from dbus_next.signature import SignatureType

# Bytes that may wait for the socket before signals are held back and no more calls are read.
BACKLOG_BYTES = 64 << 10

# Longer arrays are not looked into: no method of ours takes any array at all.
ARRAY_BYTES = 64 << 10


class Parser(Unmarshaller):
    """Takes the place of dbus-next's parser of one message, which it is."""

    def read_array(self, type_: SignatureType) -> Any:
        start = self.offset
        length: int = self.read_uint32()  # type: ignore[no-untyped-call]
        if length <= ARRAY_BYTES:
            self.offset = start
            return super().read_array(type_)  # type: ignore[no-untyped-call]
        if type_.children[0].token in "xtd{(":
            self.align(8)  # type: ignore[no-untyped-call]
        self.read(length)  # type: ignore[no-untyped-call]
        return []


class Writer:
    """Takes the place of dbus-next's writer, whose two methods it has."""

    def __init__(
        self,
        stream: socket.socket,
        loop: asyncio.AbstractEventLoop,
        fail: Callable[[OSError], None],
    ) -> None:
        self._socket = stream
        self._loop = loop
        self._fail = fail
        self._waiting = bytearray()
        self._registered = False
        self._closed = False
        self.room = asyncio.Event()
        self.room.set()
        self.when_drained: Callable[[], None] | None = None

    @property
    def backed_up(self) -> bool:
        """Whether more waits for the socket than should."""
        return len(self._waiting) > BACKLOG_BYTES

    def schedule_write(
        self, message: Message | None = None, future: asyncio.Future[None] | None = None
    ) -> None:
        """Have a message sent in the loop's next turn, as soon as the socket takes it."""
        self.write(message._marshall() if message is not None else b"")  # type: ignore[no-untyped-call]
        if future is not None and not self._closed:
            future.set_result(None)

    def write(self, message: bytes | bytearray) -> None:
        """Have these bytes sent likewise."""
        if self._closed:
            return
        self._waiting += message
        if self.backed_up:
            self.room.clear()
        if self._waiting and not self._registered:
            self._loop.add_writer(self._socket.fileno(), self._write)
            self._registered = True

    def flush(self) -> None:
        """Send what the socket takes now, and not only when all others had their turn."""
        if self._registered and not self._closed:
            self._write()

    def close(self) -> None:
        """Send nothing any more, and let go who waits for room."""
        self._closed = True
        self._waiting.clear()
        self.room.set()

    def _write(self) -> None:
        try:
            sent = self._socket.send(self._waiting)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error)
            return
        del self._waiting[:sent]
        if not self._waiting:
            self._loop.remove_writer(self._socket.fileno())
            self._registered = False
        if not self.backed_up:
            self.room.set()
            resume, self.when_drained = self.when_drained, None
            if resume is not None:
                self._loop.call_soon(resume)
