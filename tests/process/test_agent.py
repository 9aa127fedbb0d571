"""meshwatch agent as a process: a wire to send on, and a real server and letterbox to talk to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshwatch.model import Presence
from meshwatch.observations import Poked
from tests.process.agents import AGENT, DEADLINE_S, agent, daemon, play
from tests.process.air import IFINDEX, NEIGHBOR, Air

POKE = ("--no-names", "--no-hooks")
AT_THE_NEIGHBOR = "0 fe80::ff:fe00:1 far"  # an empty datagram, by the address of 02:..:01


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may enter, as tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_quiet_neighbor_gets_three_datagrams_and_the_daemon_is_told_of_each(
    tmp_path: Path,
) -> None:
    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving, agent(tmp_path, air, *POKE) as running:
            await running.says("following meshwatchd 0.1.0")
            serving.tell(Presence.PRESENT)
            serving.tell(Presence.QUIET, beacon_interval_tu=1000)
            begun_s = time.monotonic()
            assert await serving.claims(3) == [Poked(IFINDEX, NEIGHBOR)] * 3
            assert time.monotonic() - begun_s > 0.49  # two gaps of 250 ms
            assert [await air.arrived() for _ in range(3)] == [AT_THE_NEIGHBOR] * 3
            assert await running.end() == 0
            assert " 3 pokes sent, 0 could not be sent; 0 claims could not be made" in running.log

    play(scene)


def test_it_stops_when_the_neighbor_is_back(tmp_path: Path) -> None:
    """Another one's three pokes, no nearer to each other, are the time in which nothing comes."""
    other = "02:00:00:00:00:02"

    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving, agent(tmp_path, air, *POKE) as running:
            await running.says("following meshwatchd")
            serving.tell(Presence.QUIET, beacon_interval_tu=1000)
            assert await serving.claims(1) == [Poked(IFINDEX, NEIGHBOR)]
            serving.tell(Presence.PRESENT)
            serving.tell(Presence.QUIET, other, beacon_interval_tu=1000)
            assert await serving.claims(3) == [Poked(IFINDEX, other)] * 3

    play(scene)


def test_it_goes_on_with_the_next_daemon(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with agent(tmp_path, air, *POKE) as running:
            async with daemon(tmp_path) as serving:
                await running.says("following meshwatchd")
            await running.says("lost meshwatchd")
            async with daemon(tmp_path) as serving:
                await running.says("following meshwatchd")
                serving.tell(Presence.QUIET)
                assert await serving.claims(3) == [Poked(IFINDEX, NEIGHBOR)] * 3

    play(scene)


def test_a_recording_is_not_the_world(tmp_path: Path) -> None:
    other = "02:00:00:00:00:02"

    async def scene(air: Air) -> None:
        async with agent(tmp_path, air, *POKE) as running:
            async with daemon(tmp_path, replay="meet.pcapng") as serving:
                serving.tell(Presence.QUIET)
                await running.says("following meshwatchd", "a recording: nothing is done")
                serving.tell(Presence.QUIET, other)
            await running.says("lost meshwatchd")
            async with daemon(tmp_path) as serving:
                await running.says("following meshwatchd")
                serving.tell(Presence.QUIET, "02:00:00:00:00:03")
                assert await serving.claims(3) == [Poked(IFINDEX, "02:00:00:00:00:03")] * 3
            assert await running.end() == 0
        assert " 3 pokes sent, 0 could not be sent" in running.log

    play(scene)


def test_an_interface_that_cannot_send_is_named_once_and_harms_no_other(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving, agent(tmp_path, air, *POKE) as running:
            await running.says("following meshwatchd")
            serving.tell(Presence.QUIET, "02:00:00:00:00:09", interface="mesh9", ifindex=4242)
            await running.says("cannot poke on mesh9: ")
            serving.tell(Presence.QUIET)
            assert await serving.claims(3) == [Poked(IFINDEX, NEIGHBOR)] * 3
            assert await running.end() == 0
            assert serving.taken.dropped == {}  # what was not sent is not claimed
        assert running.log.count("cannot poke on mesh9") == 1
        assert " 3 pokes sent, 3 could not be sent" in running.log

    play(scene)


def test_a_daemon_without_a_letterbox_is_named_once_and_the_datagrams_go_out(
    tmp_path: Path,
) -> None:
    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving, agent(tmp_path, air, *POKE) as running:
            await running.says("following meshwatchd")
            serving.letterbox.close()
            serving.tell(Presence.QUIET)
            await running.says("cannot tell the daemon at", "claims.sock: No such file")
            assert [await air.arrived() for _ in range(3)] == [AT_THE_NEIGHBOR] * 3
            assert await running.end(signal.SIGINT) == 0
        assert running.log.count("cannot tell") == 1

    play(scene)


def test_another_protocol_is_an_error(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "news.sock"))
            listener.listen()
            listener.setblocking(False)
            async with agent(tmp_path, air, *POKE) as running:
                loop = asyncio.get_running_loop()
                connection, _ = await loop.sock_accept(listener)
                with connection:
                    await loop.sock_sendall(connection, b"220 mail.example.org ESMTP\r\n")
                    await running.process.wait()
                assert await running.end() == 4
        assert "not a line of this protocol" in running.log

    play(scene)


def test_without_a_duty_there_is_nothing_to_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [*AGENT, "--runtime-directory", tmp_path, "agent", "--no-poke", *POKE],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "meshwatch: with --no-poke, --no-names and --no-hooks the agent has nothing to do\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
def test_a_user_of_the_group_without_any_privilege_can_do_it(place: Path) -> None:
    """The service manager hears that it is ready, though there is no daemon yet."""
    group = 4242
    script = (
        "import os, sys; from meshwatch.cli import main\n"
        f"os.setgroups([{group}]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )

    async def scene(air: Air) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.bind(str(place / "notify"))
            (place / "notify").chmod(0o666)
            os.environ["NOTIFY_SOCKET"] = str(place / "notify")
            try:
                async with agent(
                    place, air, *POKE, command=(sys.executable, "-c", script)
                ) as running:
                    loop = asyncio.get_running_loop()
                    assert await loop.sock_recv(manager, 64) == b"READY=1"
                    async with daemon(place) as serving:
                        await running.says("following meshwatchd")
                        serving.tell(Presence.QUIET)
                        assert await serving.claims(3) == [Poked(IFINDEX, NEIGHBOR)] * 3
                    assert await running.end() == 0
                    assert await loop.sock_recv(manager, 64) == b"STOPPING=1"
            finally:
                del os.environ["NOTIFY_SOCKET"]

    os.chown(place, -1, group)
    play(scene)
