"""Echoes and neighbor tables of real kernels, in namespaces with a wire between them."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from meshwatch import kernel
from meshwatch.echo_packet import Echo, decode, encode
from meshwatch.echo_socket import EchoSocket, open_echo
from meshwatch.echoes import ALL_NODES
from meshwatch.eui64 import LINK_LOCAL, derived, prefix_of
from meshwatch.model import AddressProof, Change
from meshwatch.neighborhood import Neighborhood
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    AddressWanted,
    Observation,
    OwnAddresses,
    Settled,
    SourceState,
    Wire,
)
from meshwatch.pump import Pump
from meshwatch.recording import open_recording
from meshwatch.replay import NETLINK_ROUTE, Player
from meshwatch.table import Table
from meshwatch.tee import Tee
from meshwatch.wires import Wires
from tests.process.wired import IFINDEX, MESH0, OURS, PEER, batch, here, in_namespace, neighbor

DEADLINE_S = 10.0
WIRE = Wire(IFINDEX, "mesh0", OURS)
PREFIX = "fd12:3456:789a::"
LOCAL, THEIRS = f"{PREFIX}ff:fe00:ff", f"{PREFIX}ff:fe00:1"


class Watch:
    """The conversations about addresses with real sockets, and what they told."""

    def __init__(self, tee: Tee | None = None) -> None:
        self.told: list[Observation] = []
        self._more = asyncio.Event()
        self.wires = Wires(self._observed, self._say, tee)
        self._addresses = Pump(Neighborhood(), self._observed, tee)

    async def begin(self, receive_buffer_bytes: int) -> None:
        """Open everything."""
        channels = await kernel.open_neighborhood(receive_buffer_bytes)
        self._addresses.open([channels.requests, channels.events], channels.requests)
        self._addresses.notice([MESH0], time.monotonic_ns())
        self.wires.notice([MESH0], time.monotonic_ns())

    def want(self, address: str = PEER) -> None:
        """The table asks."""
        pump = self.wires.pump_for(IFINDEX)
        assert pump is not None
        pump.notice([AddressWanted(IFINDEX, address)], time.monotonic_ns())

    async def until(self, wanted: Callable[[Observation], bool]) -> Observation:
        """The first such observation."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for told in self.told:
                    if wanted(told):
                        return told
                self._more.clear()
                await self._more.wait()

    async def until_told(self, *observations: Observation) -> None:
        """Until all of these were made."""
        for observation in observations:
            await self.until(lambda told, wanted=observation: told == wanted)  # type: ignore[misc]

    def close(self) -> None:
        self.wires.close()
        self._addresses.close()

    def _say(self, state: SourceState) -> None:
        self.told.append(state)
        self._more.set()

    def _observed(self, origin: Pump, observations: list[Observation], now: int) -> None:
        self.told += observations
        self._more.set()
        for pump in (self._addresses, *self.wires.pumps):
            if pump is not origin:
                pump.notice(observations, now)
        self.wires.notice(observations, now)


def watching(
    scenario: Callable[[Watch], Coroutine[None, None, None]],
    tee: Tee | None = None,
    receive_buffer_bytes: int = kernel.RECEIVE_BUFFER_BYTES,
) -> None:
    """Run a scenario with all that is open."""

    async def run() -> None:
        watch = Watch(tee)
        await watch.begin(receive_buffer_bytes)
        try:
            await scenario(watch)
        finally:
            watch.close()

    asyncio.run(run())


def seen(ip: str, proof: AddressProof) -> AddressSeen:
    return AddressSeen(IFINDEX, PEER, ip, proof)


def is_echo(told: Observation) -> bool:
    return isinstance(told, AddressSeen) and told.proof is AddressProof.ECHO


# ---- who answers --------------------------------------------------------------------------------


@in_namespace
def test_a_neighbor_with_an_address_made_of_its_hardware_address() -> None:
    with neighbor() as there:
        there.up()

        async def scenario(watch: Watch) -> None:
            watch.want()
            await watch.until_told(seen(derived(LINK_LOCAL, PEER), AddressProof.ECHO))
            assert SourceState("echoes", None) in watch.told

        watching(scenario)


