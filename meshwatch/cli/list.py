"""The verb list: show the neighbors once."""

from __future__ import annotations

import argparse
import sys

from meshwatch.cli import layout, screen, view
from meshwatch.cli.clock import Clock
from meshwatch.cli.document import document
from meshwatch.cli.exits import Exit
from meshwatch.client import look


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def run(arguments: argparse.Namespace, names: view.Names) -> Exit:
    """Print the table, or why it is empty."""
    mirror = look(arguments.runtime_directory)
    neighbors = view.ordered(mirror.neighbors.values(), names)
    if arguments.json:
        sys.stdout.buffer.write(document(mirror, neighbors, names))
    else:
        color = screen.wants_color(sys.stdout)
        if recording := view.replaying(mirror):
            print(layout.paint(recording, "label", color=color))
        width = screen.width(sys.stdout)
        now = Clock().now_unix_ms(mirror)
        print(*view.whole_table(mirror, names, now, width=width, color=color), sep="\n")
    return Exit.OK if neighbors else Exit.NOBODY
