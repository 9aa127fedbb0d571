"""What callers get: the contract as the file has it, and clean errors."""

from __future__ import annotations

import asyncio
import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant
from msgspec import convert
from msgspec.structs import fields, replace

from meshwatch.bus.answers import NOT_KNOWN, Answers
from meshwatch.bus.contract import FILE, Contract, Subject
from meshwatch.bus.mirror import Mirror
from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Claim,
    Clash,
    Evidence,
    Key,
    OneSided,
    Proof,
    Readings,
    Service,
    Source,
)
from tests.bus.harness import (
    INTERFACE,
    MANAGER,
    NAME,
    NEIGHBOR,
    OBJECT_MANAGER,
    PEER,
    PROPERTIES,
    ROOT,
    MessageDaemon,
    World,
    client_of,
    interface,
    neighbor,
    published,
    where,
)

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
ERROR = "org.freedesktop.DBus.Error."

MESH0, ONE = interface(), neighbor(1)

# Every field known, so that every property has a value.
FULL = replace(
    ONE,
    gate=True,
    authentication_server=False,
    authenticated=True,
    mfp=False,
    evidence=Evidence(proof=Proof.PROBE, silence_ms=1400, missed=1, unanswered=3),
    security="sae",
    mesh_id="school",
    accepting=True,
    one_sided=OneSided.THEIRS,
    next_hop="42:00:00:00:00:02",
    hop_count=1,
    proxy="42:00:00:00:00:03",
    addresses=(Address("fe80::1%mesh0", AddressScope.LINK, AddressProof.ECHO),),
    name="ana.local",
    nick="Ana",
    jid="ana@ana.example",
    claims=(
        Claim(
            claimant="names",
            uid=994,
            name="ana.local",
            claimed_ns=0,
            services=(Service("_ssh._tcp", "ana", "ana.local", 22, (("key", "value"),)),),
        ),
    ),
    clash=Clash.OURS,
    readings=convert(
        {field.name: 1 for field in fields(Readings)},
        Readings,
    ),
)

# path, interface, member, arguments' signature, arguments, error
REFUSED: list[tuple[str, str | None, str, str, list[Any], str]] = [
    ("/org/meshwatch/mesh9", PROPERTIES, "GetAll", "s", [INTERFACE], ERROR + "UnknownObject"),
    ("/com/example", INTROSPECTABLE, "Introspect", "", [], ERROR + "UnknownObject"),
    (ROOT, "com.example.Other", "Do", "", [], ERROR + "UnknownInterface"),
    (ROOT, PROPERTIES, "Take", "", [], ERROR + "UnknownMethod"),
    (ROOT, None, "Take", "", [], ERROR + "UnknownMethod"),
    (ROOT, PROPERTIES, "Get", "s", [MANAGER], ERROR + "InvalidArgs"),
    (ROOT, PROPERTIES, "Get", "ss", ["com.example.Other", "Version"], ERROR + "UnknownInterface"),
    (ROOT, PROPERTIES, "Get", "ss", [MANAGER, "Color"], ERROR + "UnknownProperty"),
    (ROOT, PROPERTIES, "Get", "ss", [PEER, "Version"], ERROR + "UnknownProperty"),
    (
        ROOT,
        PROPERTIES,
        "Set",
        "ssv",
        [MANAGER, "Version", Variant("s", "2")],
        ERROR + "PropertyReadOnly",
    ),
    (
        ROOT,
        PROPERTIES,
        "Set",
        "ssv",
        [MANAGER, "Color", Variant("s", "2")],
        ERROR + "UnknownProperty",
    ),
    (where(MESH0), PROPERTIES, "GetAll", "s", [NEIGHBOR], ERROR + "UnknownInterface"),
    (where(ONE), PROPERTIES, "Get", "ss", [NEIGHBOR, "Gate"], NOT_KNOWN),
    ("/org", PROPERTIES, "GetAll", "s", [MANAGER], ERROR + "UnknownInterface"),
    # The standard knows one ObjectManager per tree.
    (where(MESH0), OBJECT_MANAGER, "GetManagedObjects", "", [], ERROR + "UnknownInterface"),
    (where(ONE), OBJECT_MANAGER, "GetManagedObjects", "", [], ERROR + "UnknownInterface"),
    ("/org", OBJECT_MANAGER, "GetManagedObjects", "", [], ERROR + "UnknownInterface"),
    ("/", OBJECT_MANAGER, "GetManagedObjects", "", [], ERROR + "UnknownInterface"),
]


