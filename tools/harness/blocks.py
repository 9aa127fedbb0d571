"""Which links were given up by hand: no frame says so, whoever does it has to note it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class MalformedBlocks(ValueError):
    """A line that is not `SECONDS STATION OTHER`."""


class Block(NamedTuple):
    """From ``time_ns`` on the station wants no link with the other, until it opens one again."""

    time_ns: int
    station: str
    other: str


def blocks(text: str) -> Iterator[Block]:
    """From lines `SECONDS STATION OTHER` of CLOCK_MONOTONIC, one for each `plink_action block`."""
    for line in text.splitlines():
        try:
            seconds, station, other = line.split()
            yield Block(round(float(seconds) * 1e9), station, other)
        except ValueError:
            raise MalformedBlocks(f"not `SECONDS STATION OTHER`: {line!r}") from None


def read(path: Path) -> list[Block]:
    """From a file."""
    return list(blocks(path.read_text()))
