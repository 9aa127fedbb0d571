"""The verb watch: show the neighbors as they come and go."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from meshwatch.cli import layout, relay, screen, text, view
from meshwatch.cli.clock import Clock
from meshwatch.cli.exits import Exit
from meshwatch.cli.news import News, news
from meshwatch.cli.picture import Picture
from meshwatch.client import Connection, Disconnected, Mirror, Resynchronised, connect, look

_REDRAW_S = 0.5  # durations on the screen grow
_REDRAW_AFTER_EVENT_S = 0.05  # a burst of events is one picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--lines", action="store_true", help="one line per change, even on a terminal"
    )
    form.add_argument("--json", action="store_true", help="the lines of meshwatch-protocol(7)")
    parser.add_argument(
        "--readings", action="store_true", help="with --json: the lines of class reading, too"
    )


def run(arguments: argparse.Namespace, names: view.Names) -> Exit:
    """Show changes until interrupted."""
    try:
        if arguments.json:
            relay.relay(arguments.runtime_directory, readings=arguments.readings)
        # A daemon that is not there at first is an error, one that goes away later is not.
        look(arguments.runtime_directory)
        if arguments.lines or not sys.stdout.isatty():
            _lines(arguments.runtime_directory, names)
        else:
            _table(arguments.runtime_directory, names)
    except KeyboardInterrupt:
        pass  # that is how one ends it
    return Exit.OK


def _lines(runtime_directory: str, names: view.Names) -> None:
    color = screen.wants_color(sys.stdout)
    clock = Clock()
    settled = greeted = False
    with connect(runtime_directory) as connection:
        for event in connection:
            mirror = connection.mirror
            now = clock.now_unix_ms(mirror)
            if not greeted and not isinstance(event, Disconnected):
                _note(now, _greeting(mirror, again=settled))
                greeted = True
            if isinstance(event, Disconnected):
                greeted = False
            item = news(event, names, now, settled=settled)
            if item is not None:
                print(_painted(item, color=color), flush=True)
            if isinstance(event, Resynchronised):
                if not mirror.neighbors and not settled:
                    _note(now, view.nobody(mirror)[0])
                settled = True


def _note(now_unix_ms: int, what: str) -> None:
    print(f"{text.timestamp(now_unix_ms)} ! {what}", flush=True)


def _greeting(mirror: Mirror, *, again: bool) -> str:
    release = text.printable(mirror.version.release) if mirror.version else ""
    parts = [f"meshwatchd {release} {'is back' if again else 'answers'}", view.replaying(mirror)]
    return ", ".join(filter(None, parts))


def _painted(item: News, *, color: bool) -> str:
    line = item.line()
    cut = len(line) - len(item.what.text)
    return line[:cut] + layout.paint(item.what.text, item.what.style, color=color)


def _table(runtime_directory: str, names: view.Names) -> None:
    picture = Picture(names, color=screen.wants_color(sys.stdout))
    display = screen.Screen(sys.stdout)
    with connect(runtime_directory, live=True) as connection:
        try:
            with display:
                _redraw(connection, picture, display)
        except KeyboardInterrupt:
            # The screen is gone; what it showed last stays, also when Ctrl-C comes twice, from the
            # terminal and from a program that passes it on.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print(*picture.lines(connection.mirror, *display.size), sep="\n")
            raise


def _redraw(connection: Connection, picture: Picture, display: screen.Screen) -> None:
    due_s = 0.0
    while True:
        event = connection.receive(max(0.0, due_s - time.monotonic()))
        if event is not None:
            picture.note(event, connection.mirror)
            due_s = min(due_s, time.monotonic() + _REDRAW_AFTER_EVENT_S)
        if time.monotonic() >= due_s:
            display.draw(picture.lines(connection.mirror, *display.size))
            due_s = time.monotonic() + _REDRAW_S
