"""A laptop whose meshwatchd is in the hands of a test, on an air of network namespaces."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meshwatch.model import Neighbor
from tools.lab.air import Station
from tools.lab.server import Server
from tools.lab.told import Told, neighbor


class Laptop(Server):
    """Prosody on a machine of the air, with a table of neighbors that the test writes."""

    station: Station

    def __init__(self, station: Station, home: Path, user: str, **words: Any) -> None:
        super().__init__(station, home, user, **words)
        self.told = Told(home / "run")

    def __enter__(self) -> Self:
        self.told.__enter__()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self.told.__exit__(kind, error, trace)

    def row(self, other: Laptop, *, named: bool = True, **words: Any) -> Neighbor:
        """What our table says of another laptop."""
        domain = other.domain if named else None
        return neighbor(other.station.address, other.station.link_local, domain, **words)

    def meets(self, other: Laptop, **words: Any) -> float:
        """Our meshwatchd tells that the other came; when, on the monotonic clock."""
        return self.told.say(self.row(other, **words))

    def loses(self, other: Laptop) -> float:
        """Our meshwatchd tells that the other left; when, on the monotonic clock."""
        return self.told.gone(self.row(other))


def meet(one: Laptop, other: Laptop, skew_s: float = 0) -> float:
    """They come into range: the first learns of it ``skew_s`` before the second."""
    one.station.enter()
    other.station.enter()
    told_at = one.meets(other)
    if skew_s:
        threading.Event().wait(skew_s)
    other.meets(one)
    return told_at


def part(one: Laptop, other: Laptop, skew_s: float = 0) -> float:
    """The second walks away; the first learns of it ``skew_s`` before the second does."""
    other.station.leave()
    told_at = one.loses(other)
    if skew_s:
        threading.Event().wait(skew_s)
    other.loses(one)
    return told_at
