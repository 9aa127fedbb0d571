"""What the bus is told of changes: once, in order, from the right path, and never a reading."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Claim,
    Evidence,
    Presence,
    Proof,
    Reason,
    Source,
)
from tests.bus.harness import (
    INTERFACE,
    MANAGER,
    NAME,
    NEIGHBOR,
    OBJECT_MANAGER,
    PROPERTIES,
    ROOT,
    MessageDaemon,
    World,
    client_of,
    interface,
    neighbor,
    plain,
    published,
    where,
)

MESH0, ONE, TWO = interface(), neighbor(1), neighbor(2)


def test_an_appearance(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            world.put(ONE)
            await client.until(lambda: len(client.signals) == 2)
            added, presence = client.signals
            # GDBus and others listen at the path of the manager, not at that of the object.
            assert (added.path, added.interface, added.member) == (
                ROOT,
                OBJECT_MANAGER,
                "InterfacesAdded",
            )
            assert added.body[0] == where(ONE)
            assert added.body[1].keys() == {NEIGHBOR}
            assert plain(added.body[1][NEIGHBOR])["Presence"] == "present"
            assert (presence.path, presence.interface, presence.member) == (
                where(MESH0),
                INTERFACE,
                "PresenceChanged",
            )
            assert presence.body == [where(ONE), ONE.address, "", "present", "established"]
            assert added.sender == presence.sender == client.owner

    asyncio.run(scenario())


def test_a_removal_carries_its_reason(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            world.drop(ONE.key, Reason.DELETED)
            await client.until(lambda: len(client.signals) == 2)
            presence, removed = client.signals
            assert presence.body == [where(ONE), ONE.address, "present", "", "deleted"]
            assert (removed.path, removed.interface) == (ROOT, OBJECT_MANAGER)
            assert removed.body == [where(ONE), [NEIGHBOR]]

    asyncio.run(scenario())


def test_a_removal_is_told_after_the_evidence_for_it(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            evidence = Evidence(proof=Proof.PROBE, silence_ms=1400, unanswered=3)
            world.drop(ONE.key, Reason.SILENT, evidence)
            await client.until(lambda: len(client.signals) == 3)
            changed, presence, removed = client.signals
            assert (changed.path, changed.body[0]) == (where(ONE), NEIGHBOR)
            assert changed.body[1].keys() == {"Evidence"}
            told = plain(changed.body[1]["Evidence"].value)
            assert told == {"proof": "probe", "silence_ms": 1400, "unanswered": 3}
            assert presence.body == [where(ONE), ONE.address, "present", "", "silent"]
            assert removed.body == [where(ONE), [NEIGHBOR]]

    asyncio.run(scenario())


def test_a_departure_into_silence(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            world.put(
                replace(ONE, presence=Presence.HEARD, reason=Reason.CLOSED, since_ns=9_000_000_000)
            )
            await client.until(lambda: len(client.signals) == 2)
            changed, presence = client.signals
            assert (changed.path, changed.interface) == (where(ONE), PROPERTIES)
            assert changed.body[0] == NEIGHBOR
            assert plain(changed.body[1]) == {
                "Presence": "heard",
                "Reason": "closed",
                "SinceUnixMs": 1_700_000_009_000,
            }
            assert changed.body[2] == []
            assert presence.body == [where(ONE), ONE.address, "present", "heard", "closed"]

    asyncio.run(scenario())


def test_readings_are_never_told_but_always_current(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            row = ONE
            for dbm in range(-90, -40):
                row = replace(row, readings=replace(row.readings, signal_dbm=dbm))
                world.read(row)
                await asyncio.sleep(0)
            assert await client.get(where(ONE), NEIGHBOR, "SignalDbm") == -41
            world.put(replace(row, plid=7))
            await client.until(lambda: bool(client.signals))
            await client.caught_up()
            assert client.said() == [("PropertiesChanged", where(ONE))]
            assert plain(client.signals[0].body[1]) == {"Plid": 7}

    asyncio.run(scenario())


def test_what_is_no_longer_known_is_invalidated(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        known = replace(ONE, gate=True)
        world = World(MESH0, known)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            assert await client.get(where(ONE), NEIGHBOR, "Gate") is True
            world.put(replace(known, gate=None))
            await client.until(lambda: bool(client.signals))
            assert client.signals[0].body == [NEIGHBOR, {}, ["Gate"]]
            assert await client.get(where(ONE), NEIGHBOR, "Gate") == "org.meshwatch.Error.NotKnown"

    asyncio.run(scenario())


def test_names_addresses_and_claims_are_news(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            echo = Address("fe80::1%mesh0", AddressScope.LINK, AddressProof.ECHO)
            claim = Claim(claimant="names", uid=5, name="ana.local", claimed_ns=2_000_000)
            world.put(replace(ONE, addresses=(echo,), name="ana.local", claims=(claim,)))
            await client.until(lambda: len(client.signals) == 1)
            world.put(ONE)
            await client.until(lambda: len(client.signals) == 2)
            came, went = (signal.body for signal in client.signals)
            told = plain(came[1])
            assert told.keys() == {"Addresses", "Name", "Claims"}
            assert told["Name"] == "ana.local"
            assert [plain(each)["address"] for each in told["Addresses"]] == ["fe80::1%mesh0"]
            assert [plain(each)["claimant"] for each in told["Claims"]] == ["names"]
            assert (plain(went[1]), went[2]) == ({"Addresses": [], "Claims": []}, ["Name"])

    asyncio.run(scenario())


def test_one_turn_of_the_loop_is_told_once(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        three = neighbor(3)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            for plid in range(50):
                world.put(replace(ONE, plid=plid))  # one PropertiesChanged
            world.put(TWO)
            world.put(replace(TWO, plid=8))  # one InterfacesAdded, with this
            world.put(three)
            world.drop(three.key, Reason.ABSENT)  # nothing
            await client.until(lambda: len(client.signals) >= 3)
            await client.caught_up()
            assert sorted(client.said()) == [
                ("InterfacesAdded", where(TWO)),
                ("PresenceChanged", where(TWO)),
                ("PropertiesChanged", where(ONE)),
            ]
            assert client.objects[where(TWO)][NEIGHBOR]["Plid"] == 8

            client.signals.clear()
            world.drop(ONE.key, Reason.DELETED)
            world.put(replace(ONE, since_ns=5_000_000_000))
            await client.until(lambda: len(client.signals) >= 4)
            await client.caught_up()
            assert [member for member, _ in client.said()] == [
                "PresenceChanged",
                "InterfacesRemoved",
                "InterfacesAdded",
                "PresenceChanged",
            ]

    asyncio.run(scenario())


def test_a_renamed_interface_is_another_object(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            renamed, moved = replace(MESH0, interface="lan-1"), replace(ONE, interface="lan-1")
            world.put(renamed, moved)
            await client.until(lambda: len(client.signals) == 6)
            base = "/org/meshwatch/lan_2d1"
            assert client.said() == [
                ("PresenceChanged", where(ONE)),
                ("InterfacesRemoved", where(ONE)),
                ("InterfacesRemoved", where(MESH0)),
                ("InterfacesAdded", base),
                ("InterfacesAdded", base + "/n_42_00_00_00_00_01"),
                ("PresenceChanged", base + "/n_42_00_00_00_00_01"),
            ]
            assert client.signals[0].body[3:] == ["", "interface_removed"]
            assert (await client.look()).keys() == {base, base + "/n_42_00_00_00_00_01"}

    asyncio.run(scenario())


def test_the_daemons_health(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(Source(source="nl80211", since_ns=0, failure="nl80211 is not in the kernel"))
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            failing = {"nl80211": "nl80211 is not in the kernel"}
            assert await client.get(ROOT, MANAGER, "Failures") == failing
            world.put(Source(source="nl80211", since_ns=1))
            await client.until(lambda: bool(client.signals))
            (changed,) = client.signals
            assert changed.path == ROOT
            assert changed.body[0] == MANAGER
            assert plain(changed.body[1]) == {"Failures": {}}

    asyncio.run(scenario())


def test_the_name_is_owned_when_the_table_can_be_seen_and_not_before(
    daemon: MessageDaemon,
) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address):
            # The first thing a client does when it sees the name: nothing may be missing.
            await client.until(lambda: bool(client.owner))
            assert (await client.look()).keys() == {where(MESH0), where(ONE)}
            # And nobody who asked first is told again what was there before.
            assert client.signals == []
        assert (await client_has_owner(daemon)) is False

    asyncio.run(scenario())


async def client_has_owner(daemon: MessageDaemon) -> bool:
    async with client_of(daemon.address) as client:
        reply = await client.call(
            "org.freedesktop.DBus", "NameHasOwner", "s", [NAME], path="/", to="org.freedesktop.DBus"
        )
        return bool(reply.body[0])


def test_nothing_is_published_before_the_table_is_complete(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, complete=False)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await client.connections(2)
            await client.connections(2)  # a name that is requested at once is owned by now
            assert not client.owner
            world.feed.open()
            await states.working()
            assert (await client.look()).keys() == {where(MESH0)}

    asyncio.run(scenario())
