"""The command: judges a news log by a capture of the same time."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.harness import blocks, capture
from tools.harness.air import Air
from tools.harness.bounds import Bounds
from tools.harness.compare import compare
from tools.harness.news import MalformedLog, News
from tools.harness.picture import picture
from tools.harness.reach import MalformedReach, Reach
from tools.harness.report import report
from tools.harness.truth import SILENT_AFTER


def address(text: str) -> str:
    """A hardware address as the tools here write it."""
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a hardware address")
    return text.lower()


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the table was right; 1: a disagreement outlasted its bound; 2: the input is no good."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.harness",
        description="Holds what meshwatch published against who was on the air, and prints every "
        "event with its delay and every disagreement with its length.",
        epilog="Exit status: 0 the table was right, 1 a disagreement outlasted its bound, 2 a file "
        "cannot be used.",
    )
    parser.add_argument("pcap", type=Path, metavar="FILE.pcap", help="radiotap frames")
    parser.add_argument(
        "news", type=Path, metavar="NEWS.log", help="lines of news.sock, each behind its time"
    )
    parser.add_argument(
        "--observer", required=True, type=address, metavar="MAC",
        help="whose neighbors: the address of a mesh interface that meshwatch watches",
    )  # fmt: skip
    parser.add_argument(
        "--bound", action="append", default=[], metavar="KIND=BOUND",
        help="how long a disagreement may last: KIND is established, returned, closed, vanished, "
        "forgotten, ahead, unfounded or bouncing; BOUND is seconds, beacon intervals, or a sum: "
        "8B+1.5 (default: vanished=8B+1.5, forgotten=8B+1.5, ahead=0.1, unfounded=0, "
        "bouncing=10, the others 1.5)",
    )  # fmt: skip
    parser.add_argument(
        "--silence", type=float, default=SILENT_AFTER, metavar="N",
        help="a neighbor has vanished that says nothing for N beacon intervals "
        f"(default {SILENT_AFTER:g})",
    )  # fmt: skip
    parser.add_argument(
        "--reach", type=Path, metavar="FILE",
        help="who was within reach of whom, as tools/harness/guest_reach.py printed it: needed "
        "for a capture of hwsim0 if radios went out of reach",
    )  # fmt: skip
    parser.add_argument(
        "--blocked", type=Path, metavar="FILE",
        help="which links were blocked by hand: lines `SECONDS STATION OTHER`",
    )  # fmt: skip
    parser.add_argument(
        "--wall-offset-ns", type=int, default=0, metavar="N",
        help="for a capture in wall time: what that is ahead of CLOCK_MONOTONIC",
    )  # fmt: skip
    parser.add_argument("--svg", type=Path, metavar="OUT", help="draw a picture, too")
    options = parser.parse_args(arguments)
    bounds = Bounds()
    try:
        for setting in options.bound:
            bounds = bounds.with_(setting)
    except ValueError as error:
        parser.error(str(error))
    try:
        reach = Reach.read(options.reach) if options.reach else None
        blocked = blocks.read(options.blocked) if options.blocked else []
        air = Air(capture.read(options.pcap, options.wall_offset_ns), reach, blocked)
        with options.news.open("rb") as lines:
            news = News(lines, options.observer)
    except (
        OSError, capture.MalformedCapture, MalformedReach, blocks.MalformedBlocks, MalformedLog
    ) as error:  # fmt: skip
        print(f"harness: {error}", file=sys.stderr)
        return 2
    comparison = compare(air, news, bounds, options.silence)
    print(report(comparison), end="")
    if options.svg:
        options.svg.write_text(picture(comparison))
    return 1 if comparison.excessive else 0


if __name__ == "__main__":
    sys.exit(main())
