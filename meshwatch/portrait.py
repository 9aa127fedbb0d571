"""What is published of a link: the row of a neighbor in radio range, and its readings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from meshwatch.link import Link
from meshwatch.model import Neighbor, Plink, PowerMode, Readings
from meshwatch.observations import Station, StationField
from meshwatch.who import NOBODY, Who

# Plain integers: arithmetic on an IntFlag makes an object for every look at a bit.
_THROUGHPUT, _AIRTIME, _SIGNAL, _GATE, _AS, _FLAGS = (
    int(StationField[name])
    for name in (
        "EXPECTED_THROUGHPUT_KBPS", "AIRTIME_METRIC", "SIGNAL_DBM", "CONNECTED_TO_GATE",
        "CONNECTED_TO_AS", "FLAGS_SET",
    )
)  # fmt: skip
# Readings that are the kernel's figures as they are, where it gives them.
_AS_IT_IS = (
    "connected_s", "signal_avg_dbm", "ack_signal_dbm", "tx_rate_kbps", "rx_rate_kbps", "tx_bytes",
    "rx_bytes", "tx_packets", "rx_packets", "tx_retries", "tx_failed", "beacon_rx", "beacon_loss",
    "local_pm", "peer_pm", "nonpeer_pm",
)  # fmt: skip
# What of a station entry stands in a row beside the readings.
_NEWS = itemgetter(
    *map(
        Station._fields.index,
        ("llid", "plid", "connected_to_gate", "connected_to_as", "flags_mask", "flags_set"),
    )
)
_SAID = attrgetter(  # likewise, of a beacon
    "mesh_id", "accepting", "gate", "authentication_server", "authentication"
)
_MFP = 1 << 4  # NL80211_STA_FLAG_MFP
_AUTHENTICATED = 1 << 5  # NL80211_STA_FLAG_AUTHENTICATED

_POWER_MODES = {int(mode): mode for mode in PowerMode}
_SECURITY = {0: "open", 1: "sae", 2: "802.1x"}  # IEEE 802.11-2020 table 9-258
_METRIC_INFINITE = 0xFFFFFFFF
_NO_STATION = Station(*(0,) * len(Station._fields))


def features(link: Link, interface: str, who: Who) -> tuple[object, ...]:
    """All that :func:`neighbor` draws a row from, but the readings and the time: drawing costs
    more than to see that nothing of it changed."""
    s = link.station or _NO_STATION
    return (
        link.presence, link.reason, link.evidence, link.since_ns, link.plink, link.restarts,
        link.one_sided, interface, who, s.present, _NEWS(s), link.beacon and _SAID(link.beacon),
    )  # fmt: skip


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
    (
        connected_s, signal_avg_dbm, ack_signal_dbm, tx_rate_kbps, rx_rate_kbps, tx_bytes,
        rx_bytes, tx_packets, rx_packets, tx_retries, tx_failed, beacon_rx, beacon_loss,
        local_pm, peer_pm, nonpeer_pm,
    ) = _as_they_are(p)((*s, None))  # fmt: skip
    return Readings(
        last_heard_ns=link.life_ns,
        reach=link.reach.after(link.patience.missed(link.silence_ns)),
        connected_s=connected_s,
        signal_dbm=_signal_dbm(link, s),
        signal_avg_dbm=signal_avg_dbm,
        ack_signal_dbm=ack_signal_dbm,
        airtime_metric=s.airtime_metric if measured and p & _AIRTIME else None,
        expected_throughput_kbps=(
            s.expected_throughput_kbps if measured and p & _THROUGHPUT else None
        ),
        measured_ns=link.traffic.moved_ns if measured else None,
        beacon_interval_tu=link.patience.cadence.known_tu,
        loss_percent=link.patience.loss_percent,
        peers=link.beacon.peers if link.beacon else None,
        tx_rate_kbps=tx_rate_kbps,
        rx_rate_kbps=rx_rate_kbps,
        tx_bytes=tx_bytes,
        rx_bytes=rx_bytes,
        tx_packets=tx_packets,
        rx_packets=rx_packets,
        tx_retries=tx_retries,
        tx_failed=tx_failed,
        beacon_rx=beacon_rx,
        beacon_loss=beacon_loss,
        local_pm=_POWER_MODES.get(local_pm),
        peer_pm=_POWER_MODES.get(peer_pm),
        nonpeer_pm=_POWER_MODES.get(nonpeer_pm),
    )


@lru_cache  # a driver says the same from look to look
def _as_they_are(present: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """From a station entry and a None behind it: each figure that the kernel gives, else None."""
    nothing = len(Station._fields)
    return itemgetter(
        *(
            Station._fields.index(name) if present & StationField[name.upper()] else nothing
            for name in _AS_IT_IS
        )
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
