"""How late somebody knew what had happened to a neighbor on the air, and what he never knew."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tools.harness import capture

TU_S = 0.001024


def address(index: int) -> str:
    """Of a radio's mesh interface."""
    return f"02:00:00:00:{index:02x}:00"


class Verdict(NamedTuple):
    """What somebody said at a time: here, quiet, gone."""

    at: float
    word: str
    silence_s: float | None = None  # as the verdict itself says


class Knower(NamedTuple):
    """Somebody who wants to know, and how to read what he said."""

    name: str
    address: str
    said: Callable[[str], list[Verdict]]  # of this neighbor
    waited: bool = True  # the next event comes when he has said so


class Column:
    """The delays of one knower for one kind of event."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []
        self.never = 0
        self._untold = 0

    def add(self, delay_s: float | None) -> None:
        """One event; None: he did not come to know it."""
        if delay_s is None:
            self.never += 1
        else:
            self.delays_s.append(delay_s)

    def add_untold(self) -> None:
        """One event that he came to know; how late cannot be told."""
        self._untold += 1

    def __str__(self) -> str:
        if not self.delays_s and not self._untold:
            return "never" if self.never else "-"
        text = "-"
        if self.delays_s:
            text = f"{statistics.median(self.delays_s) * 1e3:.0f}/{max(self.delays_s) * 1e3:.0f}"
        return text + (f" ({self.never} never)" if self.never else "")


class Heard(NamedTuple):
    """What concerned the neighbors on the air, from hwsim0."""

    beacons: dict[str, list[float]]
    peering: list[tuple[float, int, str, str]]  # time, action, transmitter, receiver


def read_air(path: Path) -> Heard:
    """The frames of the capture that matter."""
    beacons: dict[str, list[float]] = defaultdict(list)
    peering = []
    for frame in capture.read(path):
        header = frame.mpdu
        if len(header) < 26:
            continue
        receiver, transmitter = header[4:10].hex(":"), header[10:16].hex(":")
        if header[0] == 0x80:
            beacons[transmitter].append(frame.time_ns / 1e9)
        elif header[0] == 0xD0 and header[24] == 15:
            peering.append((frame.time_ns / 1e9, header[25], transmitter, receiver))
    return Heard(beacons, peering)


class Event(NamedTuple):
    """Something that was done: between these times, and what somebody must say to know it."""

    kind: str
    radio: int
    began: float
    ended: float
    word: str
    moved: float = 0.0  # when the neighbor was out of reach, or back


def truth(event: Event, air: Heard, knower: Knower) -> float | None:
    """When it happened on the air, for this one."""
    neighbor = address(event.radio)
    both = {neighbor, knower.address}
    ours = [p for p in air.peering if both == {*p[2:]} and event.began <= p[0] < event.ended]
    beacons = air.beacons[neighbor]
    match event.kind:
        case "established" | "re-established":
            confirms = [at for at, action, _, _ in ours if action == 2]
            return confirms[-1] if confirms else None
        case "closed":
            closes = [at for at, action, sender, _ in ours if action == 3 and sender == neighbor]
            return closes[0] if closes else None
        case "vanished":
            before = [at for at in beacons if at <= event.moved]
            return before[-1] if before else None
        case _:
            after = [at for at in beacons if event.moved - 0.01 <= at < event.ended]
            return after[0] if after else None


def known(event: Event, knower: Knower, before: float) -> Verdict | None:
    """What he said first; from ``before`` on it may be about what happened next."""
    said = knower.said(address(event.radio))
    return next((v for v in said if event.began <= v.at < before and v.word == event.word), None)


def delay_s(
    event: Event, verdict: Verdict, air: Heard, knower: Knower, loss: float
) -> float | None:
    """From the truth to his word; from what he says himself, if frames get lost on their way.
    None: that cannot be told."""
    if loss:
        return verdict.silence_s if event.kind == "vanished" else None
    at = truth(event, air, knower)
    return None if at is None else verdict.at - at


def filled(kind: str, events: list[Event], air: Heard, knower: Knower, loss: float) -> Column:
    """What one knower made of the events of one kind."""
    column = Column()
    for place, event in enumerate(events):
        if event.kind != kind:
            continue
        later = (next_.began for next_ in events[place + 1 :] if next_.radio == event.radio)
        verdict = known(event, knower, next(later, math.inf))
        delay = delay_s(event, verdict, air, knower, loss) if verdict else None
        if verdict and delay is None:
            column.add_untold()
        else:
            column.add(delay)
    return column


def report(
    events: list[Event],
    air: Heard,
    knowers: list[Knower],
    interval_tu: int,
    loss: float,
) -> None:
    """The table: median and worst, in ms and, for the vanished, in beacon intervals."""
    kinds = ("established", "re-established", "closed", "vanished", "returned")
    print(f"{'median/worst, ms':<16}" + "".join(f"{knower.name:>23}" for knower in knowers))
    for kind in kinds:
        cells = []
        for knower in knowers:
            column = filled(kind, events, air, knower, loss)
            text = str(column)
            if kind == "vanished" and column.delays_s:
                text += f" {statistics.median(column.delays_s) / (interval_tu * TU_S):.2f} B"
            cells.append(f"{text:>23}")
        if any(event.kind == kind for event in events):
            print(f"{kind:<16}" + "".join(cells))
