"""meshwatch agent --reconfirm makes a real avahi, and a messenger on it, drop who left
and find who came back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import zeroconf

from meshwatch.reconfirming import GROUP_6, PORT
from tests.process.agents import agent, play
from tests.process.air import NEIGHBOR, Air
from tests.process.rosters import line_with, two_rosters
from tools.lab.told import Told, neighbor
from tools.lab.unpacked import UNPACKED

MESHWATCH = (sys.executable, "-m", "meshwatch.cli")
DUTIES = ("--no-poke", "--no-names", "--no-hooks", "--reconfirm")
DEADLINE_S = 60.0
# What comes for all responders at the other end of the wire, a line each.
LISTEN = f"""
import socket, struct
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wire:
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        wire.setsockopt(socket.SOL_SOCKET, option, 1)
    wire.bind(("::", {PORT}))
    group = socket.inet_pton(socket.AF_INET6, "{GROUP_6}")
    far = struct.pack("I", socket.if_nametoindex("far"))
    wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + far)
    print("listening", flush=True)
    while True:
        print(wire.recv(1500).hex(), flush=True)
"""


def test_who_left_while_the_daemon_was_away_is_asked_for(tmp_path: Path) -> None:
    """Its records would be believed for 75 minutes; the new daemon has never heard of it."""
    ana = neighbor(NEIGHBOR, "fe80::1", "ana.laptop.example")

    async def scene(air: Air) -> None:
        responder = await air.spawn([sys.executable, "-c", LISTEN])
        assert responder.stdout is not None
        await line_with(responder.stdout, "listening")
        with Told(tmp_path) as told:
            told.say(ana)
            async with agent(tmp_path, air, *DUTIES) as running:
                await running.says("following meshwatchd")
                told.stop()
                await running.says("lost meshwatchd")
                told.gone(ana)
                told.start()
                asked: set[str] = set()
                while "ana.laptop.example." not in asked:  # of who comes no host is asked for
                    datagram = bytes.fromhex((await responder.stdout.readline()).decode())
                    message = zeroconf.DNSIncoming(datagram, now=1.0)
                    asked |= {question.name for question in message.questions}
        responder.kill()
        await responder.communicate()

    play(scene)


@pytest.mark.skipif(not (UNPACKED / "finch").is_dir(), reason="`tools/install test` unpacks it")
def test_a_roster_is_true_after_a_departure_and_a_return(tmp_path: Path) -> None:
    async def scenario() -> None:
        command = (*MESHWATCH, "--runtime-directory", str(tmp_path), "agent", *DUTIES)
        with Told(tmp_path) as told:
            async with (
                asyncio.timeout(DEADLINE_S),
                two_rosters(tmp_path) as rosters,
                rosters.here.running(*command) as agent,
            ):
                ana = rosters.ana()
                told.say(ana)
                await line_with(agent.stderr, "following meshwatchd")
                async with (
                    rosters.here.browsing() as browser,
                    rosters.here.chatting(tmp_path) as buddies,
                ):
                    for roster in (browser, buddies):
                        assert await roster.shows() == "+"
                    # Ana walks away: nothing is announced, and the records hold for 75 minutes.
                    rosters.there.station.leave()
                    told.gone(ana)
                    for roster in (browser, buddies):
                        assert await roster.shows() == "-"
                    rosters.there.station.enter()
                    told.say(ana)
                    for roster in (browser, buddies):
                        assert await roster.shows() == "+"
                agent.terminate()
                summary = await line_with(agent.stderr, "cache")
                assert "questions for the caches of mDNS, 0" in summary

    asyncio.run(scenario())
