"""Judges scenes that were kept: the published table against the air, and a replay against both.

    python -m tools.record.judge DIRECTORY...      what tools/record/record --keep left there

Prints for each what tools/harness says, and whether a replay of the recording tells of each
neighbor what the daemon told when it made it; then all of them in a table. Ends with 1 if anything
is wrong anywhere.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
from tools.record.witness import BLOCKED, EVERYWHERE, HERE, NEWS, REACH

OBSERVER = "02:00:00:00:00:00"  # the radio of laptop 0
# A daemon with a tap: five intervals, which is what a link with losses may take, and the time that
# an emulated machine needs to send and judge three probes; for all else, as for any daemon. A
# neighbor that missed one beacon has begun to be silent.
BOUNDS = Bounds(vanished=Bound(5, 1.0))
SILENT_AFTER = 1.5


KINDS = ("established", "returned", "closed", "vanished", "forgotten")


class Judgment(NamedTuple):
    """Of one scene: the table against the air, and of whom a replay tells something else."""

    title: str
    comparison: Comparison
    different: list[str]

    @property
    def right(self) -> bool:
        """Whether nothing outlasted its bound, and a replay tells the same."""
        return not self.comparison.excessive and not self.different


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


def compared(directory: Path, log: Iterable[bytes] | None = None) -> Comparison:
    """What the daemon published (or a log tells) against the air."""
    reach, blocked = Reach.read(directory / REACH), blocks.read(directory / BLOCKED)
    air = Air(capture.read(directory / f"{EVERYWHERE}.pcap"), reach, blocked)
    here = directory / f"{HERE}.pcap"
    ears = Air(capture.read(here)) if here.exists() else None
    if log is None:
        log = (directory / NEWS).read_bytes().splitlines()
    return compare(air, News(log, OBSERVER), BOUNDS, SILENT_AFTER, ears)


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


def judge(directory: Path) -> Judgment:
    """Print the judgment of one scene."""
    print(f"── {directory.name}")
    comparison = compared(directory)
    print(report(comparison), end="")
    (path,) = directory.glob("*.pcapng")
    different = unfaithful(path, directory / NEWS)
    print("replay: tells the same" if not different else "replay: DIFFERS\n" + "\n".join(different))
    print(flush=True)
    return Judgment(directory.name, comparison, different)


def table(judgments: Iterable[Judgment]) -> Iterator[str]:
    """A line for each scene. Of each kind of event: how many were told of how many there were
    (what lasts too short need not be told), and the slowest, in s."""
    cells = "".join(f"{kind:>15}" for kind in KINDS)
    yield f"{'scene':17}{'judged':>8}  neighbors{cells}  disagreed  too long  replay"
    for title, found, different in judgments:
        judged_s = sum(end - begin for begin, end in found.windows) / 1e9
        cells = "".join(f"{_cell(found, kind):>15}" for kind in KINDS)
        yield (
            f"{title:17}{judged_s:6.1f} s  {len(found.lanes):9}{cells}"
            f"  {len(found.disagreements):9}  {len(found.excessive):8}"
            f"  {'DIFFERS' if different else 'same'}"
        )


def _cell(found: Comparison, kind: str) -> str:
    events = [event for event in found.events if event.kind == kind]
    delays = [event.delay_ns for event in events if event.delay_ns is not None]
    slowest = f" {max(delays) / 1e9:.3f}" if delays else ""
    return f"{len(delays)}/{len(events)}{slowest}" if events else "-"


def main(arguments: Sequence[str]) -> int:
    judgments = [judge(path) for path in map(Path, arguments)]
    print("\n".join(table(judgments)))
    wrong = [judgment.title for judgment in judgments if not judgment.right]
    print(f"{len(judgments)} scenes, {len(wrong)} wrong: {' '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
