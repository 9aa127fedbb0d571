"""Prints what one look at an interface's stations costs, from one socket to the other.

What comes from the kernel is drained, decoded and told to the table; what changes by it goes
through the feed, as lines, to one subscriber of live.sock.

Run as ``python tools/bench/poll.py`` for dumps put together from a station that Linux 6.1 sent,
or as ``python tools/bench/poll.py --live SECONDS`` to look at the interfaces of this machine
with real sockets, at the daemon's own pace. Figures are CPU time of this process; with ``--live``
that is also the subscriber's own for taking its lines.
"""

from __future__ import annotations

import argparse
import asyncio
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from meshwatch import kernel, protocol  # noqa: E402 - needs the path above
from meshwatch.feed import Feed, Snapshot  # noqa: E402
from meshwatch.model import Change  # noqa: E402
from meshwatch.nl80211 import Nl80211  # noqa: E402
from meshwatch.observations import Observation, StationSeen, StationsSwept  # noqa: E402
from meshwatch.records import Drain, decode  # noqa: E402
from meshwatch.table import Table  # noqa: E402
from tests.pure import kernel_bytes as k  # noqa: E402
from tests.pure.turns import Turns  # noqa: E402

PEERS = (10, 40, 99)
NETLINK_USERSOCK = 2
ROUNDS = 200
DATAGRAM_BYTES = 32 << 10  # the kernel fills no more in a dump
COMMAND = 16  # where a generic netlink message has its command
# Where the changing things are in REAL_STATION: address, inactive time, received packets.
MAC, INACTIVE, RX_PACKETS = 32, 64, 228


def stations(peers: int, round_: int) -> list[bytearray]:
    """A dump's messages, for sequence number 0; each peer has sent a beacon since the last."""
    found = []
    for number in range(peers):
        message = bytearray(k.REAL_STATION)
        message[MAC : MAC + 6] = bytes((2, 0, 0, 0, number >> 8, number & 0xFF))
        struct.pack_into("=I", message, INACTIVE, 7 * number % 1000)
        struct.pack_into("=I", message, RX_PACKETS, 100 + round_)
        found.append(message)
    return found


def datagrams(messages: Iterable[bytearray], seq: int) -> list[bytes]:
    """As the kernel would send them."""
    filled = [bytearray()]
    for message in messages:
        struct.pack_into("=I", message, 8, seq)
        if len(filled[-1]) + len(message) > DATAGRAM_BYTES:
            filled.append(bytearray())
        filled[-1] += message
    return [*map(bytes, filled), k.done(seq)]


def known(turns: Turns) -> list[Observation]:
    """Interface mesh0 is known."""
    turns.at(0, k.family())
    seq = k.head(turns.asked[0])[2]
    return turns.at(0, k.interface(seq=seq, flags=k.MULTI), k.done(seq))


def next_stations(turns: Turns) -> None:
    """Turns until stations are asked for."""
    while not (turns.asked and turns.asked[0][COMMAND] == k.GET_STATION):
        if turns.asked:
            seq = k.head(turns.asked[0])[2]
            turns.at(turns.now_ms, k.interface(seq=seq, flags=k.MULTI), k.done(seq))
        else:
            due = turns.deadline_ms()
            assert due is not None
            turns.at(due)


class Pipe:
    """Dumps through a real netlink socket: the way to the kernel and back, less the kernel's work.

    The drain copies what another program sent and then drops it, which costs it as much.
    """

    def __init__(self) -> None:
        def user_socket() -> socket.socket:
            made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_USERSOCK)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            made.bind((0, 0))
            made.setblocking(False)
            return made

        self._sender, self._receiver = user_socket(), user_socket()
        self._drain = Drain()

    def cost_ns(self, dump: list[bytes]) -> int:
        """CPU time to drain these datagrams, system calls included."""
        for datagram in dump:
            self._sender.sendto(datagram, (self._receiver.getsockname()[0], 0))
        start = time.process_time_ns()
        while self._drain.drain(self._receiver.fileno()).more:
            pass
        return time.process_time_ns() - start


class Subscriber:
    """One subscriber of live.sock, less the loop that wakes it: readings and news, as lines."""

    def __init__(self, table: Table) -> None:
        self._feed = Feed(table.snapshot)
        self._feed.open()
        self._subscription = self._feed.subscribe(readings=True, wake=lambda: None)
        self._sender, self._receiver = socket.socketpair()
        self._receiver.setblocking(False)
        self.told = 0

    def tell(self, changes: list[Change]) -> None:
        """Hand on what changed, in one write; a snapshot at first."""
        self._feed.publish(changes)
        lines: list[protocol.Line] = []
        while (taken := self._subscription.take()) is not None:
            if isinstance(taken, Snapshot):
                lines += protocol.snapshot(taken.rows, 0)
            else:
                lines.append(protocol.change(taken, 0))
        numbered = [line.numbered(seq) for seq, line in enumerate(lines, self.told + 1)]
        self.told += len(numbered)
        self._sender.send(b"".join(numbered))

    def read(self) -> None:
        """What the other end does."""
        with suppress(BlockingIOError):
            while self._receiver.recv(1 << 20):
                pass


