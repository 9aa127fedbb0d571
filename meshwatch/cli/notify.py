"""The verb notify: tell this desktop who comes near and who leaves."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine

from meshwatch import systemd
from meshwatch.cli.exits import Exit
from meshwatch.cli.view import Names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "--favourite",
        metavar="WHO",
        action="append",
        default=[],
        help="a name or hardware address; may be given several times",
    )
    parser.add_argument(
        "--favourites-only", action="store_true", help="of others, tell nothing even if named"
    )
    parser.add_argument(
        "--bus",
        metavar="BUS",
        default="system",
        help="where meshwatchd is: system, session or a D-Bus address (default: system)",
    )


def run(arguments: argparse.Namespace, names: Names) -> Exit:
    """Serve until SIGTERM, SIGINT or the end of the session."""
    # The other verbs start faster without the library for D-Bus.
    from meshwatch.notify import BusLost, Notifier

    if arguments.favourites_only and not arguments.favourite:
        print("meshwatch: --favourites-only without a --favourite tells nothing", file=sys.stderr)
        return Exit.USAGE
    systemd.log_to_stderr(logging.INFO)
    notifier = Notifier(
        names,
        frozenset(arguments.favourite),
        favourites_only=arguments.favourites_only,
        table_bus=arguments.bus,
    )
    try:
        asyncio.run(_serve(notifier.run()))
    except BusLost as error:
        print(f"meshwatch: no desktop to notify: {error}", file=sys.stderr)
        return Exit.REFUSED
    return Exit.OK


async def _serve(running: Coroutine[object, object, None]) -> None:
    serving = asyncio.create_task(running)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()
