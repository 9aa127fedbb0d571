"""meshwatch agent --reconfirm makes a real avahi drop who left, and find who came back."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from meshwatch import protocol
from meshwatch.feed import Feed
from meshwatch.model import (
    Change,
    Claim,
    Key,
    Neighbor,
    Presence,
    Readings,
    Reason,
    Service,
)
from meshwatch.server import Server
from tests.process.rosters import IFINDEX, INSTANCE, TYPE, line_with, two_machines

DEADLINE_S = 60.0
ANA = Neighbor(
    ifindex=IFINDEX,
    interface="mesh0",
    address="02:00:00:00:00:01",
    presence=Presence.PRESENT,
    reason=Reason.ESTABLISHED,
    since_ns=0,
    first_heard_ns=0,
    claims=(
        Claim(
            claimant="names",
            uid=0,
            claimed_ns=0,
            services=(Service(TYPE, INSTANCE, "ana.local", 5298),),
        ),
    ),
    readings=Readings(last_heard_ns=0),
)


def test_a_roster_is_true_after_a_departure_and_a_return(tmp_path: Path) -> None:
    async def scenario() -> None:
        rows: dict[Key, Neighbor] = {ANA.key: ANA}
        feed = Feed(lambda: tuple(rows.values()))
        hello = protocol.version(release="0", boot="a boot", started_unix_ms=0, replay=None)
        server = Server(feed, tmp_path, lambda: 0, hello)
        await server.start()
        feed.open()
        command = (sys.executable, "-m", "meshwatch.cli", "--runtime-directory", str(tmp_path))
        async with (
            asyncio.timeout(DEADLINE_S),
            two_machines(tmp_path) as (here, browser, offering),
            here.running(*command, "agent", "--no-poke", "--no-names", "--reconfirm") as agent,
        ):
            await line_with(agent.stderr, "following meshwatchd")
            assert await browser.shows() == "+"
            # Ana walks away: nothing is announced, and the records hold for 75 minutes.
            offering.send_signal(signal.SIGSTOP)
            del rows[ANA.key]
            feed.publish([Change(ANA.key, ANA, None, reason=Reason.SILENT)])
            assert await browser.shows() == "-"
            offering.send_signal(signal.SIGCONT)
            rows[ANA.key] = ANA
            feed.publish([Change(ANA.key, None, ANA)])
            assert await browser.shows() == "+"
            agent.terminate()
            assert "questions for the caches of mDNS, 0" in await line_with(agent.stderr, "cache")
        await server.close()

    asyncio.run(scenario())
