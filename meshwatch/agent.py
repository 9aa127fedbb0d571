"""meshwatch-agent(8): what goes out into the world on behalf of the table, outside the daemon."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from pathlib import Path

from meshwatch.client import (
    Came,
    Changed,
    Disconnected,
    Event,
    Mirror,
    Neighbor,
    Removed,
    Resynchronised,
    follow,
)
from meshwatch.poke import Schedule, link_local
from meshwatch.protocol import claims

log = logging.getLogger(__name__)

DISCARD_PORT = 9  # RFC 863: whoever gets it throws it away


class Agent:
    """Follows a daemon and pokes whom it calls quiet."""

    def __init__(self, runtime_directory: str) -> None:
        self.poked = 0
        self.unsent: Counter[str] = Counter()  # pokes that could not be sent, by interface
        self.unclaimed = 0  # pokes the daemon could not be told of
        self._directory = runtime_directory
        self._claims_path = str(Path(runtime_directory) / "claims.sock")
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._complained: set[str] = set()  # what fails at present and was logged

    async def run(self) -> None:
        """Serve until cancelled. Raises ProtocolError if the daemon speaks another protocol."""
        try:
            async with follow(self._directory) as daemon:
                async for event in daemon:
                    self._take(event, daemon.mirror)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _take(self, event: Event, mirror: Mirror) -> None:
        now = time.monotonic_ns()
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                if _real(mirror):
                    self._schedule.told(neighbor, now)
            case Removed(neighbor=neighbor):
                self._schedule.gone(neighbor)
            case Disconnected(why=why):
                self._schedule.clear()
                log.info("lost meshwatchd: %s", why)
            case Resynchronised(version=version):
                what = "" if _real(mirror) else ", which replays a recording: nobody is poked"
                log.info("following meshwatchd %s%s", version.release, what)
        self._turn()

    def _turn(self) -> None:
        for neighbor in self._schedule.due(time.monotonic_ns()):
            if self._send(neighbor):
                self._claim(neighbor)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._schedule.deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline / 1e9, self._turn)

    def _send(self, neighbor: Neighbor) -> bool:
        """Send an empty datagram to the neighbor; whether it went out."""
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto(b"", (link_local(neighbor.address), DISCARD_PORT, 0, neighbor.ifindex))
        except OSError as error:  # no IPv6 at all, or none on this interface, or it is down
            self.unsent[neighbor.interface] += 1
            self._complain(neighbor.interface, "cannot poke on", error)
            return False
        self.poked += 1
        self._complained.discard(neighbor.interface)
        return True

    def _claim(self, neighbor: Neighbor) -> None:
        claim = claims.encode(claims.Poked(neighbor.interface, neighbor.address))
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto(claim, self._claims_path)
        except OSError as error:
            self.unclaimed += 1
            self._complain(self._claims_path, "cannot tell the daemon at", error)
        else:
            self._complained.discard(self._claims_path)

    def _complain(self, where: str, what: str, error: OSError) -> None:
        if where not in self._complained:
            self._complained.add(where)
            log.warning("%s %s: %s", what, where, error.strerror or error)


def _real(mirror: Mirror) -> bool:
    """The neighbors are those of this machine, now, and not of a recording."""
    return mirror.version is not None and mirror.version.replay is None
