"""claims.sock with real datagrams: who may write, what arrives, and that a flood costs little."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshwatch.claims import BURST, Claims, Drop
from meshwatch.letterbox import DATAGRAMS_PER_TURN, PAUSE_S, Letterbox
from meshwatch.observations import Observation, Poked
from meshwatch.protocol import claims as form
from meshwatch.server import ServerError
from tests.socket.world import DEADLINE_S, until


class Box:
    """A letterbox, what came out of it, and a program that puts something in."""

    sender: socket.socket

    def __init__(self) -> None:
        self.claims = Claims({"mesh0": 3}.get)
        self.turns: list[list[Observation]] = []
        self.letterbox = Letterbox(self.claims, self.turns.append)

    @property
    def observed(self) -> list[Observation]:
        return [observation for turn in self.turns for observation in turn]


@asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[Box]:
    """An open letterbox, with a deadline for all that happens to it."""
    box = Box()
    async with asyncio.timeout(DEADLINE_S):
        box.letterbox.start(directory)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box.sender:
                box.sender.setblocking(False)
                box.sender.connect(str(directory / "claims.sock"))
                yield box
        finally:
            box.letterbox.close()


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def address(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def poked(number: int) -> bytes:
    return form.encode(form.Poked("mesh0", address(number)))


def test_claims_arrive_in_order_and_garbage_harms_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path) as box:
            for data in (poked(1), b"", b"\xff", poked(2).ljust(form.MAX_CLAIM + 1), poked(2)):
                box.sender.send(data)
            await until(lambda: len(box.observed) == 2)
            assert box.observed == [Poked(3, address(1)), Poked(3, address(2))]
            assert box.claims.dropped == {Drop.MALFORMED: 3}

    asyncio.run(main())


def test_who_sent_garbage_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with listening(tmp_path) as box:
            box.sender.send(b"garbage")
            await until(lambda: box.claims.dropped.total() == 1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    who = f"process {os.getpid()} of user {os.getuid()}"
    assert caplog.messages == [f"claims dropped: 1 malformed; the last by {who}"]


def test_a_flood_is_bounded_and_does_not_stop_the_loop(tmp_path: Path) -> None:
    """The sender is another process, as fast as the socket takes it."""
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect(sys.argv[1])\n"
        "try:\n"
        "    while True: s.send(sys.argv[2].encode())\n"
        "except OSError: pass\n"
    )

    async def main() -> None:
        async with listening(tmp_path) as box:
            path = str(tmp_path / "claims.sock")
            command = [sys.executable, "-c", script, path, poked(1).decode()]
            process = await asyncio.create_subprocess_exec(*command)
            await until(lambda: bool(box.observed))
            begun_s = time.monotonic()
            await until(lambda: box.claims.dropped[Drop.TOO_MANY] > DATAGRAMS_PER_TURN)
            seconds = time.monotonic() - begun_s
            assert BURST <= len(box.observed) <= BURST + 100 * (seconds + 1)
            turns = 1 + seconds / PAUSE_S
            assert box.claims.dropped[Drop.TOO_MANY] <= turns * DATAGRAMS_PER_TURN
        await process.wait()

    asyncio.run(main())


def test_descriptors_that_are_passed_do_not_stay(tmp_path: Path) -> None:
    def files() -> set[str]:
        return {entry.name for entry in Path("/proc/self/fd").iterdir()}

    async def main() -> None:
        async with listening(tmp_path) as box:
            before = files()
            for number in range(3):
                socket.send_fds(box.sender, [poked(number)], [0, 1, 2])
            await until(lambda: len(box.observed) == 3)
            assert files() == before

    asyncio.run(main())


# ---- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_owner_and_group_may_write_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    async def main() -> None:
        before = os.umask(umask)
        try:
            async with listening(tmp_path):
                assert (tmp_path / "claims.sock").stat().st_mode & 0o777 == 0o660
        finally:
            os.umask(before)

    asyncio.run(main())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
def test_the_group_of_the_directory_may_write_and_nobody_else(tmp_path: Path) -> None:
    script = (
        "import os, socket, sys\n"
        "os.setgroups([int(g) for g in sys.argv[2:]]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.sendto(b'{}', sys.argv[1])\n"
    )
    group = 4242
    tmp_path.chmod(0o755)
    os.chown(tmp_path, -1, group)

    async def status(*groups: int) -> int:
        command = [sys.executable, "-c", script, "claims.sock", *map(str, groups)]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        return await process.wait()

    async def main() -> None:
        async with listening(tmp_path) as box:
            assert await status() == 1
            assert await status(group) == 0
            await until(lambda: box.claims.dropped.total() == 1)

    asyncio.run(main())


def test_nothing_is_left_behind_and_a_second_start_works(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with listening(tmp_path):
                assert names(tmp_path) == ["claims.sock"]
            assert names(tmp_path) == []

    asyncio.run(main())


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "claims.sock"))

    async def main() -> None:
        async with listening(tmp_path) as box:
            box.sender.send(poked(1))
            await until(lambda: len(box.observed) == 1)

    asyncio.run(main())


def test_the_file_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path):
            (tmp_path / "claims.sock").unlink()
            successor = Box()
            successor.letterbox.start(tmp_path)
        assert (tmp_path / "claims.sock").exists()
        successor.letterbox.close()
        assert names(tmp_path) == []

    asyncio.run(main())


def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "claims.sock").write_text("precious")

    async def main() -> None:
        box = Box()
        with pytest.raises(ServerError, match=r"claims\.sock: is in the way and is no socket"):
            box.letterbox.start(tmp_path)
        box.letterbox.close()

    asyncio.run(main())
    assert (tmp_path / "claims.sock").read_text() == "precious"


@pytest.mark.parametrize("directory", ["absent", "x" * 120])
def test_a_directory_that_will_not_do_is_named(tmp_path: Path, directory: str) -> None:
    async def main() -> None:
        with pytest.raises(ServerError, match=rf"{directory}/claims\.sock: "):
            Box().letterbox.start(tmp_path / directory)

    asyncio.run(main())
