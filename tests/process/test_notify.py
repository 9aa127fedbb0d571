"""meshwatch notify, the program: between a real daemon, a real bus and a desktop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.bus.desktop import Desktop
from tests.bus.harness import MessageDaemon, within

MESHWATCH = [sys.executable, "-m", "meshwatch.cli"]
MESHWATCHD = [sys.executable, "-m", "meshwatch.daemon"]
RECORDING = Path(__file__).parents[1] / "recordings" / "meet-6.1.pcapng"


def test_a_desktop_is_needed(tmp_path: Path) -> None:
    environment = {"PATH": "", "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path / 'none'}"}
    ended = subprocess.run(
        [*MESHWATCH, "notify"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 5
    assert "no desktop to notify" in ended.stderr


def test_a_recorded_neighbor_comes_near(tmp_path: Path) -> None:
    async def scenario() -> None:
        # It waits for a daemon that is not there yet, and is told of who comes after it.
        desktop = await Desktop.start(bus.address)
        notifying = await asyncio.create_subprocess_exec(
            *MESHWATCH, "--names", str(names), "notify", "--bus", bus.address,
            env=bus.environment(), stderr=subprocess.PIPE,
        )  # fmt: skip
        assert notifying.stderr is not None
        assert b"no meshwatchd" in await within(notifying.stderr.readline())
        daemon = await asyncio.create_subprocess_exec(
            *MESHWATCHD, "--replay", str(RECORDING), "--bus", bus.address,
            "--runtime-directory", str(tmp_path),
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert (await desktop.bubble()).summary == "Ana is near"
        finally:
            daemon.terminate()
            notifying.terminate()
            await within(daemon.wait())
            await within(notifying.communicate())
        assert notifying.returncode == 0

    names = tmp_path / "names"
    names.write_text("02:00:00:00:01:00 Ana\n")
    bus = MessageDaemon(tmp_path)
    bus.start()
    try:
        asyncio.run(scenario())
    finally:
        bus.kill()
