"""Prints how soon a roster of multicast DNS shows who left and who came back.

    python -m tools.bench.roster [--rounds 10] [--patience 60]

Two machines, each a network namespace with its own avahi, on an air that is a bridge: Ana offers
what serverless messengers do (XEP-0174); on the other one avahi-browse shows it, and finch, such a
messenger. Times run from the line that tells her departure or return; beside it the same without
meshwatch, from the departure or return itself, for as long as the patience lasts. Needs root,
avahi, and what `tools/install test` unpacks.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.process.rosters import Browser, Rosters, line_with, two_rosters
from tools.lab.told import Told

AGENT = (sys.executable, "-m", "meshwatch.cli", "--runtime-directory")
DUTIES = ("agent", "--no-poke", "--no-names", "--no-hooks", "--reconfirm")
# A browser asks after 1, 3, 7, 15, 31, 63 s and so on; it has been looking for a while.
BROWSING_S = 35.0
BETWEEN_S = 2.0
DEADLINE_S = 60.0


def line(what: str, delays: list[float]) -> str:
    """A row of the table."""
    median_s, least_s, worst_s = statistics.median(delays), min(delays), max(delays)
    return f"{what:36} median {median_s:6.2f}  least {least_s:6.2f}  worst {worst_s:6.2f}"


async def shows(browser: Browser, sign: str, seconds: float = DEADLINE_S) -> float:
    """Wait until the browser shows this; when, on the monotonic clock."""
    async with asyncio.timeout(seconds):
        while await browser.shows() != sign:
            pass
    return time.monotonic()


async def bounded(what: str, browser: Browser, sign: str, patience_s: float) -> None:
    """Print how long from now on it takes, or that it takes longer than we wait."""
    began = time.monotonic()
    try:
        took = f"{await shows(browser, sign, patience_s) - began:6.2f}"
    except TimeoutError:
        took = f"> {patience_s:.0f}"
    print(f"{what:36} {took}", flush=True)


async def with_meshwatch(rosters: Rosters, place: Path, rounds: int) -> None:
    """Departures and returns that the agent is told of."""
    delays: dict[str, list[float]] = {}
    ana, station = rosters.ana(), rosters.there.station
    with Told(place / "run") as told:
        told.say(ana)
        words = (*AGENT, str(told.directory), *DUTIES)
        async with (
            rosters.here.running(*words) as agent,
            rosters.here.browsing() as browser,
            rosters.here.chatting(place) as finch,
        ):
            await line_with(agent.stderr, "following meshwatchd")
            looking = {"avahi-browse": browser, "finch": finch}

            async def all_show(sign: str, what: str, tell: Callable[[], float]) -> None:
                told_at = tell()
                for at, name in await asyncio.gather(*(when(each, sign) for each in looking)):
                    delays.setdefault(f"{what}, {name}", []).append(at - told_at)

            async def when(name: str, sign: str) -> tuple[float, str]:
                return await shows(looking[name], sign), name

            await all_show("+", "", time.monotonic)
            await asyncio.sleep(BROWSING_S)
            for _ in range(rounds):
                station.leave()
                await all_show("-", "departure -> not shown", lambda: told.gone(ana))
                station.enter()
                await all_show("+", "return -> shown", lambda: told.say(ana))
                await asyncio.sleep(BETWEEN_S)
    for what, each in delays.items():
        if not what.startswith(","):
            print(line(what, each), flush=True)


async def departs(rosters: Rosters, patience_s: float) -> None:
    """What avahi notices of a departure by itself."""
    async with rosters.here.browsing() as browser:
        await shows(browser, "+")
        await asyncio.sleep(BROWSING_S)
        rosters.there.station.leave()
        await bounded("departure -> not shown", browser, "-", patience_s)


async def returns(rosters: Rosters, patience_s: float) -> None:
    """What avahi notices by itself of somebody whose records it dropped, or never had."""
    async with rosters.here.browsing() as browser:
        await asyncio.sleep(BROWSING_S)
        rosters.there.station.enter()
        await bounded("return -> shown", browser, "+", patience_s)


async def measure(rounds: int, patience_s: float) -> None:
    """With and without."""
    print(f"seconds, {rounds} rounds, from the line that tells it")
    with tempfile.TemporaryDirectory() as name:
        async with two_rosters(Path(name)) as rosters:
            await with_meshwatch(rosters, Path(name), rounds)
    print(f"avahi alone, its browser looking for {BROWSING_S:.0f} s")
    with tempfile.TemporaryDirectory() as name:
        async with two_rosters(Path(name)) as rosters:
            await departs(rosters, patience_s)
    with tempfile.TemporaryDirectory() as name:
        async with two_rosters(Path(name), met=False) as rosters:
            await returns(rosters, patience_s)


def main() -> None:
    """With meshwatch, and without."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="of each (default: 10)")
    parser.add_argument("--patience", type=float, default=60, help="for avahi alone, in seconds")
    options = parser.parse_args()
    asyncio.run(measure(options.rounds, options.patience))


if __name__ == "__main__":
    main()
