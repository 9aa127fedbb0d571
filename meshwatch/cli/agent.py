"""The verb agent: poke neighbors that fall silent, ask for their names, run hooks."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from meshwatch import systemd
from meshwatch.agent import Agent, Duty
from meshwatch.claimant import Claimant
from meshwatch.cli.exits import Exit
from meshwatch.cli.view import Names
from meshwatch.poking import Poking
from meshwatch.reconfirming import Reconfirming
from meshwatch.runner import TIME_LIMIT_S, Runner
from meshwatch.scripts import DIRECTORIES
from meshwatch.services import SERVICES, is_service_type

log = logging.getLogger(__name__)

MOST_SERVICES = 16
MOST_SECONDS = 86400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add = parser.add_argument
    add("--no-poke", action="store_true", help="poke nobody who falls silent")
    add("--no-names", action="store_true", help="ask nobody for a name")
    add(
        "--service",
        metavar="TYPE",
        action="append",
        default=[],
        help="ask for services of this type as well, as in _ipp._tcp; may be repeated",
    )
    add("--no-hooks", action="store_true", help="run no hooks")
    add(
        "--hooks",
        metavar="DIR:DIR",
        default=":".join(map(str, DIRECTORIES)),
        help="where hooks are, the first directory above the others (default: %(default)s)",
    )
    add(
        "--time-limit",
        metavar="SECONDS",
        type=float,
        default=TIME_LIMIT_S,
        help="how long a hook may run (default: %(default)g)",
    )
    add(
        "--reconfirm",
        action="store_true",
        help="make the mDNS caches of this machine look again at who came or left",
    )


def run(arguments: argparse.Namespace, names: Names) -> Exit:
    """Serve until SIGTERM or SIGINT."""
    claimant = Claimant(arguments.runtime_directory)
    duties: list[Duty] = []
    if not arguments.no_poke:
        duties.append(Poking(claimant))
    if not arguments.no_names:
        # Its parser of DNS is not loaded by an agent that needs none.
        from meshwatch.inquiry import Inquiry

        for service in arguments.service:
            if not is_service_type(service):
                return _misused(f"{service!r} is no type of a service, as _ipp._tcp is")
        if len(arguments.service) > MOST_SERVICES:
            return _misused(f"at most {MOST_SERVICES} times --service")
        duties.append(Inquiry(claimant, (*SERVICES, *arguments.service)))
    if arguments.reconfirm:
        duties.append(Reconfirming((*SERVICES, *arguments.service)))
    if not arguments.no_hooks:
        if not 0 < arguments.time_limit <= MOST_SECONDS:
            return _misused(f"--time-limit must be more than 0 and at most {MOST_SECONDS}")
        directories = [Path(name) for name in arguments.hooks.split(":") if name]
        duties.append(Runner(directories, arguments.time_limit))
    if not duties:
        return _misused("with --no-poke, --no-names and --no-hooks the agent has nothing to do")
    systemd.log_to_stderr(logging.INFO)
    asyncio.run(_serve(Agent(arguments.runtime_directory, duties)))
    done = [*(duty.summary() for duty in duties), f"{claimant.unclaimed} claims could not be made"]
    log.info("%s", "; ".join(done))
    return Exit.OK


def _misused(what: str) -> Exit:
    print(f"meshwatch: {what}", file=sys.stderr)
    return Exit.USAGE


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
