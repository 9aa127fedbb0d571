"""The client against real sockets: restarts, absence, other versions, garbage; both twins."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meshwatch import protocol
from meshwatch.client import (
    Came,
    Connection,
    DaemonAbsent,
    Disconnected,
    Event,
    ProtocolError,
    Reading,
    Removed,
    Resynchronised,
    connect,
    follow,
    look,
)
from tests.socket.world import HELLO, address, equal, serving, synchronised

DEADLINE_S = 30.0
EMPTY = b'{"class":"snapshot","seq":2,"neighbors":[],"interfaces":[],"sources":[]}\n'


@contextmanager
def saying(directory: Path, *words: bytes, name: str = "news.sock") -> Iterator[None]:
    """A daemon of another kind: to each that connects it says one of the words, and hangs up
    after all but the last."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / name))
        listener.listen()
        held: list[socket.socket] = []

        def speak() -> None:
            for number, word in enumerate(words, 1):
                stream, _ = listener.accept()
                stream.sendall(word)
                if number == len(words):
                    held.append(stream)
                else:
                    stream.close()

        speaker = threading.Thread(target=speak, daemon=True)  # a failed test must end
        speaker.start()
        try:
            yield
        finally:
            speaker.join(DEADLINE_S)
            for stream in held:
                stream.close()


def through(daemon: Connection) -> list[Event]:
    """Events up to and with the next Resynchronised."""
    events: list[Event] = []
    while not events or not isinstance(events[-1], Resynchronised):
        event = daemon.receive(DEADLINE_S)
        assert event is not None, "nothing in time"
        events.append(event)
    return events


# ---- against a real server ----------------------------------------------------------------------


