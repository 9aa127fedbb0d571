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
from meshwatch.protocol import Evidence, Interface, Neighbor

# What is news about a neighbor besides presence and reason: key of the protocol, and its words.
_DETAILS = {
    "plink": "plink",
    "interface": "interface",
    "proximity": "proximity",
    "next_hop": "next hop",
    "hop_count": "hops",
    "proxy": "proxy",
    "gate": "gate",
    "authentication_server": "authentication server",
    "authenticated": "authenticated",
    "mfp": "frames protected",
    "security": "security",
    "mesh_id": "mesh ID",
    "accepting": "accepts peers",
    "name": "name",
    "nick": "nick",
    "jid": "jid",
}
_LEARNED = {"security", "mesh_id", "accepting"}  # with the first beacon: only another is news
_ADDRESSES = {"next_hop", "proxy"}
_DEPARTURES = {("present", "quiet"), ("present", "heard"), ("quiet", "heard")}


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
    """What there is to say about an event; nothing about readings, or what was merely learned.

    Until the table has ``settled`` (the first Resynchronised), what comes was already there.
    """
    match event:
        case Came(neighbor=neighbor):
            reached = neighbor.reason == "path"
            why = view.way(neighbor, names) if reached else _why(neighbor.reason)
            what = Cell(f"{neighbor.presence}, {why}", _style(neighbor))
            mark = "+" if settled else "="
            return _about(neighbor, names, neighbor.since_unix_ms, mark, what)
        case Changed(neighbor=neighbor, was=was):
            fresh = neighbor.since_unix_ms != was.since_unix_ms
            when = neighbor.since_unix_ms if fresh else now_unix_ms
            what = Cell(_difference(was, neighbor, names), _style(neighbor, was))
            if not what.text:
                return None
            return _about(neighbor, names, when, "*", what)
        case Removed(neighbor=neighbor, reason=reason, evidence=evidence):
            what = Cell(f"{neighbor.presence} -> gone, {_why(reason, evidence)}", "bad")
            return _about(neighbor, names, now_unix_ms, "-", what)
        case InterfaceCame(interface=interface):
            return _interface(interface, now_unix_ms, _state(interface))
        case InterfaceChanged(interface=interface, was=interface_was):
            said = _interface_difference(interface_was, interface, names)
            return _interface(interface, now_unix_ms, said)
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
    if was is not None and view.worrying(was) != view.worrying(neighbor):
        return "warn" if view.worrying(neighbor) else "good"
    return view.PRESENCE_STYLES.get(neighbor.presence, "")


def _difference(was: Neighbor, now: Neighbor, names: view.Names) -> str:
    parts = []
    learned = False
    if was.presence != now.presence:
        parts.append(f"{was.presence} -> {now.presence}")
    for key, word in _DETAILS.items():
        before, after = getattr(was, key), getattr(now, key)
        if before != after and key in _LEARNED and None in (before, after):
            learned = True
        # A link that comes up or goes down says so by the presence already.
        elif before != after and not (key == "plink" and parts):
            known = names if key in _ADDRESSES else {}
            parts.append(_step(word, _value(before, known), _value(after, known)))
    parts += _addresses(was, now)
    if was.claims != now.claims or was.addresses != now.addresses:
        learned = True  # what of it is worth a word has one
    if was.disputed != now.disputed:
        parts.append("its name is disputed" if now.disputed else "name no longer disputed")
    if was.clash != now.clash:
        clash = now.clash and text.CLASHES.get(now.clash, text.printable(now.clash))
        parts.append(f"clash: {clash}" if clash else "no longer a clash")
    if was.one_sided != now.one_sided:
        side = now.one_sided and text.ONE_SIDED.get(now.one_sided, text.printable(now.one_sided))
        parts.append(f"one-sided: {side}" if side else "no longer one-sided")
    if was.bouncing != now.bouncing:
        parts.append("bouncing, its news is held back" if now.bouncing else "no longer bouncing")
    if was.presence != now.presence or was.reason != now.reason or not (parts or learned):
        departed = (was.presence, now.presence) in _DEPARTURES or not parts
        parts.append(_why(now.reason, now.evidence if departed else None))
    return ", ".join(parts)


def _addresses(was: Neighbor, now: Neighbor) -> list[str]:
    """Verified ones that are new or gone; a derived one follows from the hardware address."""
    before, after = (
        [text.printable(each.address) for each in row.addresses if each.proof != "derived"]
        for row in (was, now)
    )
    parts = [f"address {each}" for each in after if each not in before]
    return parts + [f"no address {each}" for each in before if each not in after]


def _step(word: str, before: str, after: str) -> str:
    """What was not known before is no change of it."""
    return f"{word} {after}" if before == text.NOTHING else f"{word} {before} -> {after}"


def _value(value: object, names: view.Names) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return text.NOTHING
    return names.get(str(value), text.printable(str(value)))


def _why(reason: str, evidence: Evidence | None = None) -> str:
    """The reason in words, and for a departure what it rests on."""
    why = text.REASONS.get(reason, text.printable(reason))
    return why if evidence is None else f"{why} ({text.evidence(evidence)})"


def _interface_difference(was: Interface, now: Interface, names: view.Names) -> str:
    parts = [] if _state(was) == _state(now) else [_state(now)]
    for word, before, after in (
        ("mesh ID", was.mesh_id, now.mesh_id),
        ("beacon interval in TU", was.beacon_interval_tu, now.beacon_interval_tu),
    ):
        if before != after:
            parts.append(_step(word, _value(before, {}), _value(after, {})))
    if now.forged and not was.forged:
        parts.append("another radio sends beacons with our address")
    parts += [f"gate {names.get(gate, gate)}" for gate in now.gates if gate not in was.gates]
    parts += [f"no gate {names.get(gate, gate)}" for gate in was.gates if gate not in now.gates]
    return ", ".join(parts) or _state(now)


def _state(interface: Interface) -> str:
    if not interface.up:
        return "interface is down"
    if not interface.running:
        return "interface is up, not joined"
    frequency = f", {interface.frequency_mhz} MHz" if interface.frequency_mhz else ""
    return f"interface is up and joined{frequency}"


def _interface(interface: Interface, now_unix_ms: int, what: str) -> News:
    return News(now_unix_ms, "!", text.printable(interface.interface), "", Cell(what))
