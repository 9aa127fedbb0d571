"""What it costs meshwatchd to tell many: microseconds per line and subscriber, and CPU.

Run as ``python -m tools.bench.fanout [--neighbors 100] [--seconds 5] [SUBSCRIBERS...]``. Real
feed, server and sockets (``live.sock``); the readers are one other process, which counts lines
and parses none. Once a second every neighbor has new readings: a burst in one turn of the loop.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import selectors
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from meshwatch import protocol
from meshwatch.feed import Feed
from meshwatch.model import Change, Neighbor, Plink, Presence, Readings, Reason
from meshwatch.server import Server


def read(path: str, subscribers: int, pipe: Connection) -> None:
    """The other process: connect, say so, take everything as it comes, tell how many lines."""
    selector = selectors.DefaultSelector()
    streams = [socket.socket(socket.AF_UNIX) for _ in range(subscribers)]
    for stream in streams:
        stream.connect(path)
        selector.register(stream, selectors.EVENT_READ, stream)
    pipe.send(None)
    lines = 0
    while selector.get_map():
        for key, _ in selector.select():
            data = key.data.recv(1 << 18)
            lines += data.count(b"\n")
            if not data:
                selector.unregister(key.data)
    pipe.send(lines)


def neighbor(number: int, beat: int) -> Neighbor:
    """As much as mac80211 tells of an established peer."""
    return Neighbor(
        ifindex=4,
        interface="mesh0",
        address=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        presence=Presence.PRESENT,
        reason=Reason.ESTABLISHED,
        since_ns=0,
        first_heard_ns=0,
        plink=Plink.ESTAB,
        llid=1,
        plid=2,
        readings=Readings(
            last_heard_ns=beat * 10**9,
            reach=0xFFFF,
            signal_dbm=-60 - beat % 10,
            signal_avg_dbm=-61,
            airtime_metric=152,
            tx_rate_kbps=58500,
            rx_rate_kbps=65000,
            tx_bytes=beat * 100,
            rx_bytes=beat * 1000,
            tx_packets=beat,
            rx_packets=beat,
            tx_failed=0,
        ),
    )


async def measure(neighbors: int, subscribers: int, seconds: int) -> str:
    """One row of the table that is printed."""
    rows = tuple(neighbor(number, 0) for number in range(neighbors))
    rounds = []
    for beat in range(1, seconds + 1):
        news = [neighbor(number, beat) for number in range(neighbors)]
        rounds.append([Change(row.key, row, row, news=False) for row in news])
    feed = Feed(lambda: rows)
    feed.open()
    hello = protocol.version(release="bench", boot="bench", started_unix_ms=0)
    with tempfile.TemporaryDirectory() as directory:
        server = Server(feed, Path(directory), lambda: 0, hello)
        await server.start()
        ours, theirs = multiprocessing.Pipe()
        readers = multiprocessing.get_context("spawn").Process(
            target=read, args=(f"{directory}/live.sock", subscribers, theirs)
        )
        readers.start()
        await asyncio.to_thread(ours.recv)
        await asyncio.sleep(1)  # the snapshots

        began, cpu = time.monotonic(), time.process_time()
        for number, changes in enumerate(rounds, 1):
            feed.publish(changes)
            await asyncio.sleep(max(began + number - time.monotonic(), 0))
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        await server.close()
        told = await asyncio.to_thread(ours.recv)
        readers.join()
    snapshots = 1 + len(list(protocol.snapshot(rows, 0)))
    lines = neighbors * seconds
    behind = "" if told == subscribers * (lines + snapshots) else "  (readers fell behind)"
    each = cpu * 1e6 / (lines * subscribers)
    return f"{subscribers:11} {lines / seconds:9.0f} {each:8.2f} {cpu / wall:7.1%}{behind}"


def main() -> None:
    """Print one row for each number of subscribers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("subscribers", type=int, nargs="*", default=[1, 100, 1000])
    parser.add_argument("--neighbors", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    print("subscribers   lines/s  µs/line     CPU")
    for subscribers in options.subscribers:
        print(asyncio.run(measure(options.neighbors, subscribers, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
