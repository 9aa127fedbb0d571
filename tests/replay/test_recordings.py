"""What each recording says, line for line; and the same in the end whatever was lost on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import asdict

from meshwatch.model import Key, Neighbor
from meshwatch.recording import LOSS_MARK, LOST_FRAMES, RADIOTAP, Packet, Recording, Writer
from meshwatch.replay import NETLINK_GENERIC, Player, conversations
from meshwatch.table import Table
from tools.record.expect import beside, opened, recordings, title
from tools.record.lines import news

OURS = [path for path in recordings() if path.suffix != ".pcap"]
SECOND_NS = 1_000_000_000
# NL80211_CMD_GET_MPATH, _NEW_MPATH and _GET_MPP: the byte behind the netlink header.
PATH_COMMANDS = {21, 23, 107}
# A loss so late that nobody looked again before the recording ended has no remedy.
REMEDY_NS = 3 * SECOND_NS
# Losing each datagram in turn would take hours: so many packets are played of each recording.
PACKETS = 5_000
# Told of the past, which a loss does change.
HISTORY = {"since_ns", "first_heard_ns", "reason", "evidence", "restarts", "bouncing"}
HISTORY_OF_READINGS = {"reach", "loss_percent", "measured_ns"}


def packets_of(path: Path) -> tuple[Recording, list[Packet]]:
    with closing(opened(path)) as recording:
        return recording, list(recording)


class End(NamedTuple):
    """How it all ended."""

    rows: dict[Key, dict[str, Any]]  # without history
    removed: Counter[Key]  # how often each row was on the way


def final(recording: Recording, packets: Iterable[Packet]) -> End:
    """The end, a second after the recording's, when all readings are published."""
    table = Table()
    player = Player(packets, conversations(recording), table)
    removed = Counter(
        change.key for _, changes in player for change in changes if change.new is None
    )
    table.tick((player.now or 0) + SECOND_NS)
    rows = {}
    for row in table.snapshot():
        fields = {k: v for k, v in asdict(row).items() if k not in HISTORY}
        if isinstance(row, Neighbor):
            readings = asdict(row.readings).items()
            fields["readings"] = {k: v for k, v in readings if k not in HISTORY_OF_READINGS}
        rows[row.key] = fields
    return End(rows, removed)


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.name)
def test_the_news_line_for_line(path: Path) -> None:
    """After a change that is meant: tools/record/expect, and read the difference."""
    with closing(opened(path)) as recording:
        lines = b"".join(news(recording))
    assert lines.splitlines() == beside(path, ".lines").read_bytes().splitlines()


def _path(packet: Packet) -> bool:
    return packet.protocol == NETLINK_GENERIC and packet.data[16] in PATH_COMMANDS


