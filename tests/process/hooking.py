"""What the tests of hooks share: directories of hooks, what the hooks wrote, a running agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.process.agents import Agent, Daemon, agent, daemon
from tests.process.air import Air

HOOKS = ("--no-poke", "--no-names")
OTHER = "02:00:00:00:00:02"
# What each run was told, a line each; the file is written at once, and read when it is there.
TELL = """#!/bin/sh
echo "$1 $2 $MESHWATCH_ADDRESS" >>"$(dirname "$0")/../told"
"""


async def until(condition: Callable[[], bool]) -> None:
    """Scripts have no way to tell us but files; the scene has a deadline."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def ended(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


class Place:
    """Two directories of hooks, the first above the second, and what the hooks wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.etc, self.lib = directory / "etc", directory / "lib"
        self.etc.mkdir()
        self.lib.mkdir()

    def hook(self, name: str, text: str, *, lib: bool = False, mode: int = 0o755) -> Path:
        path = (self.lib if lib else self.etc) / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def lines(self, name: str = "told") -> list[str]:
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    async def told(self, count: int, name: str = "told") -> list[str]:
        """So many lines, as soon as they are there."""
        await until(lambda: len(self.lines(name)) >= count)
        return self.lines(name)


@asynccontextmanager
async def hooking(place: Place, air: Air, *options: str) -> AsyncIterator[tuple[Daemon, Agent]]:
    """A daemon without neighbors, and an agent that follows it."""
    directories = f"{place.etc}:{place.lib}"
    async with (
        daemon(place.directory) as serving,
        agent(place.directory, air, *HOOKS, "--hooks", directories, *options) as running,
    ):
        await running.says("following meshwatchd")
        yield serving, running
