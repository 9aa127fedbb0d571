"""What a bus does to its clients: it is full, stalls, restarts, is absent, belongs to others."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
import tracemalloc
from pathlib import Path

import pytest
from dbus_next.aio.message_bus import MessageBus
from dbus_next.message import Message
from msgspec.structs import replace

from meshwatch.bus import Bus
from meshwatch.bus.transport import Writer
from meshwatch.model import Key, Neighbor, Presence, Reason, Row
from tests.bus.harness import (
    DEADLINE_S,
    NAME,
    NEIGHBOR,
    OBJECT_MANAGER,
    PEER,
    PROPERTIES,
    ROOT,
    WALL_OFFSET_NS,
    Client,
    MessageDaemon,
    States,
    World,
    client_of,
    interface,
    neighbor,
    published,
    where,
    within,
)

MESH0, ONE = interface(), neighbor(1)
CROWD = [neighbor(number) for number in range(1000)]

# What may wait in us for a stalled bus; what is held back would be twice as much.
BOUND_BYTES = 4 << 20


# An absence after which the next attempt would be 3 s away if pauses grew for ever, and within what
# a bus that is back must be served.
AWAY_S, RETURN_S = 4.5, 2.0


def changes(crowd: list[Neighbor], turn: int) -> list[Neighbor]:
    """A crowd in which every neighbor's presence changed."""
    presence = Presence.QUIET if turn % 2 else Presence.PRESENT
    return [replace(row, presence=presence, since_ns=turn * 1_000_000) for row in crowd]


