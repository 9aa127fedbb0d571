"""Which idle links of one interface to measure, and when.

Airtime metric, throughput and transmit rate are of the sender's making: rate control learns
them from frames that are sent (minstrel, every 50 ms), and where nothing is sent they stay what
they were, or what was assumed when the link came up. A few frames teach it, one after the
other, so that each may be sent at another rate.
"""

from __future__ import annotations

from typing import NamedTuple

from meshwatch.model import Plink
from meshwatch.observations import Station, StationField
from meshwatch.pace import MS_NS, SILENT_MS

FRAME_BYTES = 200
FRAMES = 6
FRAME_GAP_NS = 100 * MS_NS
IDLE_NS = 600_000 * MS_NS
REST_NS = 10_000 * MS_NS

_ESTAB = int(Plink.ESTAB)
_DESCRIBED = int(StationField.PLINK | StationField.INACTIVE_MS | StationField.TX_PACKETS)
_MEASURED = int(StationField.EXPECTED_THROUGHPUT_KBPS)


class _Link(NamedTuple):
    tx_packets: int
    idle_since_ns: int


class Measuring:
    """One link at a time, and rarely."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._address = ""  # being measured
        self._times: list[int] = []  # of the frames yet to be sent
        self._rests_until_ns: int | None = None

    def looked(self, address: str, station: Station, now: int) -> None:
        """A look showed this station: whether it is time to measure the link to it."""
        usable = station.present & _DESCRIBED == _DESCRIBED and station.plink == _ESTAB
        if not usable or station.inactive_ms >= SILENT_MS:
            self._links.pop(address, None)
            return
        # Frames of peering are sent at a fixed rate and teach nothing.
        measured = bool(station.present & _MEASURED)
        last = self._links.get(address)
        if last is None:
            since_ns = now if measured else now - IDLE_NS
        else:
            moved = measured and station.tx_packets != last.tx_packets
            since_ns = now if moved else last.idle_since_ns
        resting = self._rests_until_ns is not None and now < self._rests_until_ns
        if now - since_ns >= IDLE_NS and not resting:
            self._address, self._rests_until_ns = address, now + REST_NS
            self._times = [now + number * FRAME_GAP_NS for number in range(FRAMES)]
            since_ns = now
        self._links[address] = _Link(station.tx_packets, since_ns)

    def due(self) -> int | None:
        """When the next frame is to be sent."""
        return self._times[0] if self._times else None

    def take(self, now: int) -> str | None:
        """To whom a frame is to be sent now."""
        if not self._times or self._times[0] > now:
            return None
        self._times = [time for time in self._times if time > now]
        return self._address

    def keep(self, addresses: frozenset[str]) -> None:
        """Only these stations exist."""
        for address in self._links.keys() - addresses:
            del self._links[address]