@in_namespace
def test_a_neighbor_with_an_address_that_nobody_can_guess() -> None:
    with neighbor() as there:
        there.up("random")

        async def scenario(watch: Watch) -> None:
            watch.want()
            told = await watch.until(is_echo)
            assert isinstance(told, AddressSeen)
            assert told.address == PEER
            assert told.ip.startswith("fe80::")
            assert told.ip != derived(LINK_LOCAL, PEER)
            # It solicited us before it answered, which the kernel noted.
            await watch.until_told(seen(told.ip, AddressProof.KERNEL))

        watching(scenario)


@in_namespace
def test_both_ends_still_look_for_duplicates_of_their_addresses() -> None:
    """The question waits for ours; theirs answers to a later request."""
    with neighbor() as there:
        there.up(dad=True)

        async def scenario(watch: Watch) -> None:
            watch.want()
            assert not any(isinstance(told, OwnAddresses) for told in watch.told)
            await watch.until(is_echo)

        watching(scenario)


@in_namespace
def test_the_unique_local_address_of_a_neighbor_is_verified() -> None:
    with neighbor() as there:
        there.up()
        there.ip("address", "add", f"{THEIRS}/64", "dev", "far", "nodad")

        async def scenario(watch: Watch) -> None:
            watch.want()
            await watch.until(is_echo)
            here("address", "add", f"{LOCAL}/64", "dev", "mesh0", "nodad")
            await watch.until_told(seen(THEIRS, AddressProof.ECHO))
            assert prefix_of(THEIRS) == prefix_of(LOCAL)

        watching(scenario)


