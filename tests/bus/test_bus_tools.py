"""The clients that people have: busctl, gdbus, and GLib's own mirror of an object manager."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from meshwatch.model import Evidence, Proof, Reason
from tests.bus.harness import (
    DEADLINE_S,
    INTERFACE,
    MANAGER,
    NAME,
    NEIGHBOR,
    OBJECT_MANAGER,
    PROPERTIES,
    ROOT,
    MessageDaemon,
    World,
    interface,
    neighbor,
    published,
    where,
)

MESH0, ONE, TWO = interface(), neighbor(1), neighbor(2)
PROBED = Evidence(proof=Proof.PROBE, silence_ms=1400, unanswered=3)
SYSTEM_PYTHON = "/usr/bin/python3"


async def run(daemon: MessageDaemon, *command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=daemon.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def busctl(daemon: MessageDaemon, *words: str) -> Any:
    status, output = await run(daemon, "busctl", f"--address={daemon.address}", *words)
    assert status == 0, output
    return output


@contextlib.asynccontextmanager
async def lines_of(daemon: MessageDaemon, *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """The output of a program that runs for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        *command, env=daemon.environment(), stdout=subprocess.PIPE, limit=1 << 24
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def told_until_heard(world: World, lines: asyncio.StreamReader) -> bytes:
    """Have a neighbor come and go until a monitor, which never says when it listens, tells it."""
    line: asyncio.Task[bytes] = asyncio.create_task(lines.readline())
    while not line.done():
        world.put(TWO)
        await asyncio.wait({line}, timeout=0.05)
        world.drop(TWO.key, Reason.SILENT)
        await asyncio.wait({line}, timeout=0.05)
    return line.result()


