"""meshwatch agent --reconfirm makes a real avahi, and a messenger on it, drop who left
and find who came back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.process.rosters import line_with, two_rosters
from tools.lab.told import Told
from tools.lab.unpacked import UNPACKED

MESHWATCH = (sys.executable, "-m", "meshwatch.cli")
DUTIES = ("--no-poke", "--no-names", "--no-hooks", "--reconfirm")
DEADLINE_S = 60.0


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