def test_a_full_socket_is_not_the_end(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            await client.look()
            owner = client.owner
            with daemon.stalled():
                world.put(*CROWD)
                # Until it is all handed to the socket, or rather would be if that took it.
                for _ in range(len(CROWD)):
                    await asyncio.sleep(0)
            await client.until(lambda: len(client.objects) == 1 + len(CROWD))
            assert client.owner == owner
            assert states.all == [None]

    asyncio.run(scenario())


def test_what_is_flushed_does_not_wait_for_the_turns_of_others() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            failures: list[OSError] = []
            writer = Writer(ours, asyncio.get_running_loop(), failures.append)
            message = Message.new_signal(ROOT, NEIGHBOR, "Said")
            writer.schedule_write(message)
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
            writer.flush()
            assert theirs.recv(4096) == message._marshall()  # type: ignore[no-untyped-call]
            writer.flush()
            await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
            assert not failures

    asyncio.run(scenario())


def test_a_stalled_bus_ends_in_a_correct_mirror_and_costs_little(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            await client.look()
            with daemon.stalled():
                world.put(*CROWD)
                await asyncio.sleep(0)
                tracemalloc.start()
                for turn in range(25):
                    world.put(*changes(CROWD, turn))
                    for _ in range(20):
                        await asyncio.sleep(0)
                _, peak_bytes = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                for row in CROWD[:500]:
                    world.drop(row.key, Reason.ABSENT)
                world.put(*changes(CROWD[:100], 99))
                await asyncio.sleep(0)
            world.put(neighbor(5000))
            await client.until(lambda: where(neighbor(5000)) in client.objects)
            await client.until(lambda: len(client.objects) == 1 + 500 + 100 + 1)
            await client.caught_up()
            told = client.objects
            assert {
                path: values[NEIGHBOR]["SinceUnixMs"]
                for path, values in told.items()
                if NEIGHBOR in values
            } == {
                where(row): (row.since_ns + WALL_OFFSET_NS) // 1_000_000
                for row in world.rows.values()
                if isinstance(row, Neighbor)
            }
            assert await client.look() == told
            assert peak_bytes < BOUND_BYTES
            # Held back and told once: not one signal for each of the 25 000 changes.
            assert len(client.signals) < 6 * len(CROWD)
            assert states.all == [None]

    asyncio.run(scenario())


def test_calls_that_cannot_be_answered_are_not_read(daemon: MessageDaemon) -> None:
    """A caller who asks for everything, again and again, while the bus stands still."""

    async def scenario() -> None:
        world = World(MESH0, *CROWD[:200])
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            for _ in range(60):
                client.send(Message(NAME, ROOT, OBJECT_MANAGER, "GetManagedObjects", body=[]))
            answered = len(client.answered)
            await client.until(lambda: len(client.answered) > answered)
            with daemon.stalled():
                tracemalloc.start()
                for _ in range(200):
                    await asyncio.sleep(0)
                _, peak_bytes = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            # Each of the answers is 150 kB.
            assert peak_bytes < BOUND_BYTES
            assert len(await client.look()) == 1 + 200

    asyncio.run(scenario())


def test_a_flood_of_calls_leaves_the_loop_to_others(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        handled = 0

        def lookup(key: Key) -> Row | None:
            nonlocal handled
            handled += 1
            return world.rows.get(key)

        async with (
            client_of(daemon.address) as client,
            published(world, daemon.address, lookup) as states,
        ):
            await states.working()
            for _ in range(100):
                body = [NEIGHBOR, "Presence"]
                client.send(Message(NAME, where(ONE), PROPERTIES, "Get", signature="ss", body=body))
            await asyncio.sleep(0)
            daemon.call("GetId")  # blocks us until the bus, which keeps the order, has sent us all
            most = 0
            async with asyncio.timeout(DEADLINE_S):
                while handled < 100:
                    before = handled
                    await asyncio.sleep(0)
                    most = max(most, handled - before)
            assert most <= 8

    asyncio.run(scenario())


def test_a_huge_call_does_not_hold_the_loop(daemon: MessageDaemon) -> None:
    """Any local user may send 32 MiB in one message."""

    async def scenario() -> None:
        world = World(MESH0)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            client.send(Message(NAME, ROOT, PEER, "Take", signature="as", body=[[""] * 200_000]))
            worst_s = 0.0
            answered = len(client.answered)
            async with asyncio.timeout(DEADLINE_S):
                while len(client.answered) == answered:
                    before_s = time.process_time()
                    await asyncio.sleep(0)
                    worst_s = max(worst_s, time.process_time() - before_s)
            assert worst_s < 0.1
            reply = await client.call(PEER, "Take", "as", [[]])
            assert reply.error_name == "org.freedesktop.DBus.Error.UnknownMethod"

    asyncio.run(scenario())


def test_a_restarted_bus_is_found_again(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with published(world, daemon.address) as states:
            await states.working()
            daemon.kill()
            await states.until(lambda failure: failure is not None)
            assert str(states.all[-1]).startswith("no bus: ")
            world.put(neighbor(2))
            daemon.start()
            await states.working()
            async with client_of(daemon.address) as client:
                assert (await client.look()).keys() == {
                    where(row) for row in (MESH0, ONE, neighbor(2))
                }
                world.drop(ONE.key, Reason.DELETED)
                await client.until(lambda: len(client.objects) == 2)

    asyncio.run(scenario())


def test_a_bus_that_was_away_for_long_is_found_soon(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with published(world, daemon.address) as states:
            await states.working()
            daemon.kill()
            await states.until(lambda failure: failure is not None)
            await asyncio.sleep(AWAY_S)
            world.put(neighbor(2))
            daemon.start()
            async with asyncio.timeout(RETURN_S):
                await states.working()
            async with client_of(daemon.address) as client:
                assert (await client.look()).keys() == {
                    where(row) for row in (MESH0, ONE, neighbor(2))
                }

    asyncio.run(scenario())


def test_a_bus_that_never_had_us_is_asked_less_and_less(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "bus"
        asked: asyncio.Queue[float] = asyncio.Queue()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.put_nowait(time.monotonic())
            writer.close()

        server = await asyncio.start_unix_server(hang_up, path)
        async with published(World(MESH0), f"unix:path={path}"):
            *_, fourth, fifth = [await within(asked.get()) for _ in range(5)]
        assert fifth - fourth > 1.5  # after 0.25, 0.5 and 1 s
        server.close()

    asyncio.run(scenario())


def test_a_bus_that_dies_with_a_full_socket(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0)
        async with published(world, daemon.address) as states:
            await states.working()
            daemon.signal(signal.SIGSTOP)
            world.put(*CROWD)
            for _ in range(len(CROWD)):
                await asyncio.sleep(0)
            daemon.kill()
            await states.until(lambda failure: failure is not None)
            daemon.start()
            await states.working()
            async with client_of(daemon.address) as client:
                assert len(await client.look()) == 1 + len(CROWD)

    asyncio.run(scenario())


def test_without_a_bus_it_keeps_trying(daemon: MessageDaemon, tmp_path: Path) -> None:
    daemon.kill()
    (tmp_path / "bus").unlink()

    async def scenario() -> None:
        world = World(MESH0)
        async with published(world, daemon.address) as states:
            await states.until(lambda failure: failure is not None)
            assert states.all == ["no bus: [Errno 2] No such file or directory"]
            daemon.start()
            await states.working()

    asyncio.run(scenario())


def test_an_address_that_means_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        for address in ("nonsense", "tcp:host=localhost,port=1", "unix:tmpdir=/tmp", ""):
            async with published(World(MESH0), address) as states:
                await states.until(lambda failure: failure is not None)
                assert str(states.all[0]).startswith("no bus: ")

    asyncio.run(scenario())


def test_a_bus_that_hangs_up_in_the_middle_of_the_greeting(tmp_path: Path) -> None:
    """As when it is out of connections or being killed; the library would spin for ever."""

    async def scenario() -> None:
        path = tmp_path / "bus"

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.close()

        server = await asyncio.start_unix_server(hang_up, path)
        async with published(World(MESH0), f"unix:path={path}") as states:
            await states.until(lambda failure: failure is not None)
            assert "closed the connection" in str(states.all[0])
        server.close()

    asyncio.run(scenario())


def test_a_stalled_bus_with_a_full_backlog_does_not_block(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "bus")
        with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as first:
            deaf.bind(path)
            deaf.listen(0)
            first.connect(path)
            async with published(World(MESH0), f"unix:path={path}") as states:
                await states.until(lambda failure: failure is not None)
                assert "temporarily unavailable" in str(states.all[0])

    asyncio.run(scenario())


def test_close_does_not_wait_for_a_bus_that_never_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "bus")
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(path)
            deaf.listen(8)
            bus = Bus(World(MESH0).feed, lambda key: None, lambda: 0, f"unix:path={path}")
            running = asyncio.create_task(bus.run())
            for _ in range(10):
                await asyncio.sleep(0)
            await bus.close()
            done, _ = await asyncio.wait({running}, timeout=5)
            assert done

    asyncio.run(scenario())


@pytest.mark.parametrize("turns", range(4))
def test_close_while_the_bus_dies(daemon: MessageDaemon, turns: int) -> None:
    """Between the end of the connection and our notice of it there are some turns of the loop."""

    async def scenario() -> None:
        states = States()
        bus = Bus(World(MESH0).feed, lambda key: None, lambda: 0, daemon.address, states)
        running = asyncio.create_task(bus.run())
        await states.working()
        daemon.kill()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(0.9):  # it would wait a second for a reply
            await bus.close()
        await within(running)

    asyncio.run(scenario())


async def owner_of(daemon: MessageDaemon) -> MessageBus:
    other = MessageBus(bus_address=daemon.address)
    await other.connect()
    await other.request_name(NAME)
    return other


def test_a_name_that_another_owns_is_ours_when_it_is_free(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        other = await owner_of(daemon)
        world = World(MESH0)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.until(lambda failure: failure is not None)
            assert states.all == ["another process owns the name org.meshwatch"]
            world.put(ONE)  # nobody can hear this, so nobody is told
            await other.release_name(NAME)
            await states.working()
            assert (await client.look()).keys() == {where(MESH0), where(ONE)}
            assert client.signals == []
            world.put(replace(ONE, plid=77))
            await client.until(lambda: client.said() == [("PropertiesChanged", where(ONE))])
        other.disconnect()  # type: ignore[no-untyped-call]

    asyncio.run(scenario())


def test_a_policy_that_forbids_the_name_is_reported(daemon: MessageDaemon, tmp_path: Path) -> None:
    daemon.kill()

    async def scenario() -> None:
        config = tmp_path / "closed.conf"
        config.write_text(
            "<busconfig><type>session</type><auth>EXTERNAL</auth>"
            f"<listen>{daemon.address}</listen><policy context='default'>"
            "<allow send_destination='*'/><allow receive_sender='*'/><deny own='*'/>"
            "</policy></busconfig>"
        )
        daemon.start(config)
        async with published(World(MESH0), daemon.address) as states:
            await states.until(lambda failure: failure is not None)
            assert NAME in str(states.all[0])
            assert "not allowed" in str(states.all[0])

    asyncio.run(scenario())


def test_close_gives_the_name_back_after_the_last_word(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0)
        client: Client
        async with client_of(daemon.address) as client:
            async with published(world, daemon.address) as states:
                await states.working()
                world.put(ONE)
                await client.until(lambda: bool(client.signals))
            await client.until(lambda: not client.owner)

    asyncio.run(scenario())
