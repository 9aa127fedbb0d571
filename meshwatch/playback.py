"""Plays a recording to the table at its own pace or another: the daemon's source in a replay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from meshwatch.model import Change
from meshwatch.nl80211 import FAMILY
from meshwatch.observations import SourceState
from meshwatch.recording import open_recording
from meshwatch.replay import Player, conversations
from meshwatch.table import Table
from meshwatch.wall import WallClock

log = logging.getLogger(__name__)

UNSEEN = "no complete look in this recording"


class Playback:
    """A recording on its way into the table; ``speed`` 0 is as fast as possible.

    ``family`` is nl80211's number in a capture of others, if that is known. Raises OSError and
    MalformedCapture.
    """

    def __init__(
        self, path: Path, speed: float, table: Table, wall: WallClock, family: int = 0
    ) -> None:
        self._path = path
        self._speed = speed
        self._table = table
        self._recording = recording = open_recording(path)
        self._player = Player(recording, conversations(recording, family), table)
        self._first_ns = self._player.deadline() or 0
        # Played as it happened, it happens now: ages read right. At any other speed the times
        # are those of the recording.
        now_ns = time.time_ns() - self._first_ns
        wall.fix(now_ns if speed == 1 else recording.wall_offset_ns)

    def now(self) -> int:
        """The time on the recording's clock."""
        return self._first_ns if self._player.now is None else self._player.now

    async def run(self, publish: Callable[[list[Change]], None]) -> None:
        """Play to the end. Raises MalformedCapture where the file is damaged."""
        began_ns = time.monotonic_ns()
        while (now := self._player.deadline()) is not None:
            wait_ns = 0.0
            if self._speed:
                due_ns = began_ns + (now - self._first_ns) / self._speed
                wait_ns = max(0, due_ns - time.monotonic_ns())
            await asyncio.sleep(wait_ns / 1e9)
            publish(self._player.step())
        self._conclude(publish)

    def _conclude(self, publish: Callable[[list[Change]], None]) -> None:
        """Say what the recording did not tell."""
        if self._recording.cut:
            log.warning("%s ends within a packet: the rest of it is missing", self._path)
        if skipped := self._recording.skipped:
            log.warning("%s: packets that are no netlink or bear no time: %d", self._path, skipped)
        if not self._table.ready:
            log.warning("%s: nl80211: %s; see --family in meshwatchd(8)", self._path, UNSEEN)
            publish(self._table.observe(SourceState(FAMILY, UNSEEN), self.now()))
        log.info("%s is at its end; its last table is served on", self._path)
