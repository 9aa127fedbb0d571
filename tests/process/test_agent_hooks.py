"""meshwatch agent runs real scripts: for which event, when, and what they are told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from meshwatch.model import Plink, Presence
from meshwatch.observations import ClaimMade, StationSeen
from tests.process.agents import agent, daemon, play
from tests.process.air import IFINDEX, NEIGHBOR, Air
from tests.process.hooking import HOOKS, OTHER, TELL, Place, hooking, until
from tests.process.served_table import ServedTable, station


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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


def test_hooks_that_follow_are_not_told_what_is_over(place: Place) -> None:
    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, _):
            serving.tell(Presence.PRESENT)
            await place.told(1, "slow")
            serving.tell(Presence.HEARD)
            serving.tell(Presence.PRESENT, OTHER)  # the agent knows, when this is told
            await place.told(1)
            (place.directory / "go").touch()
            assert await place.told(2) == [f"mesh0 came {OTHER}", f"mesh0 gone {NEIGHBOR}"]

    place.hook(
        "10-slow",
        "#!/bin/sh\n"
        f'[ "$2 $MESHWATCH_ADDRESS" = "came {NEIGHBOR}" ] || exit 0\n'
        f"cd {place.directory}\n"
        "echo >>slow\n"
        "until [ -e go ]; do sleep 0.01; done\n",
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
