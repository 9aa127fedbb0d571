"""Taps on several radios, which come and go one by one; see tests/process/test_tap.py."""

from __future__ import annotations

import asyncio

from meshwatch.model import InterfaceType
from meshwatch.observations import (
    BeaconSeen,
    InterfaceDeleted,
    InterfaceSeen,
    LinkSeen,
    Observation,
    PeeringSeen,
    SourceState,
    Untapped,
)
from meshwatch.taps import Taps
from tests.process.test_tap import Radio, drain_late, in_namespace
from tests.pure import frame_bytes as f

OWN = "02:00:00:00:00:00"


class World:
    """Mesh interfaces 100 and 101 on the radios 0 and 1, and what is said of their taps."""

    def __init__(self, *only: str) -> None:
        self.said: list[Observation] = []
        self.heard: list[Observation] = []
        self.taps = Taps(
            lambda _, heard, __: self.heard.extend(heard),
            self.said.append,
            None,
            beacons=True,
            only=frozenset(only),
        )
        self.radios = [Radio("mon0"), Radio("mon1")]
        self.monitors = [radio.monitor.ifindex for radio in self.radios]
        for wiphy in (0, 1):
            mesh = InterfaceSeen(100 + wiphy, f"mesh{wiphy}", InterfaceType.MESH, wiphy, OWN)
            self.taps.notice([mesh], 0)
        self.said.clear()

    def tell(self, observation: Observation) -> list[Observation]:
        """What is said then."""
        self.said.clear()
        self.taps.notice([observation], 0)
        return self.said

    def monitor(self, radio: int) -> list[Observation]:
        """The radio has a monitor interface, and it is up."""
        ifindex, name = self.monitors[radio], f"mon{radio}"
        self.taps.notice([InterfaceSeen(ifindex, name, None, radio, OWN, monitor=True)], 0)
        return self.tell(LinkSeen(ifindex, name, True, True))

    def down(self, radio: int) -> list[Observation]:
        return self.tell(LinkSeen(self.monitors[radio], f"mon{radio}", False, False))

    @property
    def tapped(self) -> list[bool]:
        return [self.taps.pump_for(100 + radio) is not None for radio in (0, 1)]


@in_namespace
def test_what_each_radio_lacks_is_said() -> None:
    async def scenario() -> None:
        world = World()
        lacking = "phy0 has no monitor interface"
        assert world.monitor(1) == [SourceState("frames", lacking)]
        assert world.tapped == [False, True]
        both = SourceState("frames", f"{lacking}, mon1 is down")
        assert world.down(1) == [Untapped(1), both]
        assert world.tapped == [False, False]
        assert world.monitor(1) == [SourceState("frames", lacking)]
        assert world.monitor(0) == [SourceState("frames", None)]
        assert world.tapped == [True, True]
        world.taps.close()

    asyncio.run(scenario())


@in_namespace
def test_one_radio_fails_alone() -> None:
    async def scenario() -> None:
        world = World()
        world.monitor(0)
        world.monitor(1)
        assert world.down(0) == [Untapped(0), SourceState("frames", "mon0 is down")]
        assert world.tapped == [False, True]
        world.taps.close()

    asyncio.run(scenario())


@in_namespace
def test_another_monitor_interface_takes_over_without_a_word() -> None:
    async def scenario() -> None:
        world = World()
        world.monitor(0)
        world.monitor(1)
        other = Radio("other").monitor.ifindex
        world.tell(InterfaceSeen(other, "other", None, 0, OWN, monitor=True))
        world.tell(LinkSeen(other, "other", True, True))
        before = world.taps.pump_for(100)
        assert world.tell(InterfaceDeleted(world.monitors[0])) == []
        assert world.taps.pump_for(100) not in (None, before)
        world.taps.close()

    asyncio.run(scenario())


@in_namespace
def test_a_tap_lets_in_what_concerns_the_interfaces_there_are() -> None:
    async def scenario() -> None:
        world = World()
        world.monitor(0)
        world.monitor(1)
        before = [world.taps.pump_for(100), world.taps.pump_for(101)]
        other = "02:00:00:00:00:99"
        assert world.tell(InterfaceSeen(100, "mesh0", InterfaceType.MESH, 0, other)) == []
        after = [world.taps.pump_for(100), world.taps.pump_for(101)]
        assert after[0] not in (None, before[0])
        assert after[1] is before[1]
        assert world.tell(InterfaceSeen(100, "named", InterfaceType.MESH, 0, other)) == []
        assert world.taps.pump_for(100) is after[0]
        world.taps.close()

    asyncio.run(scenario())


@in_namespace
def test_a_peering_frame_is_heard_before_the_beacons_that_came_before_it() -> None:
    async def scenario() -> None:
        world = World()
        world.monitor(0)
        peer = "02:00:00:00:00:01"
        world.radios[0].emit(*[f.heard(f.beacon(peer))] * 20, f.heard(f.close(OWN, peer)))
        drain_late()
        pump = world.taps.pump_for(100)
        assert pump is not None
        pump.turn()
        world.taps.close()
        first, *others = map(type, world.heard)
        assert first is PeeringSeen
        assert set(others) == {BeaconSeen}

    asyncio.run(scenario())


@in_namespace
def test_a_monitor_interface_that_was_not_named_is_left_alone() -> None:
    async def scenario() -> None:
        world = World("mon1")
        without = SourceState("frames", "phy0 has no monitor interface of those named")
        assert world.monitor(0) == []
        assert world.monitor(1) == [without]
        assert world.tapped == [False, True]
        world.taps.close()

    asyncio.run(scenario())