def test_a_restarted_daemon_is_told_as_differences(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as first:
            first.come(range(100))
            daemon = await synchronised(follow(tmp_path))
        async with serving(tmp_path) as second:
            second.later(5)
            second.come(range(1, 101))
            events = [await daemon.receive()]
            while not isinstance(events[-1], Resynchronised):
                events.append(await daemon.receive())
            gone, who, came, _ = events
            assert isinstance(gone, Disconnected)
            assert isinstance(who, Removed)
            assert isinstance(came, Came)
            assert (who.neighbor.address, who.reason) == (address(0), "absent")
            assert came.neighbor.address == address(100)
            await equal(second, daemon)
            daemon.close()

    asyncio.run(main())


@pytest.mark.parametrize("live", [False, True])
def test_readings_are_told_to_live_only(tmp_path: Path, live: bool) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            world.come([1])
            daemon = await synchronised(follow(tmp_path, live=live))
            world.later()
            world.come([1], signal_dbm=-80)
            world.come([2])
            event = await daemon.receive()
            assert isinstance(event, Reading if live else Came)
            if isinstance(event, Reading):
                assert event.neighbor.readings.signal_dbm == -80
                assert event.was.readings.signal_dbm == -60
            daemon.close()

    asyncio.run(main())


def test_the_blocking_twin_says_the_same(tmp_path: Path) -> None:
    started = threading.Event()

    def client() -> tuple[list[Event], list[Event]]:
        with connect(tmp_path, timeout=DEADLINE_S) as daemon:
            first = through(daemon)
            started.set()
            return first, [next(daemon) for _ in range(3)]

    async def main() -> None:
        async with serving(tmp_path) as world:
            world.come([1])
            daemon = follow(tmp_path)
            task = asyncio.create_task(asyncio.to_thread(client))
            first = [await daemon.receive()]
            while not isinstance(first[-1], Resynchronised):
                first.append(await daemon.receive())
            await asyncio.to_thread(started.wait, DEADLINE_S)
            world.come([2])
            world.come([2], llid=9)
            world.go([1])
            then = [await daemon.receive() for _ in range(3)]
            assert await task == (first, then)
            daemon.close()

    asyncio.run(main())


def test_the_mirror_is_never_ahead_of_the_event(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            daemon = await synchronised(follow(tmp_path))
            world.come([1])
            world.go([1])
            assert isinstance(await daemon.receive(), Came)
            assert [key.address for key in daemon.neighbors] == [address(1)]
            assert isinstance(await daemon.receive(), Removed)
            assert daemon.neighbors == {}
            daemon.close()

    asyncio.run(main())


def test_a_cancelled_receive_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as world:
            daemon = await synchronised(follow(tmp_path))
            for _ in range(5):
                waiting = asyncio.create_task(daemon.receive())
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
            await equal(world, daemon)
            daemon.close()

    asyncio.run(main())


# ---- against words ------------------------------------------------------------------------------


def test_look_and_the_descriptor(tmp_path: Path) -> None:
    with saying(tmp_path, HELLO.numbered(1) + EMPTY, HELLO.numbered(1) + EMPTY):
        assert look(tmp_path).synchronised
        with connect(tmp_path) as daemon:
            assert daemon.fileno() == -1
            assert isinstance(through(daemon)[-1], Resynchronised)
            assert daemon.receive(0) is None
            assert select.select([daemon], [], [], 0)[0] == []
        assert daemon.fileno() == -1


def test_who_hangs_up_is_called_again(tmp_path: Path) -> None:
    greeting = HELLO.numbered(1)
    words = (greeting + EMPTY, greeting, greeting + EMPTY[:20], b"", greeting + EMPTY)
    with saying(tmp_path, *words), connect(tmp_path) as daemon:
        assert [type(event) for event in through(daemon)] == [Resynchronised]
        assert [type(event) for event in through(daemon)] == [Disconnected, Resynchronised]


def test_absence_is_said_at_once_or_in_time_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DaemonAbsent, match=r"no meshwatchd at .*news\.sock: No such file"):
        next(connect(tmp_path, reconnect=False))
    with pytest.raises(DaemonAbsent, match="No such file"):
        next(connect(tmp_path, timeout=0.3))
    with connect(tmp_path) as patient:
        assert patient.receive(0.15) is None
        assert patient.receive(0) is None
    with pytest.raises(DaemonAbsent, match="No such file"):
        asyncio.run(follow(tmp_path, timeout=0.3).receive())


def test_a_daemon_that_says_nothing_is_absent_in_time(tmp_path: Path) -> None:
    with saying(tmp_path, HELLO.numbered(1)):
        with (
            connect(tmp_path, timeout=0.1) as daemon,
            pytest.raises(DaemonAbsent, match="sends no snapshot"),
        ):
            next(daemon)
        with pytest.raises(DaemonAbsent, match="sends no snapshot"):
            asyncio.run(follow(tmp_path, timeout=0.1).receive())


def test_without_reconnecting_the_first_end_is_the_end(tmp_path: Path) -> None:
    words = (HELLO.numbered(1), HELLO.numbered(1) + EMPTY, HELLO.numbered(1), b"")
    with saying(tmp_path, *words):
        with pytest.raises(DaemonAbsent, match="closed the connection"):
            look(tmp_path)
        with connect(tmp_path, reconnect=False) as daemon:
            through(daemon)
            with pytest.raises(DaemonAbsent, match="closed the connection"):
                next(daemon)
        with pytest.raises(DaemonAbsent, match="closed the connection"):
            asyncio.run(follow(tmp_path, reconnect=False).receive())
        connect(tmp_path).receive(0)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (b'{"class":"version","seq":1,"protocol":{"major":2,"minor":0}}\n', r"2\.0.*1\.0"),
        (b"220 mail.example.org ESMTP\n", "not a line of this protocol"),
        (EMPTY, "first line"),
        (b"x" * protocol.MAX_LINE, "does not end"),
    ],
)
def test_who_speaks_otherwise_is_a_protocol_error(tmp_path: Path, word: bytes, says: str) -> None:
    with saying(tmp_path, word, word):
        with connect(tmp_path) as daemon, pytest.raises(ProtocolError, match=says):
            next(daemon)
        with pytest.raises(ProtocolError, match=says):
            asyncio.run(follow(tmp_path).receive())


def test_a_later_minor_version_is_followed(tmp_path: Path) -> None:
    word = (
        b'{"class":"version","seq":1,"protocol":{"major":1,"minor":9},"release":"9","boot":"b",'
        b'"started_unix_ms":1,"mood":"good"}\n{"class":"advice","seq":2}\n'
    )
    with saying(tmp_path, word + EMPTY), connect(tmp_path) as daemon:
        (event,) = through(daemon)
        assert isinstance(event, Resynchronised)
        assert event.version.protocol.minor == 9
