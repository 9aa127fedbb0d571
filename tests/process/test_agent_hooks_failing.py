"""Hooks that hang, fork, fail or cannot be run hold up no other, and none is left behind."""

from __future__ import annotations

import itertools
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from meshwatch.model import Presence
from tests.process.agents import AGENT, agent, daemon, play
from tests.process.air import NEIGHBOR, Air
from tests.process.hooking import HOOKS, OTHER, TELL, Place, ended, hooking, until

# A program to which the kernel gives no pidfd: pidfd_open(2), number 434, fails with EMFILE, by a
# filter of seccomp(2).
WITHOUT_PIDFDS = """
import ctypes, os, struct, sys
filter = (0x20, 0, 0, 0, 0x15, 0, 1, 434, 6, 0, 0, 0x50018, 6, 0, 0, 0x7FFF0000)
filter = ctypes.create_string_buffer(struct.pack("HBBI" * 4, *filter))
program = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(filter)))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def descriptors(pid: int, free: int) -> int:
    """The limit below which a process has so many unused numbers for descriptors."""
    used = {int(name.name) for name in Path(f"/proc/{pid}/fd").iterdir()}
    unused = (number for number in itertools.count() if number not in used)
    return next(itertools.islice(unused, free, None))


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


@pytest.mark.parametrize("free", [0, 1, 3])
def test_without_descriptors_hooks_fail_and_those_of_later_events_do_not(
    place: Place, free: int
) -> None:
    """Whichever it is of which there is none left."""

    async def scene(air: Air) -> None:
        async with hooking(place, air) as (serving, running):
            serving.tell(Presence.PRESENT, OTHER)
            await running.says(OTHER, "ended with status 3")  # it has let go of what it took
            limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
            allowed = descriptors(running.process.pid, free)
            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (allowed, limits[1]))
            serving.tell(Presence.PRESENT)
            await running.says("Too many open files")
            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, limits)
            serving.tell(Presence.QUIET)
            assert (await place.told(2))[1:] == [f"mesh0 quiet {NEIGHBOR}"]
            assert await running.end() == 0
        assert "Traceback" not in running.log, running.log

    place.hook("tell", TELL + "exit 3\n")
    play(scene)


def test_a_hook_that_cannot_be_watched_is_not_left_running(place: Place) -> None:
    async def scene(air: Air) -> None:
        command = (sys.executable, "-c", WITHOUT_PIDFDS, *AGENT)
        async with (
            daemon(place.directory) as serving,
            agent(
                place.directory, air, *HOOKS, "--hooks", str(place.etc), command=command
            ) as running,
        ):
            await running.says("following meshwatchd")
            for address in (NEIGHBOR, OTHER):
                serving.tell(Presence.PRESENT, address)
                await running.says(f"{address}) ended at once", "Too many open files")
            pid = running.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children")
            await until(lambda: all(ended(int(child)) for child in children.read_text().split()))
            assert await running.end() == 0
        assert "Traceback" not in running.log, running.log

    place.hook("hang", "#!/bin/sh\nexec sleep 1000\n")
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