class Look(NamedTuple):
    """What one look costs, in ns of CPU time."""

    drain: int
    decode: int
    turn: int  # of the conversation, which decodes too
    table: int
    tell: int


class Cost(NamedTuple):
    """Of many looks: the median of each part and of the sum, and the least sum."""

    bytes: int  # of a dump
    parts: Look
    median: int
    least: int


def measure(peers: int) -> Cost:
    """What looks at so many cost."""
    pipe = Pipe()
    turns, table = Turns(Nl80211()), Table()
    for observation in known(turns):
        table.observe(observation, 0)
    subscriber = Subscriber(table)
    next_stations(turns)
    looks = []
    size = 0
    for round_ in range(1, ROUNDS):
        seq = k.head(turns.asked[0])[2]
        dump = datagrams(stations(peers, round_), seq)
        size = sum(map(len, dump))
        drained_ns = pipe.cost_ns(dump)
        start = time.process_time_ns()
        for datagram in dump:
            decode(datagram, k.FAMILY)
        decoded = time.process_time_ns()
        seen = turns.at(turns.now_ms, *dump)
        talked = time.process_time_ns()
        now = round(turns.now_ms * 1e6)
        changes = [change for each in seen for change in table.observe(each, now)]
        changes += table.tick(now)
        drawn = time.process_time_ns()
        subscriber.tell(changes)
        told = time.process_time_ns()
        subscriber.read()
        looks.append(Look(drained_ns, decoded - start, talked - decoded, drawn - talked,
                          told - drawn))  # fmt: skip
        next_stations(turns)
    assert subscriber.told >= peers * ROUNDS / 2, "hardly a look had readings to tell"
    parts = Look(*(sorted(costs)[len(costs) // 2] for costs in zip(*looks, strict=True)))
    # Without ``decode``: the turn decodes once more what was decoded alone to tell that cost.
    sums = sorted(look.drain + look.turn + look.table + look.tell for look in looks)
    return Cost(size, parts, sums[len(sums) // 2], sums[0])


def synthesised() -> None:
    """Print the table."""
    print("peers     bytes  drain µs  + decode µs  + conversation µs  + table µs"
          "  + feed and lines µs  = ms in all, the least")  # fmt: skip
    for peers in PEERS:
        cost = measure(peers)
        drain, decoding, turn, table, tell = (part / 1000 for part in cost.parts)
        print(
            f"{peers:>5} {cost.bytes:>9} {drain:>9.0f} {decoding:>12.0f} {turn - decoding:>18.0f} "
            f"{table:>11.0f} {tell:>20.0f} {cost.median / 1e6:>11.2f} {cost.least / 1e6:>11.2f}"
        )


def live(seconds: float) -> None:
    """Print what looks at real interfaces cost."""
    events, requests = asyncio.run(kernel.open_nl80211())
    talk, table = Nl80211(), Table()
    subscriber = Subscriber(table)
    talk.begin(time.monotonic_ns())
    poll = select.poll()
    for channel in (events, requests):
        poll.register(channel.fileno(), select.POLLIN)
    looks = described = 0
    before = getrusage(RUSAGE_SELF)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen: list[Observation] = []
        for channel in (requests, events):
            for datagram in channel.drain().datagrams:
                seen.extend(talk.receive(datagram, time.monotonic_ns()))
        now = time.monotonic_ns()
        seen.extend(talk.wake(now))
        for request in talk.outgoing():
            requests.send(request)
            talk.sent(request, now)
        changes = []
        for observation in seen:
            changes += table.observe(observation, now)
            looks += isinstance(observation, StationsSwept)
            described += isinstance(observation, StationSeen)
        changes += table.tick(now)
        subscriber.tell(changes)
        subscriber.read()
        due = talk.deadline()
        poll.poll(1000 if due is None else max(0, (due - time.monotonic_ns()) / 1e6))
    after = getrusage(RUSAGE_SELF)
    user_ms = (after.ru_utime - before.ru_utime) * 1000
    system_ms = (after.ru_stime - before.ru_stime) * 1000
    if not looks:
        print("no look at a mesh or IBSS interface in this time")
        return
    print(
        f"{looks} looks, {described / looks:.1f} stations each: "
        f"user {user_ms / looks:.2f} ms, system {system_ms / looks:.2f} ms each; "
        f"{(user_ms + system_ms) / seconds / 10:.2f} % of a core"
    )


def main() -> None:
    """Print one or the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--live", metavar="SECONDS", type=float)
    seconds = parser.parse_args().live
    if seconds is None:
        synthesised()
    else:
        live(seconds)


if __name__ == "__main__":
    main()
