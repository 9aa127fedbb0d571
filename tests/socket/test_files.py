"""Socket files: ours while we live, replaced when left by the dead, never taken from the living."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from meshwatch.server import ServerError
from tests.socket.world import World, serving

NAMES = ["live.sock", "news.sock"]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_everyone_may_connect_whatever_the_umask(tmp_path: Path) -> None:
    async def main() -> None:
        before = os.umask(0o077)
        try:
            async with serving(tmp_path):
                for name in NAMES:
                    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666
        finally:
            os.umask(before)

    asyncio.run(main())


def test_nothing_is_left_behind_and_a_second_start_works(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with serving(tmp_path):
                assert names(tmp_path) == NAMES
            assert names(tmp_path) == []

    asyncio.run(main())


@pytest.mark.parametrize("name", NAMES)
def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / name))
        dead.listen()

    async def main() -> None:
        async with serving(tmp_path):
            reader, writer = await asyncio.open_unix_connection(tmp_path / name)
            assert (await reader.readline()).startswith(b'{"class":"version"')
            writer.close()

    asyncio.run(main())


def test_the_socket_of_a_living_daemon_is_refused_and_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path):
            with pytest.raises(ServerError, match=r"another meshwatchd serves .*news\.sock"):
                await World(tmp_path).server.start()
            _, writer = await asyncio.open_unix_connection(tmp_path / "news.sock")
            writer.close()

    asyncio.run(main())


def test_a_daemon_with_a_full_backlog_is_alive(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(tmp_path / "news.sock"))
        busy.listen(0)
        waiting.connect(str(tmp_path / "news.sock"))
        with pytest.raises(ServerError, match="another meshwatchd"):
            asyncio.run(World(tmp_path).server.start())


def test_a_refused_start_leaves_nothing(tmp_path: Path) -> None:
    """news.sock was free and is opened first; live.sock is not to be had."""
    (tmp_path / "live.sock").write_text("precious")
    with pytest.raises(ServerError, match=r"live\.sock is in the way and is no socket"):
        asyncio.run(World(tmp_path).server.start())
    assert (tmp_path / "live.sock").read_text() == "precious"
    assert not (tmp_path / "news.sock").exists()


def test_the_files_of_a_successor_are_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path):
            for name in NAMES:
                (tmp_path / name).unlink()
            successor = World(tmp_path)
            await successor.server.start()
        assert names(tmp_path) == NAMES
        await successor.server.close()
        assert names(tmp_path) == []

    asyncio.run(main())


@pytest.mark.parametrize("directory", ["absent", "x" * 120])
def test_a_directory_that_will_not_do_is_named(tmp_path: Path, directory: str) -> None:
    with pytest.raises(ServerError, match=f"{directory}/news.sock: "):
        asyncio.run(World(tmp_path / directory).server.start())
