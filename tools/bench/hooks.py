"""Prints how long after the line that tells an arrival its hook runs, and what a run costs.

A real agent and one hook that says so through a named pipe; the same script called by this program
beside it. Then two hundred neighbors that arrive at once.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from meshwatch.model import Presence  # noqa: E402 - needs the path above
from tests.process.agents import Agent, Daemon, agent, daemon  # noqa: E402
from tests.process.air import on_air  # noqa: E402

TIMES = 50
CROWD = 200
DEADLINE_S = 60.0


class Pipe:
    """What the hook writes to: one byte for each run."""

    def __init__(self, place: Path) -> None:
        os.mkfifo(place / "pipe")
        self._end = os.open(place / "pipe", os.O_RDWR | os.O_NONBLOCK)
        (place / "hooks").mkdir()
        self.script = place / "hooks/say"
        self.script.write_text(f"#!/bin/sh\nprintf x >{place}/pipe\n")
        self.script.chmod(0o755)

    async def bytes(self, count: int) -> None:
        """So many runs began."""
        loop = asyncio.get_running_loop()
        while count:
            there = loop.create_future()
            loop.add_reader(self._end, there.set_result, None)
            await there
            loop.remove_reader(self._end)
            count -= len(os.read(self._end, count))


def cpu_s(pid: int) -> tuple[float, float]:
    """CPU time of a process, and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]
    return ticks[0] + ticks[1], ticks[2] + ticks[3]


async def delays_ms(act: Callable[[], object], pipe: Pipe) -> list[float]:
    """From an act to its hook, again and again."""
    delays = []
    for _ in range(TIMES):
        began = time.monotonic()
        act()
        await pipe.bytes(1)
        delays.append((time.monotonic() - began) * 1000)
    return delays


def line(what: str, delays: list[float]) -> str:
    """A row of the table."""
    ordered = sorted(delays)
    median = statistics.median(ordered)
    return f"{what:36} median {median:6.2f}  least {ordered[0]:6.2f}  worst {ordered[-1]:6.2f}"


async def crowd(serving: Daemon, running: Agent, pipe: Pipe) -> str:
    """Two hundred arrivals at once."""
    before, began = cpu_s(running.process.pid), time.monotonic()
    for number in range(CROWD):
        serving.tell(Presence.PRESENT, f"02:00:00:00:01:{number:02x}")
    await pipe.bytes(CROWD)
    took_s = time.monotonic() - began
    own, scripts = (a - b for a, b in zip(cpu_s(running.process.pid), before, strict=True))
    return (
        f"{CROWD} arrivals at once: {took_s:.2f} s; CPU of a run: agent "
        f"{own / CROWD * 1000:.2f} ms, script {scripts / CROWD * 1000:.2f} ms"
    )


async def main() -> None:
    """All of it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        pipe = Pipe(place)
        options = ("--no-poke", "--no-names", "--hooks", f"{place}/hooks")
        children: list[subprocess.Popen[bytes]] = []

        def call() -> None:
            children.append(subprocess.Popen([pipe.script, "mesh0", "came"]))

        async with asyncio.timeout(DEADLINE_S), on_air() as air:
            print(f"from the act to the hook, ms, {TIMES} times")
            print(line("script called by this program", await delays_ms(call, pipe)))
            for child in children:
                child.wait()
            async with daemon(place) as serving, agent(place, air, *options) as running:
                await running.says("following meshwatchd")
                numbers = iter(range(TIMES))

                def arrive() -> None:
                    serving.tell(Presence.PRESENT, f"02:00:00:00:02:{next(numbers):02x}")

                print(line("line of an arrival, through the agent", await delays_ms(arrive, pipe)))
                print(await crowd(serving, running, pipe))


if __name__ == "__main__":
    asyncio.run(main())
