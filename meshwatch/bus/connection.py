"""A dbus-next connection that survives a full socket, and says when it is lost.

dbus-next 0.2.3 is the last release of a library whose private parts are replaced here, where
running it against a real bus showed that it must be; hence the exact version in pyproject.toml:

* its writer takes EAGAIN for the end of the connection, and its queue has no bound;
* its authentication spins for ever, without yielding, when the bus closes the socket meanwhile;
* its connect() blocks while the backlog of a stalled bus is full;
* its reader goes on as long as anything arrives, and reads while nothing can be answered;
* its parser needs seconds for the megabytes that any local user may send in one message;
* its errors carry tracebacks to the caller;
* it verifies every value of a signal twice, which takes longer than all the rest.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, ErrorType, MessageFlag, MessageType
from dbus_next.message import Message

from meshwatch.bus import marshal
from meshwatch.bus.transport import Parser, Writer

log = logging.getLogger(__name__)

DRIVER = "org.freedesktop.DBus"

# Messages read before timers and other sockets get their turn.
MESSAGES_PER_TURN = 8

PRIMARY_OWNER = 1  # reply to RequestName

Answer = Callable[[Message], Message]


class CallError(Exception):
    """A method call that failed: the D-Bus error's name, and what is wrong in words."""

    def __init__(self, name: str | ErrorType, text: str) -> None:
        super().__init__(text)
        self.name = name.value if isinstance(name, ErrorType) else name