def _heard(packet: Packet) -> bool:
    return packet.protocol == RADIOTAP and not packet.outgoing


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_the_same_in_the_end_after_any_loss(path: Path) -> None:
    """A datagram of nl80211 or a frame is missing, and the kernel said so.

    The family's reply comes but once. So does rtnetlink's dump, and paths are asked for every few
    seconds: the daemon would ask again, but the recorded one had no reason to.
    """
    recording, packets = packets_of(path)
    expected = final(recording, packets)
    for fields in expected.rows.values():
        if "readings" in fields:
            # Looks differ by some milliseconds on when the same beacon was heard.
            heard_ns = fields["readings"]["last_heard_ns"]
            fields["readings"]["last_heard_ns"] = pytest.approx(heard_ns, abs=10_000_000)
    end_ns = packets[-1].time_ns - REMEDY_NS
    losses = [
        i
        for i, packet in enumerate(packets)
        if i > 0
        and packet.time_ns <= end_ns
        and (packet.protocol == NETLINK_GENERIC or _heard(packet))
        and not _path(packet)
    ]
    for i in losses[:: len(losses) * len(packets) // PACKETS + 1]:
        mark = LOST_FRAMES if packets[i].protocol == RADIOTAP else LOSS_MARK
        lost = packets[i]._replace(data=mark, outgoing=False)
        found = final(recording, [*packets[:i], lost, *packets[i + 1 :]])
        where = f"without packet {i}, {len(packets[i].data)} bytes"
        assert found.rows == expected.rows, where
        assert not found.removed - expected.removed, f"{where}: our loss is not their departure"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_begins_with_the_family(path: Path) -> None:
    _, packets = packets_of(path)
    assert b"nl80211\0" in packets[0].data
    assert not packets[0].outgoing


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_stops_at_every_deadline(path: Path) -> None:
    recording, packets = packets_of(path)
    table = Table()
    talk = conversations(recording)
    player = Player(packets, talk, table)
    times = []
    while (now := player.deadline()) is not None:
        times.append(now)
        player.step()
        assert table.deadline() is None or (table.deadline() or 0) > now
    assert all(earlier <= later for earlier, later in pairwise(times))
    # A frame is played on the first turn that is not before it.
    assert {packet.time_ns for packet in packets if packet.monitor is None} <= set(times)
    assert len(times) > len(packets), "nothing was ever due between two packets"


def test_names_stories_and_lines_go_together() -> None:
    for path in OURS:
        assert beside(path, ".story").exists()
        assert beside(path, ".lines").exists()


def test_looks_at_what_the_recorder_looked_at(tmp_path: Path) -> None:
    """Else a replay waits for ever to see interfaces that the recorder was told to ignore."""
    _, packets = packets_of(OURS[0])
    path = tmp_path / "other.pcapng"
    writer = Writer(path, release="0", kernel="0", wall_offset_ns=0, interfaces={"mesh7"})
    for packet in packets:
        note = writer.sent if packet.outgoing else writer.received
        note(packet.protocol, packet.data, packet.time_ns)
    writer.close()
    recording, packets = packets_of(path)
    assert {key.kind for key in final(recording, packets).rows} == {"source"}


def test_time_never_runs_backwards() -> None:
    """Even if the recording's does, as in a foreign capture when the wall clock was set."""
    recording, packets = packets_of(OURS[0])
    late = [packet._replace(time_ns=packet.time_ns - 5 * SECOND_NS) for packet in packets[20:40]]
    times = [
        now
        for now, _ in Player(
            [*packets[:20], *late, *packets[40:]], conversations(recording), Table()
        )
    ]
    assert times == sorted(times)


def told(path: Path) -> dict[int, str]:
    """For each laptop, "PRESENCE REASON" or "gone REASON" at each change of these, in the news.

    Without "peering", which a look shows only if it comes within some 20 ms of the right time.
    """
    changes: list[tuple[dict[str, Any], str, str]] = []
    for line in map(json.loads, beside(path, ".lines").read_bytes().splitlines()):
        kind, row = line["class"], line.get("neighbor")
        if kind == "removed":
            changes.append((row, "gone", line["reason"]))
        elif (
            kind == "changed" and {"presence", "reason"} & line.get("was", {"presence": ""}).keys()
        ):
            changes.append((row, row["presence"], row["reason"]))
        elif kind == "snapshot":
            changes += [(row, row["presence"], row["reason"]) for row in line["neighbors"]]
    stories: dict[int, list[str]] = {}
    for row, presence, reason in changes:
        if reason != "peering":
            laptop = int(row["address"].split(":")[4], 16)
            stories.setdefault(laptop, []).append(f"{presence} {reason}")
    return {laptop: "; ".join(story) for laptop, story in stories.items()}


# What a scene must tell of each laptop on any kernel; how long its silences last, and whether they
# were quiet first, or ended before the verdict, is the machine's.
MET = "present established"
SILENCE = "(quiet silent|(quiet silent; )?gone silent)"
DEPARTURE = "(quiet silent; )?gone silent"
RETURN = "present returned"
LEFT = "heard closed(; gone silent)?"  # which is a matter of how long one looks
CAME = f"(heard candidate; )?{MET}"
SOUGHT = "((heard|gone) [a-z]+; )*"  # who demands a password may need more than one attempt
BEYOND = "present path(; quiet expired)?; gone unreachable"
LOSSY = f"{MET}(; quiet silent; {RETURN})*"
LEAVING, VANISHING = (4, 14, 24, 34), (9, 19, 29, 39)  # of the crowd
STORIES = {
    "meet": {1: MET, 2: MET},
    "part": {1: f"{MET}; heard closed; {MET}", 2: f"{MET}; heard closed"},
    "vanish": dict.fromkeys((1, 2), f"{MET}(; {SILENCE}; {RETURN})*"),
    "vanish-often": dict.fromkeys((1, 2), f"{MET}(; {SILENCE}; {RETURN})*"),
    "doubt": {1: f"{MET}; quiet silent; {RETURN}; quiet silent; gone silent; {RETURN}"},
    "late": {1: f"{MET}; {DEPARTURE}; {RETURN}", 2: MET},
    # Whether the old link was seen alive or going down, or neither, is a matter of some hundred
    # milliseconds.
    "restart": {1: f"{MET}; {SILENCE}(; [a-z ]+)*; present (restarted|established)"},
    "ten": {i: f"{MET}; {LEFT}" if i in (2, 5, 7) else MET for i in range(1, 11)},
    "traffic": {1: f"{MET}; {DEPARTURE}; {RETURN}", 2: MET},
    # Whose block is only seen in beacons is present all the time, on one side.
    "blocked": {1: f"{MET}; (heard closed; {MET}|present restarted); heard blocked; {MET}"},
    "threshold": {1: f"{MET}; heard closed; {MET}", 2: MET},
    "lossy": {1: LOSSY, 2: LOSSY},
    "lossy-often": {1: LOSSY, 2: LOSSY},
    "fading": {1: f"{MET}; {DEPARTURE}; {RETURN}"},
    "asleep": {1: f"{MET}; {DEPARTURE}; {RETURN}", 2: MET},
    "scan": {1: MET, 2: MET},
    "switch": {1: MET, 2: MET},
    # Whoever is on the way to another is only known if something was sent to it.
    "chain": {1: f"{MET}; {DEPARTURE}", 2: f"({BEYOND})?", 3: BEYOND},
    "gate": {1: MET, 2: MET},
    "secured": {
        1: f"{SOUGHT}{MET}; (heard [a-z]+; )?gone (deleted|absent); {SOUGHT}{MET}",
        2: "heard [a-z]+(; (heard|gone) [a-z]+)*",
    },
    "crowd": {
        **dict.fromkeys(range(1, 40), CAME),
        **dict.fromkeys(LEAVING, f"{CAME}; {LEFT}"),
        **dict.fromkeys(VANISHING, f"{CAME}; {DEPARTURE}"),
    },
}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_the_story(path: Path) -> None:
    expected = STORIES[title(path).rpartition("-")[0]]
    stories = told(path)
    assert stories.keys() <= expected.keys()
    for laptop, wanted in expected.items():
        story = stories.get(laptop, "")
        assert re.fullmatch(wanted, story), f"{laptop}: {story}"