class Listening(Table):
    """A table that remembers what it was told of addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Observation] = []

    def observe(self, observation: Observation, now: int) -> list[Change]:
        if isinstance(observation, AddressSeen | AddressFailed | OwnAddresses):
            self.told.append(observation)
        return super().observe(observation, now)


@in_namespace
def test_a_replay_tells_the_same() -> None:
    with neighbor() as there, TemporaryDirectory() as directory:
        there.up("random")
        told: list[Observation] = []

        async def scenario(watch: Watch) -> None:
            here("neighbor", "add", "10.0.0.9", "lladdr", PEER, "dev", "mesh0", "nud", "stale")
            watch.want()
            await watch.until(is_echo)
            here("neighbor", "delete", "10.0.0.9", "dev", "mesh0")
            await watch.until_told(AddressFailed(IFINDEX, "10.0.0.9"))
            told.extend(watch.told)

        path = Path(directory) / "x.pcapng"
        tee = Tee(path, 0, None, pytest.fail)
        watching(scenario, tee)
        tee.close()
        table, neighborhood = Listening(), Neighborhood()
        neighborhood.notice(MESH0, 0)
        with closing(open_recording(path)) as recording:
            for _ in Player(recording, {NETLINK_ROUTE: [neighborhood]}, table):
                pass
        kinds = (AddressSeen, AddressFailed, OwnAddresses)
        assert any(map(is_echo, table.told))
        live = [each for each in told if isinstance(each, kinds)]
        assert table.told[: len(live)] == live


# ---- what the kernel knows ----------------------------------------------------------------------


@in_namespace
def test_several_addresses_that_come_and_fail() -> None:
    with neighbor() as there:
        there.up()
        here("address", "add", "10.0.0.1/24", "dev", "mesh0")
        there.ip("address", "add", "10.0.0.2/24", "dev", "far")
        there.ip("address", "add", "10.0.0.3/24", "dev", "far")

        async def scenario(watch: Watch) -> None:
            there.speak("10.0.0.2", "10.0.0.1")
            await watch.until_told(seen("10.0.0.2", AddressProof.KERNEL))
            there.speak("10.0.0.3", "10.0.0.1")
            await watch.until_told(seen("10.0.0.3", AddressProof.KERNEL))
            here("neighbor", "delete", "10.0.0.3", "dev", "mesh0")
            await watch.until_told(AddressFailed(IFINDEX, "10.0.0.3"))

        watching(scenario)


@in_namespace
def test_what_the_kernel_knew_before() -> None:
    with neighbor() as there:
        there.up()
        entry = ("10.0.0.9", "lladdr", PEER, "dev", "mesh0")
        here("neighbor", "add", *entry, "nud", "permanent")
        here("neighbor", "add", "proxy", "10.0.0.10", "dev", "mesh0")
        here("link", "add", "other", "type", "bridge")
        here("link", "set", "other", "up")
        here("neighbor", "add", "10.0.0.11", "lladdr", PEER, "dev", "other", "nud", "stale")

        async def scenario(watch: Watch) -> None:
            await watch.until_told(seen("10.0.0.9", AddressProof.KERNEL))
            here("neighbor", "change", "10.0.0.9", "lladdr", OURS, "dev", "mesh0")
            moved = AddressSeen(IFINDEX, OURS, "10.0.0.9", AddressProof.KERNEL)
            await watch.until_told(moved)
            ips = {t.ip for t in watch.told if isinstance(t, AddressSeen)}
            assert not ips & {"10.0.0.10", "10.0.0.11"}

        watching(scenario)


@in_namespace
def test_after_an_overrun_everything_is_known() -> None:
    """The smallest buffer there is holds a few events of five hundred."""
    ips = [f"10.0.{i}.{j}" for i in (1, 2) for j in range(1, 251)]
    with neighbor() as there:
        there.up()

        async def scenario(watch: Watch) -> None:
            await watch.until_told(Settled("addresses"))
            entry = f"lladdr {PEER} dev mesh0 nud permanent"
            batch(*(f"neighbor add {ip} {entry}" for ip in ips))
            await watch.until_told(*(seen(ip, AddressProof.KERNEL) for ip in ips))

        watching(scenario, receive_buffer_bytes=0)


# ---- the socket ---------------------------------------------------------------------------------


def hear(opened: EchoSocket) -> Echo | None:
    """The next frame that the filter lets in."""
    poll = select.poll()
    poll.register(opened.fileno(), select.POLLIN)
    assert poll.poll(DEADLINE_S * 1000), "nothing was heard"
    (frame,) = opened.drain().datagrams
    return decode(frame)


@in_namespace
def test_nobody_hears_it_but_the_station_that_is_asked() -> None:
    with neighbor() as there:
        there.up()
        here("address", "add", "fe80::1/64", "dev", "mesh0", "nodad")
        opened = open_echo(WIRE, 7)
        request = Echo(PEER, OURS, ALL_NODES, "fe80::1", 7, 1, b"data")
        opened.send(encode(request._replace(receiver="02:00:00:00:00:02")))
        opened.send(encode(request))
        assert hear(opened) == Echo(
            OURS, PEER, "fe80::1", derived(LINK_LOCAL, PEER), 7, 1, b"data", reply=True
        )
        assert there.heard_echoes() == 1
        opened.close()


@in_namespace
def test_the_filter_lets_in_our_replies_only() -> None:
    with neighbor() as there:
        there.up()
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        here("link", "add", "left", "type", "veth", "peer", "name", "right")
        for end in ("left", "right"):
            here("link", "set", end, "up")
        left = Wire(socket.if_nametoindex("left"), "left", OURS)
        opened = open_echo(left, 7)
        wire.bind(("right", 0))
        reply = Echo(OURS, PEER, "fe80::1", "fe80::2", 7, 1, b"data", reply=True)
        wire.send(encode(reply._replace(reply=False)))
        wire.send(encode(reply._replace(identifier=8)))
        wire.send(encode(reply)[:20] + b"\x11" + encode(reply)[21:])
        wire.send(encode(reply)[:58])
        wire.send(encode(reply))
        assert hear(opened) == reply
        assert opened.drain().datagrams == []
        opened.send(encode(reply))  # what we send ourselves is not heard
        assert opened.drain().datagrams == []
        here("link", "set", "left", "down")
        assert opened.drain().error == errno.ENETDOWN
        assert opened.drain().error == 0
        opened.close()
        opened.close()
        assert opened.fileno() == -1
        wire.close()


@in_namespace
def test_what_is_no_ethernet_or_not_there() -> None:
    here("link", "set", "lo", "up")
    with pytest.raises(OSError, match="lo is no Ethernet"):
        open_echo(Wire(1, "lo", OURS), 7)
    with pytest.raises(OSError, match="No such device"):
        open_echo(Wire(99, "mesh9", OURS), 7)


@in_namespace
def test_without_the_capability_that_is_said_and_nothing_else_breaks() -> None:
    with neighbor() as there:
        there.up()

        async def scenario(watch: Watch) -> None:
            await watch.until_told(SourceState("echoes", "needs CAP_NET_RAW"))
            assert watch.wires.pump_for(IFINDEX) is None
            await watch.until(lambda told: isinstance(told, OwnAddresses))

        for channel in asyncio.run(kernel.open_neighborhood()):  # what nobody may import
            channel.close()
        os.seteuid(65534)
        watching(scenario)
        os.seteuid(0)
