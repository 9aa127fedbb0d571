"""meshwatch-agent(8): what is done on behalf of the table, outside the daemon, duty by duty."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from meshwatch.client import Disconnected, Event, Mirror, Resynchronised, follow

log = logging.getLogger(__name__)


class Duty(Protocol):
    """One thing that the agent does; each knows nothing of the others."""

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this. Not called with what a replaying daemon tells."""

    def close(self) -> None:
        """Do no more."""

    def summary(self) -> str:
        """What was done, for the log."""


class Agent:
    """Follows a daemon and hands what it tells to the duties."""

    def __init__(self, runtime_directory: str, duties: Sequence[Duty]) -> None:
        self._directory = runtime_directory
        self._duties = duties

    async def run(self) -> None:
        """Serve until cancelled. Raises ProtocolError if the daemon speaks another protocol."""
        try:
            async with follow(self._directory) as daemon:
                async for event in daemon:
                    self._take(event, daemon.mirror)
        finally:
            for duty in self._duties:
                duty.close()

    def _take(self, event: Event, mirror: Mirror) -> None:
        real = mirror.version is not None and mirror.version.replay is None
        match event:
            case Disconnected(why=why):
                log.info("lost meshwatchd: %s", why)
            case Resynchronised(version=version):
                what = "" if real else ", which replays a recording: nothing is done"
                log.info("following meshwatchd %s%s", version.release, what)
        # What a recording tells is not of this machine, and not now.
        if real or isinstance(event, Disconnected):
            for duty in self._duties:
                duty.take(event, mirror)
