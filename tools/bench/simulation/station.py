"""The kernel's station entry of a neighbor, as mac80211 keeps it and nl80211 tells it."""

from __future__ import annotations

from meshwatch.model import Plink
from meshwatch.observations import Station, StationField

MS = 1_000_000  # ns
JIFFY_NS = 4 * MS  # CONFIG_HZ=250, Debian's: inactive times are multiples of it

_SAID = {
    "INACTIVE_MS": 0,
    "CONNECTED_S": 0,
    "RX_PACKETS": 0,
    "TX_PACKETS": 0,
    "TX_RETRIES": 0,
    "TX_FAILED": 0,
    "SIGNAL_DBM": -60,
    "SIGNAL_AVG_DBM": -60,
    "AIRTIME_METRIC": 8193,
    "PLINK": int(Plink.ESTAB),
    "LLID": 4711,
    "PLID": 815,
    "LOCAL_PM": 1,
    "PEER_PM": 1,
    "NONPEER_PM": 1,
}
_TEMPLATE = [0] * len(Station._fields)
_TEMPLATE[0] = sum(int(StationField[name]) for name in _SAID)
for _name, _value in _SAID.items():
    _TEMPLATE[Station._fields.index(_name.lower())] = _value
_INACTIVE, _CONNECTED, _RX, _TX, _RETRIES, _FAILED, _PEER_PM = (
    Station._fields.index(name)
    for name in (
        "inactive_ms", "connected_s", "rx_packets", "tx_packets", "tx_retries", "tx_failed",
        "peer_pm",
    )
)  # fmt: skip


class Entry:
    """Established for good: no neighbor of the simulation says goodbye.

    A frame received and a frame acknowledged are both a sign of life
    (``ieee80211_sta_last_active()``, net/mac80211/sta_info.c).
    """

    def __init__(self, now_ns: int, power_mode: int = 1) -> None:
        self.since_ns = now_ns
        self.life_ns = now_ns
        self.power_mode = power_mode
        self.rx_packets = 0
        self.tx_packets = 0
        self.tx_retries = 0
        self.tx_failed = 0

    def received(self, now_ns: int) -> None:
        """A frame came from the neighbor."""
        self.rx_packets += 1
        self.life_ns = max(self.life_ns, now_ns)

    def sent(self, now_ns: int, tries: int, acknowledged: bool) -> None:
        """A frame to the neighbor was acknowledged, or given up after so many tries."""
        self.tx_packets += 1
        self.tx_retries += tries - 1
        if acknowledged:
            self.life_ns = max(self.life_ns, now_ns)
        else:
            self.tx_failed += 1

    def told(self, now_ns: int) -> Station:
        """What a dump says of it at this time."""
        said = _TEMPLATE.copy()
        said[_INACTIVE] = (now_ns // JIFFY_NS - self.life_ns // JIFFY_NS) * (JIFFY_NS // MS)
        said[_CONNECTED] = (now_ns - self.since_ns) // (1000 * MS)
        said[_RX] = self.rx_packets
        said[_TX] = self.tx_packets
        said[_RETRIES] = self.tx_retries
        said[_FAILED] = self.tx_failed
        said[_PEER_PM] = self.power_mode
        return Station._make(said)
