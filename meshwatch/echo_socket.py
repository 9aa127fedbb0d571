"""Opens the packet sockets on which echoes are asked for and answered: one on each mesh interface.

A classic BPF program, attached before the socket hears its first frame and then locked, lets in
echo replies with our identifier, and nothing else that passes. CAP_NET_RAW is needed, to open and
no more.
"""

from __future__ import annotations

import errno
import socket

from meshwatch.bpf import (
    IF_EQUAL,
    LOAD,
    LOAD_HALF,
    RETURN,
    Instruction,
    Step,
    assemble,
    attach_filter,
)
from meshwatch.echo_packet import ETHERNET_BYTES, IPV6_BYTES
from meshwatch.observations import Wire
from meshwatch.recording import ETHERNET
from meshwatch.records import Drained
from meshwatch.tap import PACKET_IGNORE_OUTGOING, SOL_PACKET

FRAME_BYTES = 256  # a reply has 70, whatever was asked
FRAMES_PER_DRAIN = 64

# Linux's headers; Python has no names for them.
ETH_P_IPV6 = 0x86DD  # linux/if_ether.h
ARPHRD_ETHER = 1  # linux/if_arp.h

NEXT_HEADER = ETHERNET_BYTES + 6  # RFC 8200 3
TYPE = ETHERNET_BYTES + IPV6_BYTES  # RFC 4443 4.2
IDENTIFIER = TYPE + 4
ICMPV6, ECHO_REPLY = 58, 129


def program(identifier: int) -> tuple[Instruction, ...]:
    """The filter, for a socket that hears IPv6 only."""
    return assemble(
        {
            "reply": [
                Step(LOAD, NEXT_HEADER),
                Step(IF_EQUAL, ICMPV6, if_false="drop"),
                Step(LOAD, TYPE),
                Step(IF_EQUAL, ECHO_REPLY, if_false="drop"),
                Step(LOAD_HALF, IDENTIFIER),
                Step(IF_EQUAL, identifier, if_false="drop"),
                Step(RETURN, FRAME_BYTES),
            ],
            "drop": [Step(RETURN, 0)],
        }
    )


def open_echo(wire: Wire, identifier: int) -> EchoSocket:
    """Ask and hear on an interface.

    PermissionError without CAP_NET_RAW; OSError if there is no such interface, or if it is no
    Ethernet. One that is down is heard as soon as it is up.
    """
    try:
        # Protocol 0 hears nothing at all, until it is bound to the interface with another.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except OSError as error:
        # So says a unit that restricts the families, as it does without the capability.
        if error.errno == errno.EAFNOSUPPORT:
            raise PermissionError(errno.EPERM, "no packet sockets") from error
        raise
    try:
        attach_filter(opened, program(identifier))
        opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        name = socket.if_indextoname(wire.ifindex)  # today's
        opened.bind((name, ETH_P_IPV6))
        if opened.getsockname()[3] != ARPHRD_ETHER:
            raise OSError(errno.EPROTOTYPE, f"{name} is no Ethernet")
    except BaseException:
        opened.close()
        raise
    return EchoSocket(wire, opened)


class EchoSocket:
    """One packet socket, with the face of a :class:`meshwatch.kernel.Channel`."""

    protocol = ETHERNET

    def __init__(self, wire: Wire, bound: socket.socket) -> None:
        self.name = f"echoes {wire.name}"
        self.monitor = wire
        self._socket = bound

    def fileno(self) -> int:
        """The descriptor, to wait on; -1 when closed."""
        return self._socket.fileno()

    def drain(self) -> Drained:
        """Every reply that waits; ``error`` is ENETDOWN, once, when the interface went down."""
        frames: list[memoryview] = []
        error = 0
        while len(frames) < FRAMES_PER_DRAIN:
            try:
                frames.append(memoryview(self._socket.recv(FRAME_BYTES)))
            except BlockingIOError:
                break
            except OSError as failure:
                error = failure.errno or 0
                break
        return Drained(frames, False, 0, 0, error, len(frames) == FRAMES_PER_DRAIN)

    def send(self, frame: bytes) -> None:
        """Send one frame; OSError if the kernel does not take it."""
        self._socket.send(frame)

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()
