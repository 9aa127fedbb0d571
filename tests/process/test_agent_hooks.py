"""meshwatch agent runs real scripts, good ones and bad ones, for what a daemon tells."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshwatch.model import Plink, Presence
from meshwatch.observations import ClaimMade, StationSeen
from tests.process.agents import Agent, Daemon, agent, daemon, play
from tests.process.air import IFINDEX, NEIGHBOR, Air
from tests.process.served_table import ServedTable, station

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


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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


def test_a_neighbor_that_comes_falls_silent_returns_and_goes(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            for presence in (Presence.HEARD, Presence.PRESENT):
                serving.tell(presence)
            await place.told(1)
            serving.tell(Presence.QUIET)
            await place.told(2)
            serving.tell(Presence.PRESENT)
            await place.told(3)
            serving.tell(Presence.HEARD)
            assert await place.told(4) == [
                f"mesh0 {event} {NEIGHBOR}" for event in ("came", "quiet", "came", "gone")
            ]
            assert await running.end() == 0
        assert "hooks run: 4 well" in running.log

    place.hook("10-tell", TELL)
    play(scene)


def test_what_a_hook_is_given(place: Place) -> None:
    """Variables and nothing else of our environment; no input; a session of its own."""

    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, _):
            serving.tell(Presence.PRESENT)
            (line,) = await place.told(1)
        told = json.loads(line)
        assert told["arguments"] == ["mesh0", "came"]
        assert told["input"] == ""
        assert told["leads"] is True
        assert told["cwd"] == "/"
        environment = told["environment"]
        assert environment.pop("PATH").startswith("/usr/local/sbin:")
        for key in ("LANG", "LC_CTYPE", "MESHWATCH_SINCE_UNIX_MS"):
            environment.pop(key, None)
        assert environment == {
            "MESHWATCH_EVENT": "came",
            "MESHWATCH_INTERFACE": "mesh0",
            "MESHWATCH_IFINDEX": str(IFINDEX),
            "MESHWATCH_ADDRESS": NEIGHBOR,
            "MESHWATCH_PRESENCE": "present",
            "MESHWATCH_REASON": "established",
            "MESHWATCH_PROXIMITY": "direct",
        }

    place.hook(
        "tell",
        "#!/usr/bin/python3\n"
        "import json, os, sys\n"
        "told = {'arguments': sys.argv[1:], 'environment': dict(os.environ), 'cwd': os.getcwd(),\n"
        "        'input': sys.stdin.read(), 'leads': os.getsid(0) == os.getpid()}\n"
        f"with open({str(place.directory / 'told')!r}, 'a') as file:\n"
        "    file.write(json.dumps(told) + '\\n')\n",
    )
    play(scene)


def test_what_is_there_at_the_start_is_not_told_and_what_changed_meanwhile_is(
    place: Place,
) -> None:
    """Neither a new agent nor a new daemon makes a storm."""

    async def scene(air: Air) -> None:
        async with daemon(place.directory) as serving:
            serving.tell(Presence.PRESENT)
            serving.tell(Presence.PRESENT, OTHER)
            options = (*HOOKS, "--hooks", str(place.etc))
            async with agent(place.directory, air, *options) as running:
                await running.says("following meshwatchd")
                await serving.close()
                await running.says("lost meshwatchd")
                async with daemon(place.directory) as other:
                    other.tell(Presence.PRESENT)
                    new = [f"02:00:00:00:01:{number:02x}" for number in range(12)]
                    for address in new:
                        other.tell(Presence.PRESENT, address)
                    await running.says("following meshwatchd")
                    lines = await place.told(13)
                    came = [f"mesh0 came {address}" for address in new]
                    assert sorted(lines) == [*came, f"mesh0 gone {OTHER}"]

    place.hook("tell", TELL)
    play(scene)


def test_a_hook_that_hangs_is_killed_with_all_it_started_and_others_go_on(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air, "--time-limit", "0.5") as (serving, running):
            serving.tell(Presence.PRESENT)
            serving.tell(Presence.PRESENT, OTHER)
            assert await place.told(1) == [f"mesh0 came {OTHER}"]
            await running.says("10-hang mesh0 came", "ended late: it was killed after 0.5 s")
            # What follows it in the directory is run all the same.
            assert sorted(await place.told(2)) == [f"mesh0 came {a}" for a in (NEIGHBOR, OTHER)]
            hanging = [int(line) for line in place.lines("hanging")]
            assert len(hanging) == 2
            await until(lambda: all(ended(pid) for pid in hanging))

    place.hook(
        "10-hang",
        "#!/bin/sh\n"
        f'[ "$MESHWATCH_ADDRESS" = {NEIGHBOR} ] || exit 0\n'
        "trap '' TERM\n"
        "sleep 1000 &\n"
        f"echo $$ >>{place.directory}/hanging\n"
        f"echo $! >>{place.directory}/hanging\n"
        "while :; do wait; done\n",
    )
    place.hook("20-tell", TELL)
    play(scene)


def test_a_hook_that_forks_holds_nobody_up_and_leaves_nobody_behind(place: Place) -> None:
    """Its child keeps the output open; so does one in a session of its own, which lives on."""

    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            begun = time.monotonic()
            serving.tell(Presence.PRESENT)
            await running.says("hook 10-fork: forked")
            await place.told(1)
            assert time.monotonic() - begun < 10
            child, daemonized = (int(line) for line in await place.told(2, "children"))
            await until(lambda: ended(child))
            assert not ended(daemonized)
            os.kill(daemonized, 9)

    place.hook(
        "10-fork",
        "#!/bin/sh\n"
        f"cd {place.directory}\n"
        "sleep 1000 &\n"
        "echo $! >>children\n"
        "setsid sh -c 'echo $$ >>children; exec sleep 1000' &\n"
        "while [ $(wc -l <children) -lt 2 ]; do :; done\n"
        "echo forked\n",
    )
    place.hook("20-tell", TELL)
    play(scene)


def test_a_hook_that_others_may_write_to_is_not_run(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with daemon(place.directory) as serving:
            directories = f"{place.etc}:{place.lib}"
            async with agent(place.directory, air, *HOOKS, "--hooks", directories) as running:
                await running.says("10-open is not run: it is writable by others")
                await running.says("20-setuid is not run: it is setuid")
                serving.tell(Presence.PRESENT)
                assert await place.told(1) == [f"mesh0 came {NEIGHBOR}"]
                assert await running.end() == 0
        assert "hooks run: 1 well" in running.log

    place.hook("10-open", TELL, mode=0o757)
    place.hook("20-setuid", TELL, mode=0o4755)
    place.hook("30-tell", TELL, lib=True)
    play(scene)


def test_two_hundred_events_in_a_second(place: Place) -> None:
    """One neighbor that comes and goes: hooks learn what is so when they are asked, one at a time;
    and what they learn last is true."""

    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            for number in range(200):
                serving.tell(Presence.HEARD if number % 2 else Presence.PRESENT)
                await asyncio.sleep(0.005)
            serving.tell(Presence.QUIET)
            await until(lambda: f"mesh0 quiet {NEIGHBOR}" in place.lines())
            await until(lambda: len(place.lines("ended")) == len(place.lines("begun")))
            assert await running.end() == 0
            mine = place.lines()
            assert mine[-1] == f"mesh0 quiet {NEIGHBOR}"
            assert 3 <= len(mine) <= 40
            assert len(place.lines("begun")) == len(mine)
            order = place.lines("order")  # of the one neighbor: never two at once
            assert order[::2] == ["begin"] * len(mine)
            assert order[1::2] == ["end"] * len(mine)

    place.hook(
        "slow",
        TELL
        + f"cd {place.directory}\n"
        + "echo >>begun\n"
        + "echo begin >>order\n"
        + "sleep 0.05\n"
        + "echo end >>order\n"
        + "echo >>ended\n",
    )
    play(scene)


def test_two_hundred_neighbors_at_once(place: Place) -> None:
    """All are told, some at a time."""

    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            addresses = [f"02:00:00:00:01:{number:02x}" for number in range(200)]
            for address in addresses:
                serving.tell(Presence.PRESENT, address)
            lines = await place.told(200)
            assert sorted(lines) == [f"mesh0 came {address}" for address in addresses]
            assert await running.end() == 0
        assert "hooks run: 400 well" in running.log
        counts = [int(line) for line in place.lines("at-once")]
        assert max(counts) <= 8

    # A directory for each that runs: how many there are is how many run.
    place.hook(
        "10-count",
        "#!/bin/sh\n"
        f"cd {place.directory}\n"
        "mkdir -p running; mkdir running/$$\n"
        "set -- running/*\n"
        "echo $# >>at-once\n"
        "rmdir running/$$\n",
    )
    place.hook("20-tell", TELL)
    play(scene)


def test_names_and_gates_of_a_real_table(place: Place) -> None:
    gate = station(Plink.ESTAB)._replace(connected_to_gate=1)
    named = ClaimMade(
        ifindex=IFINDEX,
        address=NEIGHBOR,
        claimant="names",
        uid=0,
        name="ana.local",
        lifetime_ns=3600 * 10**9,
    )

    async def scene(air: Air) -> None:
        with ServedTable(place.directory) as table:
            table.settle("mesh0")
            async with agent(place.directory, air, *HOOKS, "--hooks", str(place.etc)) as running:
                await running.says("following meshwatchd")
                table.present(NEIGHBOR)
                await place.told(1)
                table.observe(named)
                await place.told(2)
                table.observe(StationSeen(IFINDEX, NEIGHBOR, gate))
                await place.told(4)
                table.deleted(NEIGHBOR)
                lines = await place.told(6)
        assert lines[:2] == ["mesh0 came", "mesh0 named ana.local"]
        assert sorted(lines[2:4]) == ["mesh0 changed ana.local", f"mesh0 uplink {NEIGHBOR}"]
        assert sorted(lines[4:]) == ["mesh0 gone ana.local", "mesh0 no-uplink"]

    place.hook(
        "tell",
        f"#!/bin/sh\necho $1 $2 $MESHWATCH_NAME $MESHWATCH_GATES >>{place.directory}/told\n",
    )
    play(scene)


def test_output_goes_to_the_log_up_to_a_limit(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            serving.tell(Presence.PRESENT)
            await running.says("hook chatty: hello ?[2J there")
            await running.says("hook chatty: to standard error")
            assert await running.says(" bytes more")
            await running.says("chatty mesh0 came", NEIGHBOR, "ended with status 3")
        assert len(running.log) < 20_000

    place.hook(
        "chatty",
        "#!/bin/sh\n"
        "printf 'hello \\033[2J there\\n'\n"
        "echo to standard error >&2\n"
        "head -c 100000 /dev/zero | tr '\\0' x\n"
        "exit 3\n",
    )
    play(scene)


def test_what_cannot_be_run_is_said(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            serving.tell(Presence.PRESENT)
            await running.says("nothing mesh0 came", "ended before it began: No such file")
            await place.told(1)

    place.hook("nothing", "#!/nowhere/interpreter\n")
    place.hook("tell", TELL)
    play(scene)


def test_a_hook_ends_with_the_agent(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            serving.tell(Presence.PRESENT)
            (pid,) = await place.told(1, "pid")
            assert await running.end() == 0
            await until(lambda: ended(int(pid)))

    place.hook("hang", f"#!/bin/sh\necho $$ >{place.directory}/pid\nexec sleep 1000\n")
    play(scene)
