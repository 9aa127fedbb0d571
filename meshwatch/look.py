"""What one look at nl80211 found, and how far it can be believed.

A look is a dump. Stations that it does not hold are gone (a *sweep*) only if it was complete,
not torn, and begun after the newest event of its interface. It is torn by NLM_F_DUMP_INTR, by
a message that could not be read, and by parts of different generations: the kernel continues a
station dump by position and does not set NLM_F_DUMP_INTR, so that an entry destroyed meanwhile
makes it skip another one. What DEL_STATION said holds against the look under way. A look at the
interfaces counts as a whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from meshwatch.model import InterfaceType
from meshwatch.netlink import INTERRUPTED, Request
from meshwatch.observations import InterfaceSeen, Station, StationField, StationSeen
from meshwatch.records import InterfaceInfo, Message

_GENERATION = int(StationField.GENERATION)  # arithmetic with an IntFlag takes a microsecond

# enum nl80211_iftype
_TYPES = {1: InterfaceType.IBSS, 7: InterfaceType.MESH}
_MONITOR = 6


class Look(NamedTuple):
    """What is looked at: all interfaces (0, ""), an interface's stations, one of them; or, with
    a frame of so many bytes, how the radio of that one takes it."""

    ifindex: int
    address: str = ""
    frame_bytes: int = 0


INTERFACES = Look(0)


@dataclass(slots=True)
class Findings:
    """A look under way."""

    look: Look
    asked_ns: int
    interfaces: list[InterfaceSeen] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    _spoiled: bool = False
    _deleted: set[str] = field(default_factory=set)
    _generations: set[int] = field(default_factory=set)

    def add_station(self, message: Message) -> StationSeen | None:
        """A part described this station; None if that is not to be believed any more."""
        station = message.body
        if not isinstance(station, Station) or message.ifindex != self.look.ifindex:
            return None
        if station.present & _GENERATION:
            self._generations.add(station.generation)
        if message.address in self._deleted:
            return None
        self.addresses.add(message.address)
        return StationSeen(message.ifindex, message.address, station)

    def add_interface(self, message: Message, only: frozenset[str] | None) -> None:
        """A part described this interface; its type is of no interest if its name is not."""
        found = interface_seen(message, only)
        if found is not None:
            self.interfaces.append(found)

    def spoil(self, deleted: str = "") -> None:
        """An event came that the look may not know of; it may have deleted an address."""
        self._spoiled = True
        if deleted:
            self._deleted.add(deleted)

    @property
    def spoiled(self) -> bool:
        """What the look does not hold may exist all the same."""
        return self._spoiled

    def torn(self, request: Request[Findings]) -> str:
        """Why entries may be missing from the answers to ``request``; "" = none is."""
        return request.torn or (INTERRUPTED if len(self._generations) > 1 else "")


def interface_seen(message: Message, only: frozenset[str] | None = None) -> InterfaceSeen | None:
    """The interface that a message describes; ``only`` those of these names have a type."""
    info = message.body
    if not isinstance(info, InterfaceInfo) or not message.ifindex:
        return None  # a P2P device has no network device
    return InterfaceSeen(
        message.ifindex,
        info.name,
        _TYPES.get(info.iftype) if only is None or info.name in only else None,
        info.wiphy,
        info.address,
        info.frequency_mhz,
        monitor=info.iftype == _MONITOR,
    )