def test_what_is_refused(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            for path, name, member, signature, arguments, error in REFUSED:
                reply = await client.call(name, member, signature, arguments, path=path)
                what = (path, name, member)
                assert reply.message_type is MessageType.ERROR, what
                assert (reply.error_name, reply.signature) == (error, "s"), what
                assert "Traceback" not in reply.body[0], what
                assert "\n" not in reply.body[0], what

    asyncio.run(scenario())


def test_our_own_fault_is_not_told_to_the_caller(
    daemon: MessageDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    def lookup(key: Key) -> None:
        raise RuntimeError("secret of the daemon")

    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with (
            client_of(daemon.address) as client,
            published(world, daemon.address, lookup) as states,
        ):
            await states.working()
            call = (PROPERTIES, "Get", "ss", [NEIGHBOR, "Presence"])
            reply = await client.call(*call, path=where(ONE))
            assert reply.error_name == ERROR + "Failed"
            assert reply.body == ["internal error, see the journal of meshwatchd"]
            assert await client.get(ROOT, MANAGER, "Failures") == {}

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "secret of the daemon" in caplog.text


class Watched(Mirror):
    """A mirror that counts how often somebody goes through all of it."""

    walks = 0

    def subjects(self) -> Iterator[tuple[str, Subject]]:
        self.walks += 1
        return super().subjects()


@pytest.mark.parametrize(
    ("path", "interface", "member", "arguments", "walks"),
    [
        (where(ONE), PROPERTIES, "GetAll", [NEIGHBOR], 0),
        (where(ONE), PROPERTIES, "Get", [NEIGHBOR, "Presence"], 0),
        (ROOT, PEER, "GetMachineId", [], 0),
        ("/anywhere", PEER, "Ping", [], 0),
        (where(MESH0), INTROSPECTABLE, "Introspect", [], 1),
        (ROOT, OBJECT_MANAGER, "GetManagedObjects", [], 1),
    ],
)
def test_a_question_about_one_object_is_not_asked_of_all(
    path: str, interface: str, member: str, arguments: list[str], walks: int
) -> None:
    mirror = Watched("0.1.0")
    mirror.reset((MESH0, ONE, *map(neighbor, range(2, 100))))
    answers = Answers(Contract(lambda: 0), mirror, lambda subject: subject)
    signature = "s" * len(arguments)
    call = Message(NAME, path, interface, member, signature=signature, body=arguments, serial=1)
    assert answers(call).message_type is MessageType.METHOD_RETURN
    assert mirror.walks == walks


def canonical(element: ET.Element) -> str:
    return ET.canonicalize(ET.tostring(element, encoding="unicode"), strip_text=True)


def test_introspection_is_the_file(daemon: MessageDaemon) -> None:
    filed = {each.attrib["name"]: canonical(each) for each in ET.parse(FILE).getroot()}
    common = [PROPERTIES, INTROSPECTABLE, PEER]
    expected = {
        "/": ([], ["org"]),
        "/org": ([], ["meshwatch"]),
        ROOT: ([MANAGER, OBJECT_MANAGER, *common], ["mesh0"]),
        where(MESH0): ([INTERFACE, *common], ["n_42_00_00_00_00_01"]),
        where(ONE): ([NEIGHBOR, *common], []),
    }

    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            for path, (interfaces, children) in expected.items():
                reply = await client.call(INTROSPECTABLE, "Introspect", path=path)
                node = ET.fromstring(reply.body[0])
                served = {each.attrib["name"]: canonical(each) for each in node.iter("interface")}
                assert list(served) == interfaces
                assert served == {name: filed[name] for name in interfaces}
                assert [each.attrib["name"] for each in node.findall("node")] == children

    asyncio.run(scenario())


def test_values_have_the_types_that_introspection_promises(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        told = replace(MESH0, mesh_id="school", beacon_interval_tu=1000, gates=(ONE.address,))
        world = World(told, FULL, Source(source="rtnetlink", since_ns=0, failure="no such family"))
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            managed = await client.call(OBJECT_MANAGER, "GetManagedObjects")
            assert managed.body[0].keys() == {where(MESH0), where(ONE)}
            for path, own in [(ROOT, MANAGER), (where(MESH0), INTERFACE), (where(ONE), NEIGHBOR)]:
                reply = await client.call(INTROSPECTABLE, "Introspect", path=path)
                (element,) = [
                    each
                    for each in ET.fromstring(reply.body[0]).iter("interface")
                    if each.attrib["name"] == own
                ]
                promised = {
                    each.attrib["name"]: each.attrib["type"] for each in element.iter("property")
                }
                reply = await client.call(PROPERTIES, "GetAll", "s", [own], path=path)
                values = reply.body[0]
                assert {name: each.signature for name, each in values.items()} == promised
                for name, each in values.items():
                    tree: Any = SignatureTree._get(promised[name])
                    tree.verify([each.value])
                    assert await client.get(path, own, name) == each.value
                if path != ROOT:
                    news = {
                        each.attrib["name"]: values[each.attrib["name"]]
                        for each in element.iter("property")
                        if each.find("annotation[@value='false']") is None
                    }
                    assert managed.body[0][path] == {own: news}

    asyncio.run(scenario())


def test_evidence_and_gates_have_what_is_known(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(replace(MESH0, gates=(ONE.address, FULL.proxy)), FULL, neighbor(2))
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            evidence = await client.get(where(ONE), NEIGHBOR, "Evidence")
            assert {key: (each.signature, each.value) for key, each in evidence.items()} == {
                "proof": ("s", "probe"),
                "silence_ms": ("u", 1400),
                "missed": ("u", 1),
                "unanswered": ("u", 3),
            }
            gates = await client.get(where(MESH0), INTERFACE, "Gates")
            assert gates == [ONE.address, FULL.proxy]
            assert await client.get(where(neighbor(2)), NEIGHBOR, "Evidence") == NOT_KNOWN
            world.put(replace(FULL, evidence=Evidence(proof=Proof.LOOK)), MESH0)
            await client.until(lambda: len(client.signals) == 2)
            told = await client.call(PROPERTIES, "GetAll", "s", [NEIGHBOR], path=where(ONE))
            assert told.body[0]["Evidence"].value == {"proof": Variant("s", "look")}
            told = await client.call(PROPERTIES, "GetAll", "s", [INTERFACE], path=where(MESH0))
            assert (told.body[0]["Gates"].signature, told.body[0]["Gates"].value) == ("as", [])

    asyncio.run(scenario())


def test_what_is_unknown_is_absent(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(replace(MESH0, frequency_mhz=None), ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            objects = await client.look()
            assert "FrequencyMhz" not in objects[where(MESH0)][INTERFACE]
            known = objects[where(ONE)][NEIGHBOR]
            assert "AirtimeMetric" not in known
            assert "Gate" not in known
            assert "SignalDbm" not in known  # a reading: what is kept of it would be a lie
            assert await client.get(where(ONE), NEIGHBOR, "SignalDbm") == -40

    asyncio.run(scenario())


def test_the_small_courtesies_of_the_standard(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            reply = await client.call(PEER, "Ping", path="/anywhere")
            assert reply.message_type is MessageType.METHOD_RETURN
            first = await client.call(PEER, "GetMachineId")
            again = await client.call(PEER, "GetMachineId")
            assert (first.message_type, first.body) == (again.message_type, again.body)
            # A call may leave out the interface, and "" asks for a property of any interface.
            reply = await client.call(None, "Get", "ss", ["", "Presence"], path=where(ONE))
            assert reply.body[0].value == "present"
            reply = await client.call(PROPERTIES, "GetAll", "s", [PEER])
            assert reply.body == [{}]

    asyncio.run(scenario())


def test_who_wants_no_reply_gets_none(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with client_of(daemon.address) as client, published(world, daemon.address) as states:
            await states.working()
            serials = []
            for path in (ROOT, "/com/example"):
                call = Message(
                    NAME,
                    path,
                    PROPERTIES,
                    "GetAll",
                    flags=MessageFlag.NO_REPLY_EXPECTED,
                    signature="s",
                    body=[MANAGER],
                )
                client.send(call)
                serials.append(call.serial)
            await client.caught_up()
            assert len(serials) == 2
            assert not client.answered & set(serials)

    asyncio.run(scenario())
