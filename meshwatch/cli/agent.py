"""The verb agent: poke neighbors that fall silent."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from meshwatch import systemd
from meshwatch.agent import Agent, Duty
from meshwatch.claimant import Claimant
from meshwatch.cli.exits import Exit
from meshwatch.cli.view import Names
from meshwatch.poking import Poking

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--no-poke", action="store_true", help="send nothing to neighbors")


def run(arguments: argparse.Namespace, names: Names) -> Exit:
    """Serve until SIGTERM or SIGINT."""
    claimant = Claimant(arguments.runtime_directory)
    duties: list[Duty] = []
    if not arguments.no_poke:
        duties.append(Poking(claimant))
    if not duties:
        print("meshwatch: with --no-poke the agent has nothing to do", file=sys.stderr)
        return Exit.USAGE
    systemd.log_to_stderr(logging.INFO)
    asyncio.run(_serve(Agent(arguments.runtime_directory, duties)))
    done = [*(duty.summary() for duty in duties), f"{claimant.unclaimed} claims could not be made"]
    log.info("%s", "; ".join(done))
    return Exit.OK


async def _serve(agent: Agent) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(agent.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    # Not when a daemon answers: one that comes later is waited for as well.
    systemd.notify("READY=1")
    await asyncio.wait([serving])
    systemd.notify("STOPPING=1")
    if not serving.cancelled():
        serving.result()
