"""An event as one line of text: when, a mark, where, who, what."""

from __future__ import annotations

from typing import NamedTuple

from meshwatch.cli import text, view
from meshwatch.cli.layout import Cell
from meshwatch.client import (
    Came,
    Changed,
    Disconnected,
    Event,
    InterfaceCame,
    InterfaceChanged,
    InterfaceRemoved,
    Reading,
    Removed,
    Resynchronised,
    SourceChanged,
)
from meshwatch.protocol import Interface, Neighbor

# What is news about a neighbor besides presence and reason, in the words of the protocol.
_DETAILS = ("plink", "interface", "gate", "authentication_server", "authenticated", "mfp")


class News(NamedTuple):
    """One line; the mark is one of = + * - !, as meshwatch(1) says."""

    unix_ms: int
    mark: str
    interface: str
    neighbor: str
    what: Cell

    def line(self, *, date: bool = True) -> str:
        """The line without colors; without ``date`` the time of day in whole seconds."""
        when = text.timestamp(self.unix_ms)
        when = when if date else when[11:19]
        subject = " ".join(filter(None, (self.interface, self.neighbor)))
        return f"{when} {self.mark} {subject}{': ' if subject else ''}{self.what.text}"


def news(event: Event, names: view.Names, now_unix_ms: int, *, settled: bool) -> News | None:
    """What there is to say about an event; nothing about readings.

    Until the table has ``settled`` (the first Resynchronised), what comes was already there.
    """
    match event:
        case Came(neighbor=neighbor):
            what = Cell(f"{neighbor.presence}, {_why(neighbor.reason)}", _style(neighbor))
            mark = "+" if settled else "="
            return _about(neighbor, names, neighbor.since_unix_ms, mark, what)
        case Changed(neighbor=neighbor, was=was):
            fresh = neighbor.since_unix_ms != was.since_unix_ms
            when = neighbor.since_unix_ms if fresh else now_unix_ms
            what = Cell(_difference(was, neighbor), _style(neighbor, was))
            return _about(neighbor, names, when, "*", what)
        case Removed(neighbor=neighbor, reason=reason):
            what = Cell(f"{neighbor.presence} -> gone, {_why(reason)}", "bad")
            return _about(neighbor, names, now_unix_ms, "-", what)
        case InterfaceCame(interface=interface) | InterfaceChanged(interface=interface):
            return _interface(interface, now_unix_ms, _state(interface))
        case InterfaceRemoved(interface=interface):
            return _interface(interface, now_unix_ms, "removed")
        case SourceChanged(source=source, was=was_source):
            if source.failure is not None:
                failure = f"{source.source} has failed: {text.printable(source.failure)}"
                return News(source.since_unix_ms, "!", "", "", Cell(failure, "bad"))
            if was_source is not None and was_source.failure is not None:
                works = Cell(f"{source.source} works again", "good")
                return News(source.since_unix_ms, "!", "", "", works)
            return None
        case Disconnected(why=why):
            lost = Cell(f"lost meshwatchd ({why}), waiting for it", "bad")
            return News(now_unix_ms, "!", "", "", lost)
        case Reading() | Resynchronised():
            return None


def _about(neighbor: Neighbor, names: view.Names, unix_ms: int, mark: str, what: Cell) -> News:
    interface = text.printable(neighbor.interface)
    return News(unix_ms, mark, interface, view.label(neighbor, names), what)


def _style(neighbor: Neighbor, was: Neighbor | None = None) -> str:
    if neighbor.presence == "heard" and was is not None and was.presence != "heard":
        return "warn"  # a link was lost
    return view.PRESENCE_STYLES.get(neighbor.presence, "")


def _difference(was: Neighbor, now: Neighbor) -> str:
    parts = []
    if was.presence != now.presence:
        parts.append(f"{was.presence} -> {now.presence}")
    for key in _DETAILS:
        before, after = getattr(was, key), getattr(now, key)
        # A link that comes up or goes down says so by the presence already.
        if before != after and not (key == "plink" and parts):
            parts.append(f"{key} {_value(before)} -> {_value(after)}")
    if was.presence != now.presence or was.reason != now.reason or not parts:
        parts.append(_why(now.reason))
    return ", ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return text.NOTHING if value is None else text.printable(str(value))


def _why(reason: str) -> str:
    return text.REASONS.get(reason, text.printable(reason))


def _state(interface: Interface) -> str:
    if not interface.up:
        return "interface is down"
    if not interface.running:
        return "interface is up, not joined"
    frequency = f", {interface.frequency_mhz} MHz" if interface.frequency_mhz else ""
    return f"interface is up and joined{frequency}"


def _interface(interface: Interface, now_unix_ms: int, what: str) -> News:
    return News(now_unix_ms, "!", text.printable(interface.interface), "", Cell(what))
