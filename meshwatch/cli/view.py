"""The neighbor table as people see it: columns, the order of rows, and what to say of an empty
table."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from meshwatch.cli import layout, text
from meshwatch.cli.layout import Cell, Column
from meshwatch.client import Mirror
from meshwatch.protocol import Interface, Neighbor, Source

PRESENCE_STYLES = {"present": "good", "quiet": "warn", "heard": "dim"}

# The rank is the order in which a narrow terminal loses columns, from the last.
NEIGHBOR = Column("NEIGHBOR")
ADDRESS = Column("ADDRESS", 11)
COLUMNS = (
    Column("STATE", width=7),
    Column("LINK", 4, width=6),
    Column("METRIC", 3, right=True),
    Column("SIGNAL", 1, right=True),
    Column("TX/RX Mb/s", 5, right=True),
    Column("FOR", 2, width=5, right=True),
    Column("MARKS", 6),
    Column("SINCE", 7),
    Column("HEARD", 8, width=5, right=True),
    Column("LOSS", 9, right=True),
    Column("REACH", 10),
    Column("IP", 13),
    Column("REASON", 12),
)

Names = Mapping[str, str]


def label(neighbor: Neighbor, names: Names) -> str:
    """What people here call it, else what it is said to be called, else its address."""
    return names.get(neighbor.address) or claimed(neighbor) or neighbor.address


def claimed(neighbor: Neighbor) -> str | None:
    """The claimed name; in quotes if nobody says that he verified it."""
    if neighbor.name is None:
        return None
    name = text.printable(neighbor.name)
    verified = any(each.verified and each.name == neighbor.name for each in neighbor.claims)
    return name if verified else f'"{name}"'


def ordered(neighbors: Iterable[Neighbor], names: Names) -> list[Neighbor]:
    """By interface and name, not by state: rows of a live table should stay where they are."""
    return sorted(neighbors, key=lambda n: (n.interface, label(n, names).lower(), n.address))


def whole_table(
    mirror: Mirror, names: Names, now_unix_ms: int, *, width: int | None, color: bool
) -> list[str]:
    """What does not work; then the neighbors, under their interfaces if there are several, or why
    there is none."""
    failed = wrapped(failures(mirror.sources.values(), now_unix_ms), width)
    lines = [layout.paint(line, "bad", color=color) for line in failed]
    neighbors = ordered(mirror.neighbors.values(), names)
    interfaces = _by_name(mirror)
    if not neighbors:
        return lines + (wrapped(nobody(mirror), width) if interfaces or not failed else [])
    heading, *rows = neighbor_table(neighbors, names, now_unix_ms, width=width, color=color)
    lines.append(heading)
    if len(interfaces) < 2:
        return lines + rows
    for interface in interfaces:
        here = [n.ifindex == interface.ifindex for n in neighbors]
        title = interface_line(interface) + ("" if any(here) else ", nobody in range")
        lines.append(layout.paint(title, "bold", color=color))
        lines += itertools.compress(rows, here)
    return lines


def wrapped(lines: Iterable[str], width: int | None) -> list[str]:
    """Sentences in lines no wider than that."""
    if width is None:
        return list(lines)
    return [part for line in lines for part in textwrap.wrap(line, max(width, 1))]


def replaying(mirror: Mirror) -> str | None:
    """What every view of a replay begins with; None: this is the world."""
    version = mirror.version
    if version is None or version.replay is None:
        return None
    return f"replaying {text.printable(version.replay)}"


def neighbor_table(
    neighbors: Sequence[Neighbor],
    names: Names,
    now_unix_ms: int,
    *,
    width: int | None,
    color: bool,
) -> list[str]:
    """A heading line and one line per neighbor, in the order given."""
    named = any(label(neighbor, names) != neighbor.address for neighbor in neighbors)
    columns = [NEIGHBOR, *COLUMNS[:-1], *([ADDRESS] if named else []), COLUMNS[-1]]
    rows = []
    for neighbor in neighbors:
        first, *rest, reason = _cells(neighbor, names, now_unix_ms)
        address = [Cell(neighbor.address, "dim")] if named else []
        rows.append([first, *rest, *address, reason])
    return layout.table(columns, rows, width=width, color=color)


def _cells(neighbor: Neighbor, names: Names, now_unix_ms: int) -> list[Cell]:
    readings = neighbor.readings
    signal = strength(neighbor)
    metric = readings.airtime_metric or readings.path_metric
    lost = readings.loss_percent
    rates = f"{text.megabits(readings.tx_rate_kbps)}/{text.megabits(readings.rx_rate_kbps)}"
    alive = neighbor.presence == "present"
    return [
        Cell(label(neighbor, names), "bold" if alive else ""),
        Cell(neighbor.presence, PRESENCE_STYLES.get(neighbor.presence, "")),
        Cell(_link(neighbor)),
        Cell(str(metric or text.NOTHING)),
        Cell(text.NOTHING if signal is None else f"{signal} dBm"),
        Cell(text.NOTHING if rates == "-/-" else rates),
        Cell(text.duration(now_unix_ms - neighbor.since_unix_ms)),
        Cell(_marks(neighbor) or text.NOTHING, "warn" if worrying(neighbor) else ""),
        Cell(text.moment(neighbor.since_unix_ms, now_unix_ms)),
        Cell(text.duration(now_unix_ms - readings.last_heard_unix_ms)),
        Cell(text.NOTHING if lost is None else f"{lost}%"),
        Cell(text.reach(int(readings.reach, 16)) if direct(neighbor) else text.NOTHING),
        Cell(_ip(neighbor)),
        Cell(neighbor.reason, "dim"),
    ]


def _ip(neighbor: Neighbor) -> str:
    """The address to try first; a guess is worth no column."""
    known = [each.address for each in neighbor.addresses if each.proof != "derived"]
    return text.printable(known[0]) if known else text.NOTHING


def direct(neighbor: Neighbor) -> bool:
    """In radio range, and so with a link and signs of life of its own."""
    return neighbor.proximity == "direct"


def worrying(neighbor: Neighbor) -> bool:
    """Its presence or its name promises more than may hold."""
    return (
        neighbor.one_sided is not None
        or neighbor.bouncing
        or neighbor.disputed
        or neighbor.clash is not None
    )


def way(neighbor: Neighbor, names: Names) -> str:
    """How it is reached: through the mesh, next hop anna, 2 hops."""
    places = {
        "direct": "in radio range",
        "mesh": "through the mesh",
        "proxied": "outside the mesh",
    }
    parts = [places.get(neighbor.proximity, text.printable(neighbor.proximity))]
    if neighbor.proxy is not None:
        parts.append(f"behind {names.get(neighbor.proxy, neighbor.proxy)}")
    if neighbor.next_hop is not None:
        parts.append(f"next hop {names.get(neighbor.next_hop, neighbor.next_hop)}")
    if neighbor.hop_count is not None:
        parts.append(text.count(neighbor.hop_count, "hop"))
    return ", ".join(parts)


def _link(neighbor: Neighbor) -> str:
    if direct(neighbor):
        return neighbor.plink or text.NOTHING
    if neighbor.hop_count is not None:
        return text.count(neighbor.hop_count, "hop")
    return neighbor.proximity


def _marks(neighbor: Neighbor) -> str:
    linked = neighbor.presence != "heard"  # else nothing shows that it knows a key
    return "".join(
        mark
        for mark, shown in (
            ("S", linked and neighbor.security not in (None, "open")),
            ("G", neighbor.gate),
            ("1", neighbor.one_sided is not None),
            ("~", neighbor.bouncing),
            ("?", neighbor.disputed),
            ("!", neighbor.clash is not None),
        )
        if shown
    )


def strength(neighbor: Neighbor) -> int | None:
    """The average signal in dBm, or that of the last frame where there is no average."""
    readings = neighbor.readings
    return readings.signal_dbm if readings.signal_avg_dbm is None else readings.signal_avg_dbm


def interface_line(interface: Interface) -> str:
    """mesh0: mesh school, 2412 MHz."""
    kind = " ".join(filter(None, (interface.type, text.printable(interface.mesh_id or ""))))
    frequency = f"{interface.frequency_mhz} MHz" if interface.frequency_mhz else ""
    state = "" if interface.running else "not joined" if interface.up else "down"
    parts = filter(None, (kind, frequency, state))
    return f"{text.printable(interface.interface)}: {', '.join(parts)}"


def summary(neighbors: Sequence[Neighbor]) -> str:
    """3 neighbors: 2 present, 1 heard."""
    counts = [
        f"{number} {presence}"
        for presence in PRESENCE_STYLES
        if (number := sum(n.presence == presence for n in neighbors))
    ]
    line = text.count(len(neighbors), "neighbor")
    return f"{line}: {', '.join(counts)}" if len(neighbors) > 1 else line


def failures(sources: Iterable[Source], now_unix_ms: int) -> list[str]:
    """One line for each source that does not work."""
    return [
        f"{source.source} has failed {text.duration(now_unix_ms - source.since_unix_ms)} ago:"
        f" {text.printable(source.failure)}"
        for source in sources
        if source.failure is not None
    ]


def nobody(mirror: Mirror) -> list[str]:
    """Why the table may be empty, and what would fill it; in a replay nothing would."""
    live = replaying(mirror) is None
    stories = [_story(row) for row in _by_name(mirror)]
    if not stories:
        where = "on this machine" if live else "in the recording"
        command = "iw dev wlan0 interface add mesh0 type mp"
        stories = [(f"There is no mesh interface {where}.", "One is made with", command)]
    lines = []
    for state, remedy, command in stories:
        lines += [f"{state} {remedy}", f"    {command}"] if remedy and live else [state]
    return lines


def _story(interface: Interface) -> tuple[str, str, str]:
    """How an interface is, and with which command it gets further."""
    name = text.printable(interface.interface)
    if not interface.up:
        return f"{name} is down.", "It is brought up with", f"ip link set {name} up"
    if not interface.running and interface.type == "mesh":
        command = f"iw dev {name} mesh join MESH-ID freq MHZ"
        return f"{name} is up but has not joined a mesh.", "It joins one with", command
    if not interface.running:
        return f"{name} is up but has not joined a network.", "", ""
    return f"{name} is up, nobody in range yet.", "", ""


def _by_name(mirror: Mirror) -> list[Interface]:
    return sorted(mirror.interfaces.values(), key=lambda row: row.interface)
