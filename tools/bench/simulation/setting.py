"""A simulated world before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tools.bench.simulation.air import MS, TU_NS, Air

SECOND_NS = 1000 * MS


class Form(StrEnum):
    """What the daemon may do, and who helps it."""

    TAP = "tap"  # hears beacons and sends probes
    BARE = "bare"  # looks at stations; an agent pokes
    PASSIVE = "passive"  # looks at stations


@dataclass(frozen=True)
class Setting:
    """``tries``: of a unicast frame at most; ``poll_ns``: from dump to dump;
    ``frames_per_minute``: that each neighbor sends besides its beacons, at any time."""

    form: Form
    interval_tu: int
    air: Air
    neighbors: int = 1
    tries: int = 7
    poll_ns: int = SECOND_NS
    frames_per_minute: float = 0.0

    @property
    def interval_ns(self) -> int:
        """From beacon to beacon."""
        return self.interval_tu * TU_NS
