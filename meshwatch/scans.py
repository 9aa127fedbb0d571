"""Which radios of ours are away from their channel, scanning: they hear no neighbor meanwhile."""

from __future__ import annotations

from meshwatch.observations import ScanSeen
from meshwatch.pace import MS_NS

CMD_TRIGGER_SCAN = 33  # any other event about a scan is its end

# A scan of all channels takes some seconds; that it is over may go by unheard.
SCAN_MAX_NS = 30_000 * MS_NS


class Scans:
    """Scans under way. A radio runs one at a time (net/wireless/nl80211.c refuses a second)."""

    def __init__(self) -> None:
        self._until_ns: dict[int, int] = {}

    def heard(self, command: int, wiphy: int, now: int) -> ScanSeen:
        """An event about a scan of this radio."""
        scanning = command == CMD_TRIGGER_SCAN
        if scanning:
            self._until_ns[wiphy] = now + SCAN_MAX_NS
        else:
            self._until_ns.pop(wiphy, None)
        return ScanSeen(wiphy, scanning)

    def due(self) -> int | None:
        """When a scan is given up."""
        return min(self._until_ns.values(), default=None)

    def take(self, now: int) -> list[ScanSeen]:
        """Scans whose end was not heard."""
        late = [wiphy for wiphy, until_ns in self._until_ns.items() if until_ns <= now]
        for wiphy in late:
            del self._until_ns[wiphy]
        return [ScanSeen(wiphy, False) for wiphy in late]
