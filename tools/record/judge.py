"""Judges scenes: the published table against the air, and a replay against both.

    python -m tools.record.judge DIRECTORY...      what tools/record/record --keep left there
    python -m tools.record.judge RECORDING...      what a tap recorded, by itself

Prints for each what tools/harness says, and whether a replay of the recording tells of each
neighbor what the daemon told when it made it; then all of them in a table. Ends with 1 if anything
is wrong anywhere. Of a recording alone the replay is what was published, and the frames of the tap
are all of the air: what got lost on the way to it is then silence, and so is what it did not hear
while its radio was away.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from meshwatch.observations import Monitor
from tools.harness import blocks, capture
from tools.harness.air import Air
from tools.harness.compare import Comparison, compare
from tools.harness.news import News
from tools.harness.reach import Reach
from tools.harness.report import report
from tools.record.bounds import bounds
from tools.record.expect import opened, title
from tools.record.lines import news, stamped
from tools.record.witness import BLOCKED, EVERYWHERE, HERE, NEWS, REACH

OBSERVER = "02:00:00:00:00:00"  # the radio of laptop 0
SILENT_AFTER = 1.5  # beacon intervals: a neighbor that missed one beacon has begun to be silent

KINDS = ("established", "returned", "closed", "vanished", "forgotten")


class Judgment(NamedTuple):
    """Of one scene: the table against the air, and of whom a replay tells something else; None:
    there was none to compare."""

    title: str
    comparison: Comparison
    different: list[str] | None

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
    return compare(air, News(log, OBSERVER), bounds(directory.name), SILENT_AFTER, ears)


def recorded(path: Path) -> tuple[Air, list[bytes]]:
    """What the tap of a recording heard and reported, and what a replay tells, as a log."""
    with closing(opened(path)) as recording:
        air = Air(
            capture.Frame(packet.time_ns, bytes(packet.data))
            for packet in recording
            if isinstance(packet.monitor, Monitor) and not packet.outgoing
        )
    with closing(opened(path)) as recording:
        return air, [b"%.6f %s" % (now / 1e9, line) for now, line in stamped(recording)]


def compared_recording(path: Path) -> Comparison:
    """What a replay tells against what the tap heard."""
    air, log = recorded(path)
    return compare(air, News(log, OBSERVER), bounds(title(path), replay=True), SILENT_AFTER)


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


def judge(path: Path) -> Judgment:
    """Print the judgment of one scene, or of one recording alone."""
    name = path.name if path.is_dir() else title(path)
    print(f"── {name}")
    comparison = compared(path) if path.is_dir() else compared_recording(path)
    print(report(comparison), end="")
    different = None
    for recording in path.glob("*.pcapng*"):  # none if the path is no directory
        different = unfaithful(recording, path / NEWS)
        said = "tells the same" if not different else "DIFFERS\n" + "\n".join(different)
        print(f"replay: {said}")
    print(flush=True)
    return Judgment(name, comparison, different)


def table(judgments: Iterable[Judgment]) -> Iterator[str]:
    """A line for each scene. Of each kind of event: how many were told of how many there were
    (what lasts too short need not be told), and the slowest, in s."""
    cells = "".join(f"{kind:>15}" for kind in KINDS)
    yield f"{'scene':17}{'judged':>8}  neighbors{cells}  disagreed  too long  replay"
    for name, found, different in judgments:
        judged_s = sum(end - begin for begin, end in found.windows) / 1e9
        cells = "".join(f"{_cell(found, kind):>15}" for kind in KINDS)
        yield (
            f"{name:17}{judged_s:6.1f} s  {len(found.lanes):9}{cells}"
            f"  {len(found.disagreements):9}  {len(found.excessive):8}"
            f"  {'-' if different is None else 'DIFFERS' if different else 'same'}"
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
