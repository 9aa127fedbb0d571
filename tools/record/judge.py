"""Judges scenes that were kept: the published table against the air, and a replay against both.

    python -m tools.record.judge DIRECTORY...      what tools/record/record --keep left there

Prints for each what tools/harness says, and whether a replay of the recording tells of each
neighbor what the daemon told when it made it; ends with 1 if anything is wrong anywhere.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tools.harness import blocks, capture
from tools.harness.air import Air
from tools.harness.bounds import Bound, Bounds
from tools.harness.compare import Comparison, compare
from tools.harness.news import News
from tools.harness.reach import Reach
from tools.harness.report import report
from tools.record.expect import opened
from tools.record.lines import news
from tools.record.witness import AIR, BLOCKED, NEWS, REACH

OBSERVER = "02:00:00:00:00:00"  # the radio of laptop 0
# A daemon with a tap: five intervals, which is what a link with losses may take, and the time that
# an emulated machine needs to send and judge three probes; for all else, as for any daemon. A
# neighbor that missed one beacon has begun to be silent.
BOUNDS = Bounds(vanished=Bound(5, 1.0))
SILENT_AFTER = 1.5


class Told(NamedTuple):
    """One change of what is said of a neighbor; presence None: removed."""

    presence: str | None
    reason: str
    one_sided: str | None


def told(lines: Iterable[bytes]) -> dict[str, list[Told]]:
    """What lines of the news tell of each neighbor, in order."""
    found: dict[str, list[Told]] = defaultdict(list)
    for line in map(json.loads, lines):
        kind = line["class"]
        rows = line.get("neighbors", []) if kind == "snapshot" else [line.get("neighbor")]
        for row in filter(None, rows):
            presence = None if kind == "removed" else row["presence"]
            reason = line["reason"] if kind == "removed" else row["reason"]
            said = Told(presence, reason, row.get("one_sided") if presence else None)
            if found[row["address"]][-1:] != [said]:
                found[row["address"]].append(said)
    return found


def live(log: Path) -> Iterable[bytes]:
    """The lines that a follower got, without its stamps and its own word of the end."""
    lines = (line.partition(b" ")[2] for line in log.read_bytes().splitlines())
    return (line for line in lines if line.endswith(b"}") and b'"disconnected"' not in line[:30])


def compared(directory: Path) -> Comparison:
    """What the daemon published against the air."""
    air = Air(
        capture.read(directory / AIR),
        Reach.read(directory / REACH),
        blocks.read(directory / BLOCKED),
    )
    with (directory / NEWS).open("rb") as lines:
        return compare(air, News(lines, OBSERVER), BOUNDS, SILENT_AFTER)


def unfaithful(path: Path, log: Path) -> list[str]:
    """Of whom a replay of the recording tells something else than the daemon did, and what."""
    with closing(opened(path)) as recording:
        replayed = told(news(recording))
    lived = told(live(log))
    return [
        f"{address}\n  live   {_words(lived[address])}\n  replay {_words(replayed[address])}"
        for address in sorted(lived.keys() | replayed.keys())
        if lived[address] != replayed[address]
    ]


def _words(story: Iterable[Told]) -> str:
    return ", ".join(" ".join(filter(None, (t.presence or "gone", t.reason, t.one_sided)))
                     for t in story)  # fmt: skip


def judge(directory: Path) -> bool:
    """Print the judgment of one scene; whether all is well."""
    print(f"── {directory.name}")
    comparison = compared(directory)
    print(report(comparison), end="")
    (path,) = directory.glob("*.pcapng")
    different = unfaithful(path, directory / NEWS)
    print("replay: tells the same" if not different else "replay: DIFFERS\n" + "\n".join(different))
    print(flush=True)
    return not comparison.excessive and not different


def main(arguments: Sequence[str]) -> int:
    wrong = [path.name for path in map(Path, arguments) if not judge(path)]
    print(f"{len(arguments)} scenes, {len(wrong)} wrong: {' '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
