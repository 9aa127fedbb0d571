"""The kernel's own station dump, read without any of meshwatch's code: the measure of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NETLINK_GENERIC = 16
CTRL_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
GET_STATION = 17
ATTR_IFINDEX, ATTR_MAC, ATTR_STA_INFO = 3, 6, 21
STA_INFO_PLINK_STATE = 6
REQUEST, DUMP = 1, 0x300
DONE, ERROR = 3, 2
STATES = ("LISTEN", "OPN_SNT", "OPN_RCVD", "CNF_RCVD", "ESTAB", "HOLDING", "BLOCKED")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


class Nl80211:
    """A blocking nl80211 socket, as small as it can be."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))
        self.sequence = 0
        name = attribute(CTRL_ATTR_FAMILY_NAME, b"nl80211\0")
        reply = next(self.ask(16, CTRL_GETFAMILY, name, flags=REQUEST))
        self.family = struct.unpack("=H", dict(attributes(reply[4:]))[CTRL_ATTR_FAMILY_ID])[0]

    def ask(self, family: int, command: int, body: bytes, flags: int) -> Iterator[bytes]:
        self.sequence += 1
        payload = struct.pack("=BBH", command, 0, 0) + body
        header = struct.pack("=IHHII", 16 + len(payload), family, flags, self.sequence, 0)
        self.socket.send(header + payload)
        while True:
            data, offset = self.socket.recv(1 << 16), 0
            while offset < len(data):
                length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
                message = data[offset + 16 : offset + length]
                offset += (length + 3) & ~3
                if sequence != self.sequence:
                    continue
                if kind in (DONE, ERROR):
                    return
                yield message
                if not flags & DUMP:
                    return

    def stations(self, ifindex: int) -> dict[str, str]:
        """Addresses and the states of their links."""
        found = {}
        body = attribute(ATTR_IFINDEX, struct.pack("=I", ifindex))
        for message in self.ask(self.family, GET_STATION, body, REQUEST | DUMP):
            fields = dict(attributes(message[4:]))
            info = dict(attributes(fields.get(ATTR_STA_INFO, b"")))
            state = info.get(STA_INFO_PLINK_STATE)
            found[fields[ATTR_MAC].hex(":")] = STATES[state[0]] if state else "NONE"
        return found
