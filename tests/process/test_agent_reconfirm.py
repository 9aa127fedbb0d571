"""meshwatch agent --reconfirm makes a real avahi drop who left, and find who came back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.process.rosters import line_with, two_rosters
from tools.lab.told import Told

DEADLINE_S = 60.0


def test_a_roster_is_true_after_a_departure_and_a_return(tmp_path: Path) -> None:
    async def scenario() -> None:
        command = (sys.executable, "-m", "meshwatch.cli", "--runtime-directory", str(tmp_path))
        with Told(tmp_path) as told:
            async with (
                asyncio.timeout(DEADLINE_S),
                two_rosters(tmp_path) as rosters,
                rosters.here.running(
                    *(*command, "agent", "--no-poke", "--no-names", "--no-hooks", "--reconfirm")
                ) as agent,
            ):
                ana = rosters.ana()
                told.say(ana)
                await line_with(agent.stderr, "following meshwatchd")
                async with rosters.here.browsing() as browser:
                    assert await browser.shows() == "+"
                    # Ana walks away: nothing is announced, and the records hold for 75 minutes.
                    rosters.there.station.leave()
                    told.gone(ana)
                    assert await browser.shows() == "-"
                    rosters.there.station.enter()
                    told.say(ana)
                    assert await browser.shows() == "+"
                agent.terminate()
                assert "questions for the caches of mDNS, 0" in await line_with(
                    agent.stderr, "cache"
                )

    asyncio.run(scenario())
