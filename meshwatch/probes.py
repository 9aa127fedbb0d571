"""Link probes on one interface: what becomes of a frame to a station, told by its station entry.

NL80211_CMD_PROBE_MESH_LINK (CAP_NET_ADMIN) has a frame sent straight to a station, past path
selection, with all the retries of an ordinary one. Nobody reports what became of it, but the
entry shows it: if the station's radio acknowledged, its inactive time begins anew
(ieee80211_sta_last_active in net/mac80211/sta_info.c), if not, it has one more failed
transmission. So the station is looked at, the frame sent, and the station looked at again.

An acknowledgement may come a millisecond after the frame, so it is told by a sign of life later
than the one known before. When that was, a look tells only within a tick of the kernel's clock,
and within the time between question and answer.
"""

from __future__ import annotations

from typing import NamedTuple

from meshwatch.observations import Station, StationField
from meshwatch.pace import MS_NS

FRAME_BYTES = 60  # the shortest on an Ethernet
LOOKS_NS = (30 * MS_NS, 60 * MS_NS, 120 * MS_NS)
ANSWER_NS = 150 * MS_NS

TICK_NS = 10 * MS_NS  # at most (CONFIG_HZ=100)

_INACTIVE = int(StationField.INACTIVE_MS)
_FAILED = int(StationField.TX_FAILED)


class _Sent(NamedTuple):
    now: int
    life_ns: int  # the last sign of life before
    tx_failed: int | None  # before


class Probes:
    """The probes that are wanted or under way, one a station."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._sent: dict[str, _Sent] = {}

    @property
    def any(self) -> bool:
        """There is one."""
        return bool(self._wanted or self._sent)

    def want(self, address: str, now: int) -> bool:
        """Whether to look at this station, and then to send a frame, because of this wish."""
        sent = self._sent.get(address)
        if address in self._wanted or (sent is not None and now - sent.now < ANSWER_NS):
            return False
        self._wanted.add(address)
        return True

    def ready(self, address: str) -> bool:
        """This station was looked at just now: whether to send it a frame."""
        if address not in self._wanted:
            return False
        self._wanted.remove(address)
        return True

    def sent(self, address: str, before: Station | None, heard_ns: int, now: int) -> None:
        """A frame was sent to the station, last described like this at ``heard_ns``."""
        life_ns, tx_failed = now, None
        if before and before.present & _INACTIVE:
            life_ns = heard_ns - before.inactive_ms * MS_NS
        if before and before.present & _FAILED:
            tx_failed = before.tx_failed
        self._sent[address] = _Sent(now, life_ns, tx_failed)

    def answered(self, address: str, station: Station, asked_ns: int, heard_ns: int) -> bool | None:
        """Asked at ``asked_ns``, this was heard of the station at ``heard_ns``: whether it
        acknowledged the frame, if that is news."""
        sent = self._sent.get(address)
        if sent is None:
            return None
        answer: bool | None = None
        if heard_ns - sent.now <= ANSWER_NS:
            inactive_ns = station.inactive_ms * MS_NS
            after = heard_ns - inactive_ns >= sent.now - TICK_NS
            later = asked_ns - inactive_ns > sent.life_ns + TICK_NS
            if station.present & _INACTIVE and after and later:
                answer = True
            elif station.present & _FAILED and sent.tx_failed is not None:
                answer = False if station.tx_failed > sent.tx_failed else None
        if answer is not None or heard_ns - sent.now > ANSWER_NS:
            del self._sent[address]
        return answer

    def drop(self, address: str) -> None:
        """There is no such station, or the frame was refused."""
        self._wanted.discard(address)
        self._sent.pop(address, None)
