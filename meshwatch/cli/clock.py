"""What time it is for a viewer of the table: now, or in a replay a moment of the recording."""

from __future__ import annotations

import time

from meshwatch.client import Mirror


class Clock:
    """Wall time in the daemon's world."""

    def __init__(self) -> None:
        self._newest_unix_ms = 0
        self._at_s = 0.0

    def now_unix_ms(self, mirror: Mirror) -> int:
        """The present; in a replay the newest moment that the daemon told of, and on from there."""
        if mirror.version is None or mirror.version.replay is None:
            return time.time_ns() // 1_000_000
        told = [source.since_unix_ms for source in mirror.sources.values()]
        for neighbor in mirror.neighbors.values():
            told += (neighbor.since_unix_ms, neighbor.readings.last_heard_unix_ms)
        now_s = time.monotonic()
        going_on = self._newest_unix_ms + int((now_s - self._at_s) * 1000)
        newest = max(told, default=0)
        if newest <= going_on and self._newest_unix_ms:
            return going_on
        self._newest_unix_ms, self._at_s = newest, now_s
        return newest