def test_busctl(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(replace(MESH0, gates=(ONE.address,)), replace(ONE, evidence=PROBED), TWO)
        async with published(world, daemon.address) as states:
            await states.working()
            tree = await busctl(daemon, "--list", "tree", NAME)
            assert [line for line in tree.split() if line.startswith(ROOT)] == [
                ROOT,
                where(MESH0),
                where(ONE),
                where(TWO),
            ]
            table = await busctl(daemon, "introspect", NAME, where(ONE))
            rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
            assert rows[".Presence"] == ["property", "s", '"present"', "emits-change"]
            assert rows[".Address"][-1] == "const"
            assert rows[".SignalDbm"] == ["property", "n", "-40", "-"]
            assert rows[".Gate"] == ["property", "b", "-", "emits-change"]
            for path in (ROOT, where(MESH0)):
                await busctl(daemon, "introspect", NAME, path)
            words = ("get-property", NAME, where(ONE), NEIGHBOR, "Presence")
            assert await busctl(daemon, *words) == 's "present"\n'
            words = ("get-property", NAME, where(ONE), NEIGHBOR, "Evidence")
            told = 'a{sv} 3 "proof" s "probe" "silence_ms" u 1400 "unanswered" u 3\n'
            assert await busctl(daemon, *words) == told
            words = ("get-property", NAME, where(MESH0), INTERFACE, "Gates")
            assert await busctl(daemon, *words) == f'as 1 "{ONE.address}"\n'
            call = ("--json=short", "call", NAME, ROOT, OBJECT_MANAGER, "GetManagedObjects")
            reply = json.loads(await busctl(daemon, *call))
            assert reply["data"][0].keys() == {where(MESH0), where(ONE), where(TWO)}

    asyncio.run(scenario())


def test_busctl_monitor(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with published(world, daemon.address) as states:
            await states.working()
            command = ("busctl", f"--address={daemon.address}", "--json=short", "monitor", NAME)
            async with lines_of(daemon, *command) as lines:
                first = await told_until_heard(world, lines)
                seen = json.loads(first)
                while seen["type"] != "signal":
                    seen = json.loads(await lines.readline())
                while seen.get("member") != "PresenceChanged":
                    seen = json.loads(await lines.readline())
                assert (seen["path"], seen["interface"]) == (where(MESH0), INTERFACE)
                assert seen["payload"]["data"][:2] == [where(TWO), TWO.address]

    asyncio.run(scenario())


def test_gdbus(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, replace(ONE, evidence=PROBED))
        gdbus = ("gdbus", "call", "--session", "--dest", NAME, "--object-path")
        async with published(world, daemon.address) as states:
            await states.working()
            words = ("introspect", "--session", "--dest", NAME, "-o", ROOT, "--recurse")
            status, text = await run(daemon, "gdbus", *words)
            assert status == 0
            for name in (MANAGER, INTERFACE, NEIGHBOR):
                assert f"interface {name} {{" in text
            get = ("--method", f"{PROPERTIES}.Get", NEIGHBOR)
            assert await run(daemon, *gdbus, where(ONE), *get, "Presence") == (
                0,
                "(<'present'>,)\n",
            )
            told = "'proof': <'probe'>, 'silence_ms': <uint32 1400>, 'unanswered': <uint32 3>"
            status, text = await run(daemon, *gdbus, where(ONE), *get, "Evidence")
            assert (status, text) == (0, f"(<{{{told}}}>,)\n")
            get_gates = ("--method", f"{PROPERTIES}.Get", INTERFACE, "Gates")
            assert await run(daemon, *gdbus, where(MESH0), *get_gates) == (0, "(<@as []>,)\n")
            status, text = await run(daemon, *gdbus, where(ONE), *get, "Gate")
            assert status == 1
            assert "org.meshwatch.Error.NotKnown" in text

    asyncio.run(scenario())


def test_gdbus_monitor_shows_a_departure_and_its_reason(daemon: MessageDaemon) -> None:
    async def scenario() -> None:
        world = World(MESH0, ONE)
        async with published(world, daemon.address) as states:
            await states.working()
            command = ("gdbus", "monitor", "--session", "--dest", NAME)
            async with lines_of(daemon, *command) as lines:
                while b"is owned by" not in await lines.readline():
                    pass
                seen = (await told_until_heard(world, lines)).decode()
                while "PresenceChanged" not in seen or not seen.rstrip().endswith("'silent')"):
                    seen = (await lines.readline()).decode()
                assert seen.startswith(f"{where(MESH0)}: {INTERFACE}.PresenceChanged (")
                assert seen.rstrip().endswith(
                    f"{where(TWO)}', '{TWO.address}', 'present', '', 'silent')"
                )
                seen = (await lines.readline()).decode()
                assert seen.startswith(f"{ROOT}: {OBJECT_MANAGER}.InterfacesRemoved (")

    asyncio.run(scenario())


def test_glib_keeps_a_correct_mirror(daemon: MessageDaemon) -> None:
    if subprocess.run([SYSTEM_PYTHON, "-c", "import gi"], check=False).returncode:
        pytest.skip("needs python3-gi and gir1.2-glib-2.0")

    async def scenario() -> None:
        world = World(MESH0, ONE)
        program = str(Path(__file__).with_name("mirror_gdbus.py"))
        async with published(world, daemon.address) as states:
            await states.working()
            async with lines_of(daemon, SYSTEM_PYTHON, program, daemon.address) as lines:

                async def mirror(*paths: str) -> dict[str, Any]:
                    """The first state of the mirror that has these objects and no others."""
                    while True:
                        objects: dict[str, Any] = json.loads(await lines.readline())
                        if objects.keys() == set(paths):
                            return objects

                await mirror(where(MESH0), where(ONE))
                world.put(TWO)
                objects = await mirror(where(MESH0), where(ONE), where(TWO))
                assert objects[where(TWO)][NEIGHBOR]["Presence"] == "present"
                world.drop(ONE.key, Reason.DELETED)
                await mirror(where(MESH0), where(TWO))
                world.put(replace(TWO, gate=True))
                objects = await mirror(where(MESH0), where(TWO))
                assert objects[where(TWO)][NEIGHBOR]["Gate"] is True
                world.put(replace(TWO, gate=None))
                objects = await mirror(where(MESH0), where(TWO))
                assert "Gate" not in objects[where(TWO)][NEIGHBOR]
                world.put(replace(TWO, evidence=PROBED))
                objects = await mirror(where(MESH0), where(TWO))
                evidence = {"proof": "probe", "silence_ms": 1400, "unanswered": 3}
                assert objects[where(TWO)][NEIGHBOR]["Evidence"] == evidence
                world.put(replace(MESH0, gates=(TWO.address,)))
                objects = await mirror(where(MESH0), where(TWO))
                assert objects[where(MESH0)][INTERFACE]["Gates"] == [TWO.address]
                world.put(replace(ONE, evidence=Evidence(proof=Proof.LOOK)))
                objects = await mirror(where(MESH0), where(ONE), where(TWO))
                assert objects[where(ONE)][NEIGHBOR]["Evidence"] == {"proof": "look"}

    asyncio.run(scenario())
