"""The contract of org.meshwatch: what a row is called on the bus, and its values as D-Bus types."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from meshwatch.bus.marshal import Typed
from meshwatch.model import Address, Claim, Evidence, Interface, Key, Neighbor, Service
from meshwatch.protocol.text import MAX_CLAIMED, inert

FILE = Path(__file__).with_name("org.meshwatch.xml")

NAME = "org.meshwatch"
ROOT = "/org/meshwatch"

OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PEER = "org.freedesktop.DBus.Peer"
MANAGER = "org.meshwatch.Manager1"
INTERFACE = "org.meshwatch.Interface1"
NEIGHBOR = "org.meshwatch.Neighbor1"

EMITS_CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"

INTEGERS: dict[str, tuple[int, int]] = {
    "n": (-(1 << 15), (1 << 15) - 1),
    "q": (0, (1 << 16) - 1),
    "i": (-(1 << 31), (1 << 31) - 1),
    "u": (0, (1 << 32) - 1),
    "t": (0, (1 << 64) - 1),
}

# What dictionaries hold, as far as it is known.
DICTIONARIES: Mapping[type[Struct], dict[str, str]] = {
    Evidence: {"proof": "s", "silence_ms": "u", "missed": "u", "unanswered": "u"},
    Address: {"address": "s", "scope": "s", "proof": "s"},
    Claim: {
        "claimant": "s",
        "uid": "u",
        "name": "s",
        "nick": "s",
        "jid": "s",
        "fingerprint": "s",
        "verified": "b",
        "claimed_unix_ms": "t",
        "services": "aa{sv}",
    },
    Service: {"type": "s", "instance": "s", "host": "s", "port": "q", "txt": "a{ss}"},
}


class Manager(Struct, frozen=True):
    """The daemon itself, the object at ``ROOT``: ``failures`` says which sources fail, and why."""

    version: str
    failures: dict[str, str]

    @property
    def key(self) -> Key:
        """Identity among the subjects."""
        return Key("manager", 0, "")


Subject = Manager | Interface | Neighbor  # what has an object on the bus

_Fields = Callable[[Subject], tuple[Any, ...]]

INTERFACE_OF: Mapping[type[Subject], str] = {
    Manager: MANAGER,
    Interface: INTERFACE,
    Neighbor: NEIGHBOR,
}


class Property(NamedTuple):
    """One property of the contract, or one entry of its dictionaries: the field that it is made
    of, and what makes of that, unless it is None, a value that its D-Bus type can hold."""

    name: str
    signature: str
    reading: bool
    field: str
    cast: Callable[[Any], object]

    def value(self, of: Struct) -> object:
        """None while it is unknown."""
        plain = attrgetter(self.field)(of)
        return None if plain is None else self.cast(plain)


@lru_cache(maxsize=256)
def label(name: str) -> str:
    """Escape a name for one element of an object path, as systemd's ``bus_label_escape`` does."""
    escaped = "".join(
        chr(byte)
        if chr(byte).isascii() and (chr(byte).isalpha() or (position and chr(byte).isdigit()))
        else f"_{byte:02x}"
        for position, byte in enumerate(name.encode(errors="replace"))
    )
    return escaped or "_"


def path(subject: Subject) -> str:
    """The object path of a subject; that of a neighbor lies below its interface's."""
    if isinstance(subject, Manager):
        return ROOT
    parent = f"{ROOT}/{label(subject.interface)}"
    if isinstance(subject, Interface):
        return parent
    return f"{parent}/n_{subject.address.replace(':', '_')}"


