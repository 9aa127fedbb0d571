"""What a daemon said of one neighbor, and when, by the guest's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kernel.lab import Daemon, address, until


@dataclass(frozen=True)
class Told:
    """A change of presence."""

    at: float  # CLOCK_MONOTONIC of the guest, s
    presence: str | None  # None: removed
    reason: str
    evidence: dict[str, Any]  # empty if nothing was said of it


def told(daemon: Daemon, interface: str, index: int, since_s: float = 0.0) -> list[Told]:
    """Every change of presence of radio ``index``, as seen from ``interface``, in order."""
    found: list[Told] = []
    for line in daemon.lines():
        row = line.get("neighbor")
        if line["at"] < since_s or row is None or line["class"] == "reading":
            continue
        if (row["interface"], row["address"]) != (interface, address(index)):
            continue
        if line["class"] == "removed":
            found.append(Told(line["at"], None, line["reason"], line.get("evidence", {})))
        elif "presence" in line.get("was", {"presence": None}):
            found.append(Told(line["at"], row["presence"], row["reason"], row.get("evidence", {})))
    return found


def neighbor(daemon: Daemon, interface: str, index: int) -> dict[str, Any]:
    """The row of radio ``index`` as seen from ``interface``; empty if there is none."""
    return daemon.rows().get((interface, address(index)), {})


def presence(daemon: Daemon, interface: str, index: int) -> str | None:
    """None: not in the table."""
    return neighbor(daemon, interface, index).get("presence")


def await_presence(
    daemon: Daemon, interface: str, index: int, wanted: str | None, within_s: float
) -> None:
    """Wait until the neighbor is shown so."""
    until(
        lambda: presence(daemon, interface, index) == wanted,
        within_s,
        lambda: (
            f"{daemon.name}: {interface} sees {index} as {presence(daemon, interface, index)}, "
            f"not {wanted}; {told(daemon, interface, index)[-5:]}"
        ),
    )


def await_row(daemon: Daemon, interface: str, index: int, within_s: float, **wanted: Any) -> None:
    """Wait until these keys of the row have these values; None: absent, or there is no row."""

    def shown() -> dict[str, Any]:
        row = neighbor(daemon, interface, index)
        return {key: row.get(key) for key in wanted}

    until(
        lambda: shown() == wanted,
        within_s,
        lambda: f"{daemon.name}: {interface} shows of {index} {shown()}, not {wanted}",
    )
