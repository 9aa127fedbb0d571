"""The verb show: show everything known about one neighbor or interface."""

from __future__ import annotations

import argparse
import sys

from meshwatch.cli import describe, layout, screen, text, view
from meshwatch.cli.clock import Clock
from meshwatch.cli.document import document
from meshwatch.cli.ethers import address_of
from meshwatch.cli.exits import Exit
from meshwatch.client import Mirror, look
from meshwatch.protocol import Neighbor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    parser.add_argument(
        "subject",
        metavar="NEIGHBOR|INTERFACE",
        help="a neighbor's hardware address, the beginning of one, or its name; or our interface",
    )


def run(arguments: argparse.Namespace, names: view.Names) -> Exit:
    """Print what is known about the interface, or the neighbor over each that hears it."""
    mirror = look(arguments.runtime_directory)
    found = matching(mirror, arguments.subject, names)
    ours = [row for row in mirror.interfaces.values() if row.interface == arguments.subject]
    if arguments.json:
        sys.stdout.buffer.write(document(mirror, found, names))
    elif found or ours:
        color = screen.wants_color(sys.stdout)
        if recording := view.replaying(mirror):
            print(layout.paint(recording, "label", color=color))
        now = Clock().now_unix_ms(mirror)
        for interface in ours:
            print(*describe.interface(interface, mirror, names, color=color), sep="\n")
        for neighbor in found:
            print(*describe.neighbor(neighbor, names, now, color=color), sep="\n")
    else:
        print(
            f"meshwatch: {text.printable(arguments.subject)} is not in range"
            f" ({text.count(len(mirror.neighbors), 'neighbor')} known)",
            file=sys.stderr,
        )
    return Exit.OK if found or ours else Exit.NOBODY


def _called(neighbor: Neighbor, names: view.Names) -> set[str]:
    called = (names.get(neighbor.address), neighbor.name, neighbor.nick)
    return {name.lower() for name in called if name}


def matching(mirror: Mirror, wanted: str, names: view.Names) -> list[Neighbor]:
    """The neighbors of that address or name; if there is none, those whose address begins so."""
    neighbors = view.ordered(mirror.neighbors.values(), names)
    lowered = wanted.lower()
    exact = [
        neighbor
        for neighbor in neighbors
        if neighbor.address == address_of(wanted) or lowered in _called(neighbor, names)
    ]
    return exact or [n for n in neighbors if lowered and n.address.startswith(lowered)]