class Contract:
    """The interfaces of the XML file, applied to subjects.

    ``wall_offset_ns`` gives what to add to a monotonic time to make it wall time.
    """

    def __init__(self, wall_offset_ns: Callable[[], int]) -> None:
        self._known = cache(self._known_of)
        self.elements = {
            element.attrib["name"]: element
            for element in ET.parse(FILE).getroot().iter("interface")
        }
        self.properties: dict[str, dict[str, Property]] = {}
        self.methods: dict[str, dict[str, str]] = {}
        for name, element in self.elements.items():
            self.properties[name] = {
                each.attrib["name"]: _property(each, wall_offset_ns)
                for each in element.iter("property")
            }
            self.methods[name] = {
                method.attrib["name"]: "".join(
                    arg.attrib["type"] for arg in method.iter("arg") if arg.get("direction") == "in"
                )
                for method in element.iter("method")
            }

    def interfaces(self, subject: Subject) -> list[str]:
        """All interfaces of the subject's object, its own first."""
        managing = [OBJECT_MANAGER] if isinstance(subject, Manager) else []
        return [INTERFACE_OF[type(subject)], *managing, PROPERTIES, INTROSPECTABLE, PEER]

    def news(self, subject: Subject) -> dict[str, Typed]:
        """The properties of the subject whose value is known, without readings.

        Clients keep what an object manager tells of an object, and a reading has no signal that
        would correct it.
        """
        return self._values(subject, readings=False)

    def values(self, subject: Subject) -> dict[str, Typed]:
        """The properties of the subject whose value is known, readings included."""
        return self._values(subject, readings=True)

    def _values(self, subject: Subject, *, readings: bool) -> dict[str, Typed]:
        properties, fields = self._known(type(subject), readings)
        return {
            each.name: Typed(each.signature, each.cast(plain))
            for each, plain in zip(properties, fields(subject), strict=True)
            if plain is not None
        }

    def _known_of(self, kind: type[Subject], readings: bool) -> tuple[list[Property], _Fields]:
        """The properties of such subjects, and what gets their fields, all at once."""
        every = self.properties[INTERFACE_OF[kind]].values()
        properties = [each for each in every if readings or not each.reading]
        return properties, attrgetter(*(each.field for each in properties))

    def difference(self, old: Subject, new: Subject) -> tuple[dict[str, Typed], list[str]]:
        """News between two states of a subject: what changed, and what is no longer known."""
        changed, invalidated = {}, []
        properties, fields = self._known(type(new), False)
        for each, is_, was in zip(properties, fields(new), fields(old), strict=True):
            if is_ == was:
                continue
            if is_ is None:
                invalidated.append(each.name)
            elif was is None or each.cast(is_) != each.cast(was):
                changed[each.name] = Typed(each.signature, each.cast(is_))
        return changed, invalidated

    def introspection(self, subject: Subject | None, children: list[str]) -> str:
        """The XML for an object, or for a mere step on the way to one (None)."""
        node = ET.Element("node")
        node.extend(self.elements[name] for name in (self.interfaces(subject) if subject else ()))
        for child in children:
            ET.SubElement(node, "node", name=child)
        return ET.tostring(node, encoding="unicode")


def _property(element: ET.Element, wall_offset_ns: Callable[[], int]) -> Property:
    name, signature = element.attrib["name"], element.attrib["type"]
    annotation = element.find("annotation")
    reading = annotation is not None and annotation.get("value") == "false"
    key = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    key = f"readings.{key}" if reading else key
    return Property(name, signature, reading, *_made(key, signature, wall_offset_ns))


def _made(
    key: str, signature: str, wall_offset_ns: Callable[[], int]
) -> tuple[str, Callable[[Any], object]]:
    """What a key of the sockets is made of: a field of a row or of what a row holds, and how."""
    if key.endswith("_unix_ms"):
        cast = _cast(signature)
        field = key.removesuffix("_unix_ms") + "_ns"
        return field, lambda plain: cast((plain + wall_offset_ns()) // 1_000_000)
    return key, _dictionaries(wall_offset_ns) if "{sv}" in signature else _cast(signature)


def _dictionaries(wall_offset_ns: Callable[[], int]) -> Callable[[Any], object]:
    """What makes dictionaries of one object or several."""

    @cache
    def entries(of: type[Struct]) -> list[Property]:
        return [
            Property(key, signature, False, *_made(key, signature, wall_offset_ns))
            for key, signature in DICTIONARIES[of].items()
        ]

    def dictionary(of: Struct) -> dict[str, Typed]:
        return {
            each.name: Typed(each.signature, value)
            for each in entries(type(of))
            if (value := each.value(of)) is not None
        }

    def cast(plain: Any) -> object:
        return (
            [dictionary(each) for each in plain] if isinstance(plain, tuple) else dictionary(plain)
        )

    return cast


def _cast(signature: str) -> Callable[[Any], object]:
    """What makes of a field of the model a value that its D-Bus type can hold, whatever the kernel
    said."""
    if signature == "a{ss}":
        return _texts
    if signature == "as":
        return lambda plain: [inert(each) for each in plain]
    if signature in INTEGERS:
        low, high = INTEGERS[signature]
        return lambda plain: low if plain < low else high if plain > high else int(plain)
    return bool if signature == "b" else _text


def _texts(plain: Any) -> dict[str, str]:
    return {inert(key): inert(value, MAX_CLAIMED) for key, value in dict(plain).items()}


def _text(plain: object) -> str:
    if isinstance(plain, IntEnum):
        return plain.name.lower()
    if isinstance(plain, int):  # reach: bits, in hex as on the sockets
        return f"{plain:04x}"
    # D-Bus carries valid UTF-8 without NUL and drops the connection of who sends other.
    return inert(str(plain), MAX_CLAIMED)
