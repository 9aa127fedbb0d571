"""Logs that lie: what a follower got, with changes that no meshwatchd would have told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

Line = tuple[float, dict[str, Any]]  # the second of its arrival, and what it says


def falsified(log: Iterable[bytes], change: Callable[[float, dict[str, Any]], list[Line]]) -> bytes:
    """The log with each line replaced by what ``change`` makes of it."""
    lines: list[Line] = []
    for raw in log:
        stamp, _, text = raw.partition(b" ")
        lines += change(float(stamp), json.loads(text))
    lines.sort(key=lambda line: line[0])
    return b"".join(b"%.6f " % at + json.dumps(message).encode() + b"\n" for at, message in lines)


def about(message: dict[str, Any], neighbor: str) -> bool:
    """Whether a line is about this neighbor of mesh0."""
    row = message.get("neighbor", {})
    return bool(row.get("interface") == "mesh0" and row.get("address") == neighbor)


def without_removals(log: Iterable[bytes], neighbor: str) -> bytes:
    """Of a daemon that tells no departure."""
    return falsified(
        log,
        lambda at, message: (
            [] if message["class"] == "removed" and about(message, neighbor) else [(at, message)]
        ),
    )


def with_ghost(log: Iterable[bytes], neighbor: str, ghost: str) -> bytes:
    """Of a daemon that tells of somebody, half a second after a neighbor, who never was there."""

    def add(at: float, message: dict[str, Any]) -> list[Line]:
        lines = [(at, message)]
        if message["class"] == "changed" and about(message, neighbor):
            lines.append(
                (at + 0.5, message | {"neighbor": message["neighbor"] | {"address": ghost}})
            )
        return lines

    return falsified(log, add)


def with_false_departure(log: Iterable[bytes], neighbor: str) -> bytes:
    """Of a daemon that takes its leave of somebody who is there, 0.1 s after his last change."""
    changes: list[Line] = []

    def note(at: float, message: dict[str, Any]) -> list[Line]:
        if message["class"] == "changed" and about(message, neighbor):
            changes.append((at, message))
        return [(at, message)]

    told = falsified(log, note)
    at, message = changes[-1]
    departure = (at + 0.1, message | {"class": "removed", "reason": "silent"})
    return falsified(
        told.splitlines(),
        lambda now, said: (
            [(now, said), departure] if (now, said) == (at, message) else [(now, said)]
        ),
    )


def late(log: Iterable[bytes], neighbor: str, seconds: float) -> bytes:
    """Of a daemon that tells everything of a neighbor so much later."""

    def delay(at: float, message: dict[str, Any]) -> list[Line]:
        return [(at + seconds if about(message, neighbor) else at, message)]

    return falsified(log, delay)
