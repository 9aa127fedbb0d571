"""What is published of a link: the row of a neighbor in radio range, and its readings."""

from __future__ import annotations

from functools import lru_cache

from meshwatch.link import Link
from meshwatch.model import Neighbor, Plink, PowerMode, Readings
from meshwatch.observations import Station, StationField
from meshwatch.who import NOBODY, Who

# Plain integers: arithmetic on an IntFlag makes an object for every look at a bit.
(
    _CONNECTED, _RX_BYTES, _TX_BYTES, _RX_PACKETS, _TX_PACKETS, _TX_RETRIES, _TX_FAILED,
    _BEACON_RX, _BEACON_LOSS, _THROUGHPUT, _AIRTIME, _SIGNAL, _SIGNAL_AVG, _ACK_SIGNAL,
    _LOCAL_PM, _PEER_PM, _NONPEER_PM, _GATE, _AS, _FLAGS, _TX_RATE, _RX_RATE,
) = (
    int(StationField[name])
    for name in (
        "CONNECTED_S", "RX_BYTES", "TX_BYTES", "RX_PACKETS", "TX_PACKETS", "TX_RETRIES",
        "TX_FAILED", "BEACON_RX", "BEACON_LOSS", "EXPECTED_THROUGHPUT_KBPS", "AIRTIME_METRIC",
        "SIGNAL_DBM", "SIGNAL_AVG_DBM", "ACK_SIGNAL_DBM", "LOCAL_PM", "PEER_PM", "NONPEER_PM",
        "CONNECTED_TO_GATE", "CONNECTED_TO_AS", "FLAGS_SET", "TX_RATE_KBPS", "RX_RATE_KBPS",
    )
)  # fmt: skip
_MFP = 1 << 4  # NL80211_STA_FLAG_MFP
_AUTHENTICATED = 1 << 5  # NL80211_STA_FLAG_AUTHENTICATED

_POWER_MODES = {int(mode): mode for mode in PowerMode}
_SECURITY = {0: "open", 1: "sae", 2: "802.1x"}  # IEEE 802.11-2020 table 9-258
_METRIC_INFINITE = 0xFFFFFFFF
_NO_STATION = Station(*(0,) * len(Station._fields))


def neighbor(link: Link, interface: str, first_heard_ns: int, who: Who = NOBODY) -> Neighbor:
    """The row to publish; only while the link has a presence."""
    assert link.presence is not None
    s = link.station or _NO_STATION
    p = s.present
    flags = s.flags_mask if p & _FLAGS else 0  # those of which the kernel speaks
    beacon = link.beacon
    return Neighbor(
        ifindex=link.ifindex,
        interface=interface,
        address=link.address,
        presence=link.presence,
        reason=link.reason,
        evidence=link.evidence,
        since_ns=max(link.since_ns, first_heard_ns),
        first_heard_ns=first_heard_ns,
        plink=link.plink,
        llid=s.llid or None,
        plid=s.plid or None,
        gate=_either(p & _GATE, s.connected_to_gate, beacon.gate if beacon else None),
        authentication_server=_either(
            p & _AS, s.connected_to_as, beacon.authentication_server if beacon else None
        ),
        authenticated=bool(s.flags_set & _AUTHENTICATED) if flags & _AUTHENTICATED else None,
        mfp=bool(s.flags_set & _MFP) if flags & _MFP else None,
        security=_security(link, s.flags_set & flags),
        mesh_id=escaped(beacon.mesh_id) if beacon else None,
        accepting=beacon.accepting if beacon else None,
        one_sided=link.one_sided,
        addresses=who.addresses(link.presence),
        name=who.name,
        nick=who.nick,
        jid=who.jid,
        disputed=who.disputed,
        claims=who.claims,
        restarts=link.restarts,
        clash=who.clash,
        readings=readings(link),
    )


def readings(link: Link) -> Readings:
    """What drifts, as of the newest evidence."""
    assert link.life_ns is not None
    s = link.station or _NO_STATION
    p = s.present
    # The metric moves only with what is sent, and says nothing before some frames were.
    measured = (
        link.plink is Plink.ESTAB and s.airtime_metric != _METRIC_INFINITE and link.traffic.measured
    )
    return Readings(
        last_heard_ns=link.life_ns,
        reach=link.reach.after(link.patience.missed(link.silence_ns)),
        connected_s=s.connected_s if p & _CONNECTED else None,
        signal_dbm=_signal_dbm(link, s),
        signal_avg_dbm=s.signal_avg_dbm if p & _SIGNAL_AVG else None,
        ack_signal_dbm=s.ack_signal_dbm if p & _ACK_SIGNAL else None,
        airtime_metric=s.airtime_metric if measured and p & _AIRTIME else None,
        expected_throughput_kbps=(
            s.expected_throughput_kbps if measured and p & _THROUGHPUT else None
        ),
        measured_ns=link.traffic.moved_ns if measured else None,
        beacon_interval_tu=link.patience.cadence.known_tu,
        loss_percent=link.patience.loss_percent,
        peers=link.beacon.peers if link.beacon else None,
        tx_rate_kbps=s.tx_rate_kbps if p & _TX_RATE else None,
        rx_rate_kbps=s.rx_rate_kbps if p & _RX_RATE else None,
        tx_bytes=s.tx_bytes if p & _TX_BYTES else None,
        rx_bytes=s.rx_bytes if p & _RX_BYTES else None,
        tx_packets=s.tx_packets if p & _TX_PACKETS else None,
        rx_packets=s.rx_packets if p & _RX_PACKETS else None,
        tx_retries=s.tx_retries if p & _TX_RETRIES else None,
        tx_failed=s.tx_failed if p & _TX_FAILED else None,
        beacon_rx=s.beacon_rx if p & _BEACON_RX else None,
        beacon_loss=s.beacon_loss if p & _BEACON_LOSS else None,
        local_pm=_POWER_MODES.get(s.local_pm) if p & _LOCAL_PM else None,
        peer_pm=_POWER_MODES.get(s.peer_pm) if p & _PEER_PM else None,
        nonpeer_pm=_POWER_MODES.get(s.nonpeer_pm) if p & _NONPEER_PM else None,
    )


@lru_cache  # a beacon brings it each time, and most are the same
def escaped(mesh_id: bytes) -> str:
    """A mesh ID as text: it may be any bytes (IEEE 802.11-2020 9.4.2.99)."""
    text = mesh_id.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _either(known: int, kernels: int, beacons: bool | None) -> bool | None:
    """What the kernel says; else what the beacon said."""
    return bool(kernels) if known else beacons


def _security(link: Link, flags: int) -> str | None:
    """Of an established link the kernel knows; beacons are signed by nobody."""
    if flags & _MFP:
        return "sae"  # in a mesh, only SAE gives keys to protect management frames with
    if link.plink is Plink.ESTAB:
        # The kernel's own peering manager, which fills in the ids, makes open links only.
        return "open" if link.ids is not None else None
    return _SECURITY.get(link.beacon.authentication) if link.beacon is not None else None


def _signal_dbm(link: Link, s: Station) -> int | None:
    """The newest: of the last beacon, or of whatever the kernel heard last. 0 dBm is no signal,
    but a station entry without one."""
    beacons = link.beacon_signal_dbm
    if link.beacon is not None and beacons is not None:
        return beacons
    return s.signal_dbm if s.present & _SIGNAL and s.signal_dbm else beacons
