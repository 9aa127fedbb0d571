"""meshwatch(1): a table of verbs, one file per verb."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from meshwatch import __version__
from meshwatch.cli import address, agent, ethers, monitor, notify, show, watch
from meshwatch.cli import list as list_
from meshwatch.cli.exits import Exit
from meshwatch.client import RUNTIME_DIRECTORY, DaemonAbsent
from meshwatch.protocol import ProtocolError

VERBS = {
    "list": list_,
    "watch": watch,
    "show": show,
    "monitor": monitor,
    "address": address,
    "agent": agent,
    "notify": notify,
}


def parser() -> argparse.ArgumentParser:
    """The command line of meshwatch(1)."""
    parser = argparse.ArgumentParser(
        prog="meshwatch",
        description="Show which machines of an 802.11s mesh are in radio range.",
        epilog="See meshwatch(1).",
    )
    parser.add_argument("--version", action="version", version=f"meshwatch {__version__}")
    parser.add_argument(
        "--runtime-directory",
        metavar="DIR",
        default=RUNTIME_DIRECTORY,
        help=f"where the daemon's sockets are (default: {RUNTIME_DIRECTORY})",
    )
    parser.add_argument(
        "--names",
        metavar="FILE",
        type=Path,
        help="names of hardware addresses, above those in /etc/ethers and /etc/bat-hosts",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for name, module in VERBS.items():
        summary = str(module.__doc__).partition("\n")[0].partition(": ")[2].rstrip(".")
        verb = verbs.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        module.add_arguments(verb)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit status is described in meshwatch(1)."""
    # The terminal must be given back when a service manager or a closing session ends us.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    arguments = parser().parse_args(argv)
    try:
        names = ethers.load(arguments.names)
        status: Exit = VERBS[arguments.verb].run(arguments, names)
        sys.stdout.flush()
    except ethers.NamesError as error:
        return _fail(Exit.USAGE, str(error))
    except DaemonAbsent as error:
        return _fail(
            Exit.NO_DAEMON,
            f"{error}\nIs it running? Another place is named with --runtime-directory.",
        )
    except ProtocolError as error:
        return _fail(Exit.PROTOCOL, str(error))
    except BrokenPipeError:
        # Python flushes once more when it ends; there is nobody left to read that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


def _fail(status: Exit, message: str) -> Exit:
    print(f"meshwatch: {message}", file=sys.stderr)
    return status


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
