"""Builders for what the kernel says, and a mirror that believes nothing but changes."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from meshwatch.model import (
    Change,
    Interface,
    InterfaceType,
    Key,
    Neighbor,
    Plink,
    Readings,
    Row,
    Source,
)
from meshwatch.observations import InterfaceSeen, Observation, Station, StationField, StationSeen
from meshwatch.table import Table

MS = 1_000_000
SECOND = 1_000 * MS
MESH0 = 3
PEER = "02:00:00:00:01:00"
NOTHING = Station(*(0,) * len(Station._fields))


def station(plink: Plink | None = Plink.ESTAB, **fields: int) -> Station:
    """A station of which the kernel says exactly this."""
    if plink is not None:
        fields["plink"] = int(plink)
    present = sum(int(StationField[name.upper()]) for name in fields)
    return NOTHING._replace(present=present, **fields)


def look(
    plink: Plink | None = Plink.ESTAB, inactive_ms: int = 0, llid: int = 1, plid: int = 2
) -> StationSeen:
    """What a dump says of PEER; an entry without a link has no link ids."""
    linked = plink not in (Plink.LISTEN, Plink.BLOCKED, None)
    ids = {"llid": llid, "plid": plid} if linked else {"llid": 0, "plid": 0}
    return StationSeen(MESH0, PEER, station(plink, inactive_ms=inactive_ms, **ids))


def mesh(name: str = "mesh0", type_: InterfaceType | None = InterfaceType.MESH) -> InterfaceSeen:
    """What nl80211 says of our interface."""
    return InterfaceSeen(MESH0, name, type_, 0, "02:00:00:00:00:00")


def words(change: Change) -> str:
    """News in a few words."""
    row = change.new or change.old
    assert row is not None
    match row:
        case Neighbor(presence=presence, reason=reason):
            text = f"{presence} {reason}"
        case Interface(interface=interface, up=up, running=running):
            text = f"{interface} {'running' if running else 'up' if up else 'down'}"
        case Source(source=source, failure=failure):
            text = f"{source}: {failure or 'works'}"
    return text if change.new else f"removed {change.reason}"


class Mirror:
    """What a subscriber knows who applies every change, and who complains at once."""

    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            assert change.old == self.rows.get(change.key)
            assert change.old != change.new
            assert change.news == (without_readings(change.old) != without_readings(change.new))
            assert (change.reason is None) == (
                change.new is not None or change.key.kind == "source"
            )
            if change.new is None:
                del self.rows[change.key]
            else:
                assert change.new.key == change.key
                self.rows[change.key] = change.new


def without_readings(row: Row | None) -> Row | None:
    """All that is news of a row."""
    if isinstance(row, Neighbor):
        return replace(row, readings=Readings(last_heard_ns=0))
    return row


def by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    """A snapshot as a mirror has it."""
    return {row.key: row for row in rows}


class Story:
    """A table with a mesh interface, to which things happen at literal times."""

    def __init__(self) -> None:
        self.table = Table()
        self.mirror = Mirror()
        self.readings: list[Change] = []
        self.removals: list[Change] = []
        self.at(0, mesh())

    def at(self, seconds: float, observation: Observation | None = None) -> list[str]:
        """The news of an observation, or of the passing of time."""
        now = round(seconds * 1_000) * MS
        changes = (
            self.table.tick(now) if observation is None else self.table.observe(observation, now)
        )
        self.mirror.apply(changes)
        assert self.mirror.rows == by_key(self.table.snapshot())
        self.readings += [change for change in changes if not change.news]
        self.removals += [change for change in changes if change.new is None]
        return [words(change) for change in changes if change.news]

    @property
    def peer(self) -> Neighbor:
        """The row of PEER."""
        row = self.table.row(Key("neighbor", MESH0, PEER))
        assert isinstance(row, Neighbor)
        return row
