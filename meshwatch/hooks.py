"""Which event hooks are told of which neighbor or interface, and when; no process, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from meshwatch.client import Interface, Neighbor
from meshwatch.model import Presence
from meshwatch.services import XMPP_SERVER, is_service_type

CAME, QUIET, GONE = "came", "quiet", "gone"
CHANGED, NAMED = "changed", "named"
UPLINK, NO_UPLINK = "uplink", "no-uplink"
EVENTS = (CAME, QUIET, GONE, NAMED, CHANGED, UPLINK, NO_UPLINK)

MOST_AT_ONCE = 8  # neighbors and interfaces

# What strangers call themselves becomes an argument of somebody's program: a name is one only if
# it cannot be taken for an option, a path or two words.
_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_HOST}\Z")
_JID = re.compile(rf"[^\W_][^\s\"&'/:<>@\\]{{0,254}}@{_HOST}\Z")

_WHO = frozenset({"MESHWATCH_NAME", "MESHWATCH_NICK", "MESHWATCH_JID", "MESHWATCH_DOMAIN"})
# Told, but no reason to tell.
IN_PASSING = frozenset(
    {
        "MESHWATCH_PRESENCE",
        "MESHWATCH_REASON",
        "MESHWATCH_SINCE_UNIX_MS",
        "MESHWATCH_SIGNAL_DBM",
        "MESHWATCH_FINGERPRINT",
        "MESHWATCH_VERIFIED",
    }
)


class Key(NamedTuple):
    """Whose hooks run one after the other: a neighbor's, or (no address) an interface's."""

    ifindex: int
    address: str


class Run(NamedTuple):
    """Hooks to be run: for whom, with which arguments and variables."""

    key: Key
    interface: str
    event: str
    variables: Mapping[str, str]


class _Neighbor:
    """What is so, and what the hooks were told."""

    def __init__(self) -> None:
        self.presence: Presence | None = None  # None: heard at most
        self.told: Presence | None = None
        self.left = False  # since they were told
        self.partly = False  # some of them were not told: it was over
        self.interface = ""
        self.variables: dict[str, str] = {}
        self.told_variables: dict[str, str] = {}

    def event(self) -> str | None:
        """What they do not know yet, in one word."""
        known = self.told is self.presence and not self.partly
        if self.presence is None:
            return None if known else GONE
        if self.presence is Presence.PRESENT and (self.left or not known):
            return CAME
        if not known:
            return QUIET
        # What became unknown, as after a restart of the daemon, is no news.
        told = self.told_variables
        news = {key for key, value in self.variables.items() if told.get(key) != value}
        return NAMED if news & _WHO else CHANGED if news - IN_PASSING else None

    def was(self) -> dict[str, str]:
        """What they were told of its presence the last time, if it is not gone since."""
        if self.told is None:
            return {}
        was = {"MESHWATCH_WAS": self.told.value}
        if reason := self.told_variables.get("MESHWATCH_REASON"):
            was["MESHWATCH_WAS_REASON"] = reason
        return was

    def stands(self, event: str) -> bool:
        """The event is not over. Who is quiet came all the same: that is told next."""
        if event == GONE:
            return self.presence is None
        return self.presence is not None and not self.left

    def tell(self) -> None:
        """They know all of it."""
        self.told = self.presence
        self.left = self.partly = False
        self.told_variables |= self.variables

    def over(self) -> bool:
        """There is nothing to remember."""
        return self.presence is None and self.event() is None


class _Interface:
    """The same of an interface and its gates."""

    def __init__(self) -> None:
        self.uplink = False
        self.told = False
        self.partly = False
        self.interface = ""
        self.variables: dict[str, str] = {}

    def event(self) -> str | None:
        """What they do not know yet, in one word."""
        if self.uplink == self.told and not self.partly:
            return None
        return UPLINK if self.uplink else NO_UPLINK

    def stands(self, event: str) -> bool:
        """The event is not over."""
        return self.uplink == (event == UPLINK)

    def tell(self) -> None:
        """They know all of it."""
        self.told = self.uplink
        self.partly = False

    def over(self) -> bool:
        """There is nothing to remember."""
        return not self.uplink and self.event() is None


class Hooks:
    """Makes runs of what the daemon tells.

    What is there at the start is known: nothing is told of it. Of each neighbor the hooks learn
    one thing after the other, and what is true then, not what was true when it happened; what
    came and went while others ran is not told at all. Nor is the rest of the hooks of a run told
    what was over before their turn.
    """

    def __init__(self) -> None:
        self._subjects: dict[Key, _Neighbor | _Interface] = {}
        self._news: dict[Key, None] = {}  # in the order in which they came
        self._running: set[Key] = set()

    def begin(self) -> None:
        """What the daemon told so far is what is there, and nothing that happened."""
        for subject in self._subjects.values():
            subject.tell()
        self._news.clear()

    def told(self, neighbor: Neighbor) -> None:
        """The neighbor came or changed."""
        if neighbor.presence is Presence.HEARD:
            self.gone(neighbor, neighbor.reason)
            return
        key = Key(neighbor.ifindex, neighbor.address)
        subject = self._subjects.get(key)
        if not isinstance(subject, _Neighbor):
            subject = self._subjects[key] = _Neighbor()
        subject.presence = neighbor.presence
        subject.interface = neighbor.interface
        subject.variables = variables(neighbor)
        self._note(key)

    def gone(self, neighbor: Neighbor, reason: str) -> None:
        """The neighbor lost its link, or left the table."""
        key = Key(neighbor.ifindex, neighbor.address)
        subject = self._subjects.get(key)
        if isinstance(subject, _Neighbor) and subject.presence is not None:
            subject.presence = None
            subject.left = True
            subject.variables |= {"MESHWATCH_REASON": clean(reason)}
            subject.variables.pop("MESHWATCH_PRESENCE", None)
            self._note(key)

    def interface(self, interface: Interface, gates: tuple[str, ...]) -> None:
        """These are the gates that can be reached over the interface now."""
        key = Key(interface.ifindex, "")
        subject = self._subjects.get(key)
        if not isinstance(subject, _Interface):
            subject = self._subjects[key] = _Interface()
        subject.uplink = bool(gates)
        subject.interface = interface.interface
        subject.variables = {
            "MESHWATCH_INTERFACE": interface.interface,
            "MESHWATCH_IFINDEX": str(interface.ifindex),
            "MESHWATCH_GATES": " ".join(gates),
        }
        self._note(key)

    def due(self) -> list[Run]:
        """What is to be run now; each run must be ended with :meth:`ended`."""
        runs = []
        for key in list(self._news):
            if len(self._running) == MOST_AT_ONCE:
                break
            if key in self._running:
                continue
            del self._news[key]
            subject = self._subjects[key]
            event = subject.event()
            was = subject.was() if isinstance(subject, _Neighbor) else {}
            subject.tell()
            if event is None:
                continue
            told = subject.variables | {"MESHWATCH_EVENT": event} | was
            runs.append(Run(key, subject.interface, event, told))
            self._running.add(key)
        return runs

    def stands(self, run: Run) -> bool:
        """What the run tells is not over yet; asked before each of its hooks."""
        return self._subjects[run.key].stands(run.event)

    def ended(self, key: Key, *, all_told: bool = True) -> None:
        """The hooks of a run ended; if not all were told, because it was over, they know different
        things, and are told what is so, even if it is that again."""
        self._running.discard(key)
        if not all_told:
            self._subjects[key].partly = True
            self._note(key)
        elif key not in self._news:
            self._forget(key)

    def _note(self, key: Key) -> None:
        if self._subjects[key].event() is not None:
            self._news.setdefault(key)
        else:  # it is over before its turn came
            self._news.pop(key, None)
            self._forget(key)

    def _forget(self, key: Key) -> None:
        if self._subjects[key].over() and key not in self._running:
            del self._subjects[key]


def variables(neighbor: Neighbor) -> dict[str, str]:
    """What hooks are told of a neighbor; what is unknown, or not fit to be told, is left out."""
    claims = sorted(neighbor.claims, key=lambda claim: (claim.verified, claim.claimed_unix_ms))
    claims.reverse()
    services = [service for claim in claims for service in claim.services]
    domains = [
        service.txt.get("domain") or service.instance
        for service in services
        if service.type == XMPP_SERVER
    ]
    domain = next((it for it in domains if "." in it and _HOST_NAME.match(it)), None)
    verified = any(claim.verified and claim.name == neighbor.name for claim in claims)
    fingerprint = next((claim.fingerprint for claim in claims if claim.fingerprint), None)
    offers = (f"{each.type}:{each.port}" for each in services if is_service_type(each.type))
    addresses = [address.address for address in neighbor.addresses]
    signal = neighbor.readings.signal_dbm
    known = {
        "INTERFACE": neighbor.interface,
        "IFINDEX": str(neighbor.ifindex),
        "ADDRESS": neighbor.address,
        "PRESENCE": neighbor.presence.value,
        "REASON": neighbor.reason,
        "SINCE_UNIX_MS": str(neighbor.since_unix_ms),
        "PROXIMITY": neighbor.proximity,
        "SECURITY": neighbor.security,
        "MESH_ID": neighbor.mesh_id,
        "GATE": "1" if neighbor.gate else None,
        "NEXT_HOP": neighbor.next_hop,
        "PROXY": neighbor.proxy,
        "PLID": None if neighbor.plid is None else str(neighbor.plid),
        "IP": next(iter(addresses), None),
        "IPS": " ".join(addresses),
        "NAME": _matching(_HOST_NAME, neighbor.name),
        "NICK": clean(neighbor.nick or "").lstrip("- "),
        "JID": _matching(_JID, neighbor.jid),
        "DOMAIN": domain,
        "SERVICES": " ".join(dict.fromkeys(offers)),
        "FINGERPRINT": fingerprint,
        "VERIFIED": "1" if verified and neighbor.name else None,
        "DISPUTED": "1" if neighbor.disputed else None,
        "SIGNAL_DBM": None if signal is None else str(signal),
    }
    return {f"MESHWATCH_{key}": clean(value) for key, value in known.items() if value}


def clean(text: str) -> str:
    """The text with nothing in it that a terminal obeys or that ends a line."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.match(text) else None
