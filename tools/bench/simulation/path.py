"""The kernel's mesh path to a neighbor, which a datagram needs first."""

from __future__ import annotations

from tools.bench.simulation.air import TU_NS
from tools.bench.simulation.neighbor import Neighbor

#: When a path is asked for, after the datagram that needs it, and when that is given up
#: (net/mac80211/mesh_hwmp.c: min_discovery_timeout is 100 TU, and doubled each time).
ASKED_NS = (0, 100 * TU_NS, 300 * TU_NS)
GIVEN_UP_NS = 700 * TU_NS
VALID_NS = 5_000 * TU_NS  # dot11MeshHWMPactivePathTimeout


class Path:
    """To one neighbor; ``tries`` is how often the radios send a unicast frame at most."""

    def __init__(self, neighbor: Neighbor, tries: int) -> None:
        self.neighbor = neighbor
        self._tries = tries
        self._valid_until_ns = 0
        self._asking_until_ns = 0

    def datagram(self, now_ns: int) -> tuple[int, ...]:
        """A program sends one: it goes out, or waits; then these are the times to ask."""
        if now_ns < self._valid_until_ns:
            if not self.neighbor.exchange(now_ns, self._tries).acknowledged:
                self._valid_until_ns = 0  # broken
            return ()
        if now_ns < self._asking_until_ns:
            return ()
        self._asking_until_ns = now_ns + GIVEN_UP_NS
        return tuple(now_ns + after_ns for after_ns in ASKED_NS)

    def ask(self, now_ns: int) -> None:
        """Send a path request, unless the path is known by now."""
        if now_ns >= self._valid_until_ns and self.neighbor.replies(now_ns, self._tries):
            self._valid_until_ns = now_ns + VALID_NS
            self._asking_until_ns = 0
