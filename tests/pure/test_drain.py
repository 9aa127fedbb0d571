"""Draining real netlink sockets: what was lost, cut or forged is told apart from what is true."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
from collections.abc import Iterator

import pytest

from meshwatch.records import Drain, Drained

NETLINK_ROUTE, NETLINK_USERSOCK, NETLINK_GENERIC = 0, 2, 16
RTM_GETLINK, RTM_NEWLINK = 18, 16
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
NOBODYS_TYPE = 15  # below the family controller: the kernel acknowledges and does nothing
SLOT_BYTES = 32768
EVERYTHING = 64 * SLOT_BYTES


def netlink(protocol: int, rcvbuf: int = 0) -> socket.socket:
    """A bound netlink socket."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    if rcvbuf:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    opened.bind((0, 0))
    return opened


@pytest.fixture
def kernel() -> Iterator[socket.socket]:
    """A socket whose requests the kernel answers at once, one datagram each."""
    with netlink(NETLINK_GENERIC) as opened:
        yield opened


def ask(opened: socket.socket, seq: int, payload: bytes = b"") -> None:
    """A request that does nothing; the reply lies in the queue when this returns."""
    header = struct.pack("=IHHII", 16 + len(payload), NOBODYS_TYPE, REQUEST | ACK, seq, 0)
    opened.sendto(header + payload, (0, 0))


def sequence_numbers(datagrams: list[memoryview]) -> list[int]:
    """Of the first message of each."""
    return [struct.unpack_from("=I", datagram, 8)[0] for datagram in datagrams]


def test_nothing_there(kernel: socket.socket) -> None:
    """An empty socket gives nothing, at once."""
    assert Drain(EVERYTHING).drain(kernel.fileno()) == Drained([], False, 0, 0, 0, False)


def test_everything_in_order(kernel: socket.socket) -> None:
    """The datagrams as they are, and then the socket is empty."""
    for seq in range(10):
        ask(kernel, seq)
    drain = Drain(EVERYTHING)
    drained = drain.drain(kernel.fileno())
    assert sequence_numbers(drained.datagrams) == list(range(10))
    assert {len(datagram) for datagram in drained.datagrams} == {36}
    assert all(datagram.readonly for datagram in drained.datagrams)
    assert drained._replace(datagrams=[]) == Drained([], False, 0, 0, 0, False)
    assert drain.drain(kernel.fileno()).datagrams == []


def test_more_than_fits_stays_in_the_socket(kernel: socket.socket) -> None:
    """Three slots at a time, nothing is lost."""
    for seq in range(7):
        ask(kernel, seq)
    drain = Drain(3 * SLOT_BYTES)
    seen = []
    for count, more in ((3, True), (3, True), (1, False)):
        drained = drain.drain(kernel.fileno())
        assert (len(drained.datagrams), drained.more) == (count, more)
        seen += sequence_numbers(drained.datagrams)
    assert seen == list(range(7))


def test_a_dump_is_drained_to_its_end() -> None:
    """The kernel writes the next part when the last was read."""
    with netlink(NETLINK_ROUTE) as route:
        payload = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
        header = struct.pack("=IHHII", 32, RTM_GETLINK, REQUEST | DUMP, 1, 0)
        route.sendto(header + payload, (0, 0))
        datagrams = Drain(EVERYTHING).drain(route.fileno()).datagrams
        assert struct.unpack_from("=H", datagrams[0], 4)[0] == RTM_NEWLINK
        assert struct.unpack_from("=H", datagrams[-1], 4)[0] == NLMSG_DONE


def test_overrun() -> None:
    """The kernel threw replies away: told, and what is left is still delivered."""
    with netlink(NETLINK_GENERIC, rcvbuf=1) as small:  # the kernel grants its minimum
        for seq in range(100):
            ask(small, seq)
        drain = Drain(EVERYTHING)
        drained = drain.drain(small.fileno())
        assert drained.overrun
        assert drained.error == 0
        seen = sequence_numbers(drained.datagrams)
        assert seen == list(range(len(seen)))
        assert 0 < len(seen) < 100
        ask(small, 100)
        again = drain.drain(small.fileno())
        assert sequence_numbers(again.datagrams) == [100]
        assert not again.overrun


def test_truncated(kernel: socket.socket) -> None:
    """A refusal quotes the whole request: with a large one it exceeds the slot."""
    ask(kernel, 0)
    header = struct.pack("=IHHII", 16 + 40000, NLMSG_DONE + 13, REQUEST, 1, 0)
    kernel.sendto(header + struct.pack("=BBH", 255, 0, 0) + bytes(40000 - 4), (0, 0))
    ask(kernel, 2)
    drained = Drain(EVERYTHING).drain(kernel.fileno())
    assert sequence_numbers(drained.datagrams) == [0, 2]
    assert drained._replace(datagrams=[]) == Drained([], False, 1, 0, 0, False)


def test_aliens_are_dropped_and_counted(kernel: socket.socket) -> None:
    """Any user may send to any port of NETLINK_GENERIC; only port 0 is the kernel."""
    with netlink(NETLINK_GENERIC) as alien:
        ask(kernel, 0)
        forged = struct.pack("=IHHII", 16, 4, 0, 99, 0)
        alien.sendto(forged, (kernel.getsockname()[0], 0))
        ask(kernel, 1)
        drained = Drain(EVERYTHING).drain(kernel.fileno())
    assert sequence_numbers(drained.datagrams) == [0, 1]
    assert drained._replace(datagrams=[]) == Drained([], False, 0, 1, 0, False)


def test_a_flood_of_aliens_does_not_hold_us(kernel: socket.socket) -> None:
    """They use up slots: one call ends however many there are."""
    with netlink(NETLINK_GENERIC) as alien:
        for _ in range(9):
            alien.sendto(bytes(16), (kernel.getsockname()[0], 0))
    drained = Drain(4 * SLOT_BYTES).drain(kernel.fileno())
    assert drained == Drained([], False, 0, 4, 0, True)


def test_other_errors_are_reported() -> None:
    """A descriptor that is closed, or no socket."""
    reading, writing = os.pipe()
    drain = Drain(EVERYTHING)
    assert drain.drain(reading).error == errno.ENOTSOCK
    os.close(reading)
    os.close(writing)
    assert drain.drain(reading).error == errno.EBADF


def test_a_drain_needs_a_slot() -> None:
    """Said clearly."""
    with pytest.raises(ValueError, match="at least 32768 bytes"):
        Drain(SLOT_BYTES - 1)


def test_memory_is_taken_only_where_datagrams_were(kernel: socket.socket) -> None:
    """A generous buffer costs what was received."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    drains = [Drain(EVERYTHING) for _ in range(20)]
    for drain in drains:
        ask(kernel, 0)
        assert len(drain.drain(kernel.fileno()).datagrams) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
