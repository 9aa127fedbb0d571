"""On a bus that forbids what the system bus does, the policy allows what is needed, no more."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.harness import DEADLINE_S, NAME, ROOT, MessageDaemon, World, interface, published

POLICY = Path(__file__).parents[2] / "udev/org.meshwatch.conf"
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_policy_on_a_closed_bus(folder: Path) -> None:
    daemon = MessageDaemon(folder)
    config = folder / "closed.conf"
    config.write_text(
        f"""<busconfig>
          <type>system</type><auth>EXTERNAL</auth><listen>{daemon.address}</listen>
          <policy context="default">
            <allow user="*"/>
            <deny own="*"/>
            <deny send_type="method_call"/>
            <allow send_type="signal"/>
            <allow send_requested_reply="true" send_type="method_return"/>
            <allow send_requested_reply="true" send_type="error"/>
            <allow receive_type="method_call"/>
            <allow receive_type="method_return"/>
            <allow receive_type="error"/>
            <allow receive_type="signal"/>
            <allow send_destination="org.freedesktop.DBus"
                   send_interface="org.freedesktop.DBus"/>
          </policy>
          <include>{POLICY}</include>
        </busconfig>"""
    )
    root = os.getuid() == 0

    async def busctl(*words: str) -> int:
        command = ["busctl", f"--address={daemon.address}", *words]
        process = await asyncio.create_subprocess_exec(
            *command,
            user=NOBODY if root else None,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(DEADLINE_S):
            return await process.wait()

    async def scenario() -> None:
        async with published(World(interface()), daemon.address) as states:
            if not root:
                await states.until(lambda failure: failure is not None)
                assert "not allowed to own" in str(states.all[0])
                return
            await states.working()
            assert await busctl("introspect", NAME, f"{ROOT}/mesh0") == 0
            assert await busctl("tree", NAME) == 0
            request = ("RequestName", "su", NAME, "0")
            driver = ("org.freedesktop.DBus",) * 2
            assert await busctl("call", driver[0], "/", driver[1], *request) != 0

    daemon.start(config)
    try:
        asyncio.run(scenario())
    finally:
        daemon.kill()
