"""What the sockets say, line by line, and to whom: laws of meshwatch-protocol(7)."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshwatch import protocol
from meshwatch.client import Mirror, follow
from meshwatch.server import MOST_SUBSCRIBERS
from tests.socket.world import World, equal, serving, synchronised, until


class Plain:
    """A program that knows nothing of our client: it reads lines and parses JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> dict[str, Any]:
        raw = await self.reader.readline()
        assert len(raw) <= protocol.MAX_LINE
        value = json.loads(raw)
        assert isinstance(value, dict)
        return value

    async def classes(self, count: int) -> list[str]:
        return [(await self.line())["class"] for _ in range(count)]


async def plain(directory: Path, name: str = "news.sock") -> Plain:
    """The sort of reader that socat and jq are."""
    limit = protocol.MAX_LINE
    return Plain(*await asyncio.open_unix_connection(directory / name, limit=limit))


def blocking(directory: Path, name: str = "news.sock") -> socket.socket:
    """A connection that nobody reads but when told."""
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(str(directory / name))
    stream.setblocking(False)
    return stream


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many as both ends of a thousand connections take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_news_and_live(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            world.come([1])
            news, live = await plain(tmp_path), await plain(tmp_path, "live.sock")
            for reader in (news, live):
                assert await reader.classes(2) == ["version", "snapshot"]
            world.later()
            world.come([1], signal_dbm=-70)
            world.come([1], llid=2)
            world.go([1])
            told = [await live.line() for _ in range(3)]
            assert [one["class"] for one in told] == ["reading", "changed", "removed"]
            assert told[0]["neighbor"]["readings"]["signal_dbm"] == -70
            assert told[1]["was"]["llid"] == 1
            assert told[2]["reason"] == "deleted"
            assert [one["seq"] for one in told] == [3, 4, 5]
            told = [await news.line() for _ in range(2)]
            assert [(one["class"], one["seq"]) for one in told] == [("changed", 3), ("removed", 4)]

    asyncio.run(main())


def test_nothing_but_the_version_before_the_table_is_complete(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, settled=False) as world:
            reader = await plain(tmp_path)
            assert (await reader.line())["class"] == "version"
            world.come([1])
            world.feed.open()
            snapshot = await reader.line()
            assert snapshot["class"] == "snapshot"
            assert len(snapshot["neighbors"]) == 1

    asyncio.run(main())


def test_ten_thousand_neighbors_in_bounded_lines_with_nothing_between(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            world.come(range(10_000))
            reader = await plain(tmp_path, "live.sock")
            assert await reader.classes(1) == ["version"]
            seen: list[str] = []
            part: dict[str, Any] = {"more": True}
            while part.get("more", False):
                part = await reader.line()
                assert part["class"] == "snapshot"
                seen += [neighbor["address"] for neighbor in part["neighbors"]]
                world.come([20_000 + part["seq"]])  # must wait until the snapshot is through
            parts = part["seq"] - 1
            assert len(seen) == len(set(seen)) == 10_000
            for number in range(2, 2 + parts):
                after = await reader.line()
                assert after["class"] == "changed"
                assert after["seq"] == parts + number
                assert after["neighbor"]["address"] not in seen

    asyncio.run(main())


@pytest.mark.parametrize("live", [False, True])
def test_a_thousand_come_at_once(tmp_path: Path, live: bool) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            daemon = await synchronised(follow(tmp_path, live=live))
            world.come(range(1000))
            world.go(range(0, 1000, 3))
            await equal(world, daemon)
            daemon.close()

    asyncio.run(main())


def test_a_thousand_follow(tmp_path: Path, descriptors: None) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            daemons = [follow(tmp_path, live=number % 2 == 0) for number in range(1000)]
            await asyncio.gather(*map(synchronised, daemons))
            world.come(range(30))
            world.go(range(0, 30, 3))
            await equal(world, *daemons)
            assert world.server.subscribers == 1000
            for daemon in daemons:
                daemon.close()
            await until(lambda: world.server.subscribers == 0)

    asyncio.run(main())


def test_abrupt_ends_trouble_nobody_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            others = [blocking(tmp_path, "live.sock") for _ in range(100)]
            daemon = await synchronised(follow(tmp_path, live=True))
            await until(lambda: world.server.subscribers == 101)
            for number, other in enumerate(others):
                world.come(range(number * 10, number * 10 + 10))
                other.close()  # with all it was told unread
            await equal(world, daemon)
            await until(lambda: world.server.subscribers == 1)
            daemon.close()

    asyncio.run(main())


def test_whoever_writes_is_neither_heard_nor_punished(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            reader = await plain(tmp_path)
            writer = reader.writer
            assert await reader.classes(2) == ["version", "snapshot"]
            writer.write(b'{"class":"changed"}\n\xff\x00' * 50_000)
            full = writer.transport.get_write_buffer_size()
            assert full  # so is the kernel's buffer: only the server can make room
            await until(lambda: writer.transport.get_write_buffer_size() < full)
            world.come([1])
            assert (await reader.line())["class"] == "changed"
            writer.transport.abort()
            await until(lambda: world.server.subscribers == 0)

    asyncio.run(main())


def test_whoever_shuts_down_writing_has_said_goodbye(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            reader = await plain(tmp_path)
            assert await reader.classes(2) == ["version", "snapshot"]
            reader.writer.write_eof()
            assert await reader.reader.read() == b""
            await until(lambda: world.server.subscribers == 0)
            reader.writer.close()

    asyncio.run(main())


# ---- readers that do not read -------------------------------------------------------------------


async def awake(world: World, stream: socket.socket) -> list[protocol.Message]:
    """Read on after a long rest; the mirror ends up right. What was told on the way."""
    newest = world.somebody()
    mirror, cutter, messages = Mirror(), protocol.Lines(), []
    while newest not in mirror.neighbors:
        data = await asyncio.get_running_loop().sock_recv(stream, 65536)
        assert data
        for line in cutter.feed(data):
            mirror.receive(line)
            messages.append(protocol.decode(line))
    assert mirror.neighbors == world.neighbors()
    stream.close()
    return [message for message in messages if message is not None]


async def chatter(world: World, rounds: int) -> None:
    """Fifty readings a round, told to whoever listens."""
    for number in range(rounds):
        world.later()
        world.come(range(50), signal_dbm=-30 - number % 50)
        await asyncio.sleep(0)  # a turn of the server


def test_a_reader_that_never_reads_costs_little_and_is_right_when_it_reads(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with serving(tmp_path, depth=256) as world:
            world.come(range(50))
            sleepers = [blocking(tmp_path, "live.sock") for _ in range(10)]
            await until(lambda: world.server.subscribers == 10)
            tracemalloc.start()
            await chatter(world, 50)  # until the socket buffers and the ring are full
            full, _ = tracemalloc.get_traced_memory()
            await chatter(world, 50)  # 2500 lines, 1 MB, for each
            after, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert full < 10 * 100_000 + 500_000  # and the ring
            assert after - full < 50_000
            for stream in sleepers:
                await awake(world, stream)

    asyncio.run(main())


def test_a_reader_that_never_reads_spoils_nothing_for_others(tmp_path: Path) -> None:
    """While it is behind, encoded lines are kept for longer than the ring keeps their changes."""

    async def main() -> None:
        async with serving(tmp_path, depth=64) as world:
            stream = blocking(tmp_path, "live.sock")
            daemon = await synchronised(follow(tmp_path, live=True))
            for _ in range(40):
                await chatter(world, 1)
                await equal(world, daemon)
            daemon.close()
            await awake(world, stream)

    asyncio.run(main())


def test_a_slow_reader_gets_a_snapshot_instead_of_what_it_missed(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, depth=64) as world:
            stream = blocking(tmp_path, "live.sock")
            await until(lambda: world.server.subscribers == 1)
            await chatter(world, 60)
            messages = await awake(world, stream)
            assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
            assert sum(isinstance(message, protocol.Snapshot) for message in messages) > 1
            assert len(messages) < 60 * 50 / 2

    asyncio.run(main())


def test_one_too_many_is_hung_up_on(tmp_path: Path, descriptors: None) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            admitted = [blocking(tmp_path) for _ in range(MOST_SUBSCRIBERS)]
            await until(lambda: world.server.subscribers == MOST_SUBSCRIBERS)
            assert await (await plain(tmp_path)).reader.read() == b""
            assert (world.server.subscribers, world.server.refused) == (MOST_SUBSCRIBERS, 1)
            for stream in admitted[1:]:
                stream.close()
            world.come([1])
            await awake(world, admitted[0])
            await until(lambda: world.server.subscribers == 0)

    asyncio.run(main())


def test_close_does_not_wait_for_a_reader_that_never_reads(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            stream = blocking(tmp_path)
            await until(lambda: world.server.subscribers == 1)
            world.come(range(5000))
            for _ in range(100):
                await asyncio.sleep(0)
            await world.server.close()
            assert world.server.subscribers == 0
            stream.close()

    asyncio.run(main())