class Connection(MessageBus):
    """One connection to a bus; a lost one is thrown away and another opened.

    ``address`` is "system", "session" or a D-Bus address of a Unix socket. ``answer`` gets every
    method call and returns its reply or raises CallError. ``on_name`` is told whether we own the
    name we requested, ``on_lost`` that the connection is gone. The constructor raises OSError when
    nobody listens there.
    """

    def __init__(
        self,
        address: str,
        answer: Answer,
        on_name: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> None:
        kinds = {"system": BusType.SYSTEM, "session": BusType.SESSION}
        if address in kinds:
            super().__init__(bus_type=kinds[address])
        else:
            super().__init__(bus_address=address)
        self.failure: OSError | None = None
        self._answer = answer
        self._on_name = on_name
        self._on_lost = on_lost
        self._queue = Writer(self._sock, self._loop, self._finalize)
        self._writer = self._queue  # type: ignore[assignment]
        self._resting = False
        self.add_message_handler(self._handle)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone; ``failure`` says why, unless we closed it."""
        return bool(self._disconnected)

    async def request_name(self, name: str) -> bool:  # type: ignore[override]
        """Ask for a name and stay in its queue; False if another owns it for now.

        Raises CallError if the bus's policy forbids it.
        """
        reply = await self._ask_driver("RequestName", "su", [name, 0])
        return bool(reply.body[0] == PRIMARY_OWNER)

    async def release_name(self, name: str) -> None:  # type: ignore[override]
        """Give the name back. The bus has everything sent before when this returns."""
        await self._ask_driver("ReleaseName", "s", [name])

    def signal(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        """Send a signal."""
        name = path, interface, member
        self._queue.write(marshal.signal(self.next_serial(), name, signature, body))

    def flush(self) -> None:
        """Send what the socket takes now of what waits for it."""
        self._queue.flush()

    @property
    def backed_up(self) -> bool:
        """Whether more waits for the socket than should."""
        return self._queue.backed_up

    async def room(self) -> None:
        """Wait until little enough waits for the socket, or the connection is lost."""
        await self._queue.room.wait()

    def close(self) -> None:
        """Drop the connection at once; what still waits for the socket is not sent."""
        self._finalize()
        with contextlib.suppress(OSError):
            self._stream.close()
        self._sock.close()

    def disconnect(self) -> None:
        """Called by dbus-next when the bus refused our Hello."""
        self._finalize()

    async def _ask_driver(self, member: str, signature: str, body: list[object]) -> Message:
        if self.lost:
            raise ConnectionResetError("the connection is lost")
        reply: Message | None = await self.call(
            Message(DRIVER, "/org/freedesktop/DBus", DRIVER, member, signature=signature, body=body)
        )
        if reply is None:
            raise ConnectionResetError("the connection was closed")
        if reply.message_type is MessageType.ERROR:
            raise CallError(reply.error_name, str(reply.body[0] if reply.body else ""))
        return reply

    def _handle(self, message: Message) -> bool:
        if message.message_type is MessageType.METHOD_CALL:
            self._reply(message)
            return True
        if message.message_type is MessageType.SIGNAL and message.sender == DRIVER:
            if message.member == "NameAcquired" and not message.body[0].startswith(":"):
                self._on_name(True)
            elif message.member == "NameLost":
                self._on_name(False)
        return False

    def _reply(self, call: Message) -> None:
        expected = not call.flags & MessageFlag.NO_REPLY_EXPECTED
        try:
            reply = self._answer(call)
            if expected:
                self.send(reply)
        except CallError as error:
            if expected:
                self.send(Message.new_error(call, error.name, str(error)))
        except Exception:
            # Whatever it was, it is our fault and not the caller's business.
            log.exception("could not answer %s.%s of %s", call.interface, call.member, call.path)
            if expected:
                text = "internal error, see the journal of meshwatchd"
                self.send(Message.new_error(call, ErrorType.FAILED.value, text))

    def _setup_socket(self) -> None:
        failure: OSError = FileNotFoundError("the address names no Unix socket")
        for transport, options in self._bus_address:
            if transport != "unix" or not options.keys() & {"path", "abstract"}:
                continue
            where = options.get("path") or "\0" + options["abstract"]
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sock.setblocking(False)
            try:
                self._sock.connect(where)
            except OSError as error:
                failure = error
                self._sock.close()
            else:
                self._stream = self._sock.makefile("rwb")
                self._fd = self._sock.fileno()
                return
        raise failure

    async def _auth_readline(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            byte = await self._loop.sock_recv(self._sock, 1)
            if not byte:
                raise ConnectionResetError("the bus closed the connection")
            line += byte
        return line[:-2].decode("ascii", "replace")

    def _create_unmarshaller(self) -> Parser:
        return Parser(self._stream)  # type: ignore[no-untyped-call]

    def _message_reader(self) -> None:
        """Read a few messages, and none while the replies would only pile up."""
        try:
            for _ in range(MESSAGES_PER_TURN):
                if self.lost:
                    return
                if self.backed_up:
                    break
                if not self._unmarshaller.unmarshall():
                    self._resume_reading()
                    return
                message = self._unmarshaller.message
                self._unmarshaller = self._create_unmarshaller()
                self._on_message(message)  # type: ignore[no-untyped-call]
        except Exception as error:
            # The library's parser raises whatever it stumbles over.
            self._finalize(error)
            return
        # The stream may hold messages that the socket will not announce again.
        if not self._resting:
            self._resting = True
            self._loop.remove_reader(self._fd)
        if self.backed_up:
            self._queue.when_drained = self._message_reader
        else:
            self._loop.call_soon(self._message_reader)

    def _resume_reading(self) -> None:
        if self._resting:
            self._resting = False
            self._loop.add_reader(self._fd, self._message_reader)

    def _finalize(self, error: BaseException | None = None) -> None:
        if self.lost:
            return
        if isinstance(error, EOFError):
            error = ConnectionResetError("the bus closed the connection")
        elif error is not None and not isinstance(error, OSError):
            error = ConnectionError(f"could not understand the bus: {error!r}")
        self.failure = error
        self._user_disconnect = True  # or the library keeps an exception that nobody retrieves
        super()._finalize(error)  # type: ignore[no-untyped-call]
        self._queue.close()
        self._on_lost()
