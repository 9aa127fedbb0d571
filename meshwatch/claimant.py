"""Tells the daemon what the agent knows: datagrams to claims.sock, never waited for."""

from __future__ import annotations

import socket
from pathlib import Path

from meshwatch.complaints import Complaints


class Claimant:
    """The agent's side of claims.sock."""

    def __init__(self, runtime_directory: str) -> None:
        self.unclaimed = 0  # claims the daemon could not be told of
        self._path = str(Path(runtime_directory) / "claims.sock")
        self._complaints = Complaints()

    def claim(self, datagram: bytes) -> bool:
        """Send it; whether the daemon can have got it."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto(datagram, self._path)
        except OSError as error:
            self.unclaimed += 1
            self._complaints.fails(self._path, "cannot tell the daemon at", error)
            return False
        self._complaints.works(self._path)
        return True
