"""Just enough generic netlink to speak with one family of the kernel."""

import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

NETLINK_GENERIC = 16
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER_BYTES = 8 << 20
READ_BYTES = 65536

MESSAGE = struct.Struct("=IHHII")  # length, type, flags, sequence, port
GENERIC = struct.Struct("=BBH")  # command, version, reserved
ATTRIBUTE = struct.Struct("=HH")  # length, type
ERROR = struct.Struct("=i")

NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
CONTROL_FAMILY, GET_FAMILY = 16, 3
FAMILY_ID, FAMILY_NAME = 1, 2
TYPE_MASK = 0x3FFF


class Message(NamedTuple):
    command: int
    attributes: dict[int, bytes]


def attribute(number: int, value: bytes) -> bytes:
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, number = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        yield number & TYPE_MASK, data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


class Family:
    """A socket that speaks to one generic netlink family."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._sequence = 0
        self._backlog: deque[Message] = deque()
        self._errors: dict[int, int] = {}
        self._id = CONTROL_FAMILY
        query = attribute(FAMILY_NAME, name.encode() + b"\0")
        # The control family answers under its own number, and sends the answer before the ack.
        self.request(GET_FAMILY, query)
        (self._id,) = struct.unpack("=H", self._backlog.popleft().attributes[FAMILY_ID])

    def fileno(self) -> int:
        return self._socket.fileno()

    def post(self, command: int, body: bytes) -> None:
        """Send without waiting for a verdict."""
        self._send(command, body, NLM_F_REQUEST)

    def request(self, command: int, body: bytes = b"") -> None:
        """Send and wait for the verdict; OSError when the kernel refuses."""
        number = self._send(command, body, NLM_F_REQUEST | NLM_F_ACK)
        while number not in self._errors:
            self._receive()
        code = self._errors.pop(number)
        if code != 0:
            raise OSError(code, os.strerror(code))

    def pending(self) -> Iterator[Message]:
        """All messages that have come in, without waiting for more."""
        while True:
            while self._backlog:
                yield self._backlog.popleft()
            # Refusals of what was posted: nobody asked.
            self._errors.clear()
            try:
                self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def _send(self, command: int, body: bytes, flags: int) -> int:
        self._sequence += 1
        length = MESSAGE.size + GENERIC.size + len(body)
        head = MESSAGE.pack(length, self._id, flags, self._sequence, 0)
        self._socket.send(head + GENERIC.pack(command, 1, 0) + body)
        return self._sequence

    def _receive(self, flags: int = 0) -> None:
        data = self._socket.recv(READ_BYTES, flags)
        at = 0
        while at + MESSAGE.size <= len(data):
            length, kind, _, sequence, _ = MESSAGE.unpack_from(data, at)
            body = data[at + MESSAGE.size : at + length]
            if kind == NLMSG_ERROR:
                self._errors[sequence] = -ERROR.unpack_from(body)[0]
            elif kind == self._id:
                self._backlog.append(Message(body[0], dict(attributes(body[GENERIC.size :]))))
            at += (length + 3) & ~3
