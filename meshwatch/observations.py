"""What is observed, and what the table wants to know next; frozen, without behavior.

Inside meshwatch a time is an integer number of nanoseconds on CLOCK_MONOTONIC (in a replay,
on the recording's clock), named ``now`` or ``*_ns``. A hardware address is lower-case hex with
colons. What is unknown is ``None``, never a magic number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

from msgspec import Struct

from meshwatch.model import AddressProof, InterfaceType, PowerMode, Service


class StationField(IntFlag):
    """Presence bits of :class:`Station`; bit n-1 belongs to the n-th field after ``present``."""

    INACTIVE_MS = 1 << 0
    CONNECTED_S = 1 << 1
    RX_BYTES = 1 << 2
    TX_BYTES = 1 << 3
    RX_PACKETS = 1 << 4
    TX_PACKETS = 1 << 5
    TX_RETRIES = 1 << 6
    TX_FAILED = 1 << 7
    RX_DROP_MISC = 1 << 8
    BEACON_RX = 1 << 9
    BEACON_LOSS = 1 << 10
    EXPECTED_THROUGHPUT_KBPS = 1 << 11
    AIRTIME_METRIC = 1 << 12
    AIRTIME_WEIGHT = 1 << 13
    RX_DURATION_US = 1 << 14
    TX_DURATION_US = 1 << 15
    T_OFFSET_US = 1 << 16
    ASSOC_AT_BOOTTIME_NS = 1 << 17
    SIGNAL_DBM = 1 << 18
    SIGNAL_AVG_DBM = 1 << 19
    BEACON_SIGNAL_AVG_DBM = 1 << 20
    ACK_SIGNAL_DBM = 1 << 21
    ACK_SIGNAL_AVG_DBM = 1 << 22
    PLINK = 1 << 23
    LLID = 1 << 24
    PLID = 1 << 25
    LOCAL_PM = 1 << 26
    PEER_PM = 1 << 27
    NONPEER_PM = 1 << 28
    CONNECTED_TO_GATE = 1 << 29
    CONNECTED_TO_AS = 1 << 30
    FLAGS_MASK = 1 << 31
    FLAGS_SET = 1 << 32
    TX_RATE_KBPS = 1 << 33
    TX_RATE_MCS = 1 << 34
    TX_RATE_NSS = 1 << 35
    TX_RATE_WIDTH_MHZ = 1 << 36
    TX_RATE_FLAGS = 1 << 37
    RX_RATE_KBPS = 1 << 38
    RX_RATE_MCS = 1 << 39
    RX_RATE_NSS = 1 << 40
    RX_RATE_WIDTH_MHZ = 1 << 41
    RX_RATE_FLAGS = 1 << 42
    GENERATION = 1 << 43


class Station(NamedTuple):
    """One station as the kernel described it (``enum nl80211_sta_info``).

    A field's value means something only if its bit is set in ``present``
    (:class:`StationField`); otherwise it is 0. The order is that of ``struct mw_station``.
    """

    present: int
    inactive_ms: int
    connected_s: int
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    tx_retries: int
    tx_failed: int
    rx_drop_misc: int
    beacon_rx: int
    beacon_loss: int
    expected_throughput_kbps: int
    airtime_metric: int
    airtime_weight: int
    rx_duration_us: int
    tx_duration_us: int
    t_offset_us: int
    assoc_at_boottime_ns: int
    signal_dbm: int
    signal_avg_dbm: int
    beacon_signal_avg_dbm: int
    ack_signal_dbm: int
    ack_signal_avg_dbm: int
    plink: int
    llid: int
    plid: int
    local_pm: int
    peer_pm: int
    nonpeer_pm: int
    connected_to_gate: int
    connected_to_as: int
    flags_mask: int
    flags_set: int
    tx_rate_kbps: int
    tx_rate_mcs: int
    tx_rate_nss: int
    tx_rate_width_mhz: int
    tx_rate_flags: int
    rx_rate_kbps: int
    rx_rate_mcs: int
    rx_rate_nss: int
    rx_rate_width_mhz: int
    rx_rate_flags: int
    generation: int


class Monitor(Struct, frozen=True, gc=False):
    """A monitor interface of ours, on which a tap hears the frames of its radio."""

    ifindex: int
    name: str
    wiphy: int


class Wire(Struct, frozen=True, gc=False):
    """A mesh or IBSS interface of ours, on which frames are heard and sent as on an Ethernet."""

    ifindex: int
    name: str
    address: str


Tapped = Monitor | Wire


# ---- observations: what a conversation learned from bytes --------------------------------------


class StationSeen(Struct, frozen=True, gc=False):
    """A dump or a look at one station described it."""

    ifindex: int
    address: str
    station: Station


class StationDeleted(Struct, frozen=True, gc=False):
    """The kernel deleted the station (NL80211_CMD_DEL_STATION): authoritative."""

    ifindex: int
    address: str


class StationsSwept(Struct, frozen=True):
    """A complete, uninterrupted dump of an interface, begun after the newest event, ended.

    Stations of that interface that are not in ``addresses`` no longer exist.
    """

    ifindex: int
    addresses: frozenset[str]


class CandidateSeen(Struct, frozen=True, gc=False):
    """A beacon of a possible peer, told to a user-space peering manager
    (NL80211_CMD_NEW_PEER_CANDIDATE)."""

    ifindex: int
    address: str
    signal_dbm: int | None = None


class InterfaceSeen(Struct, frozen=True, gc=False):
    """nl80211 described an interface; ``type`` is None when it is neither mesh nor IBSS,
    ``monitor`` is True for a monitor interface."""

    ifindex: int
    name: str
    type: InterfaceType | None
    wiphy: int
    address: str
    frequency_mhz: int | None = None
    monitor: bool = False


class InterfaceDeleted(Struct, frozen=True, gc=False):
    """nl80211 deleted an interface (NL80211_CMD_DEL_INTERFACE), or rtnetlink its link."""

    ifindex: int


class InterfacesSwept(Struct, frozen=True):
    """A complete dump of all interfaces ended; those not in ``ifindexes`` no longer exist.

    ``family_removed``: there was no dump, nl80211 left the kernel and all of them with it.
    """

    ifindexes: frozenset[int]
    family_removed: bool = False


class LinkSeen(Struct, frozen=True, gc=False):
    """rtnetlink described a network device: ``up`` as configured, ``running`` with carrier
    (for a mesh point: it has joined)."""

    ifindex: int
    name: str
    up: bool
    running: bool


class SourceState(Struct, frozen=True, gc=False):
    """A source of observations failed (``failure`` says why) or works again (None)."""

    source: str
    failure: str | None = None


class Settled(Struct, frozen=True, gc=False):
    """A source has looked at everything once since it began or last failed: what the table
    holds of it is complete."""

    source: str


class Deaf(Struct, frozen=True, gc=False):
    """A source could not hear from ``since_ns`` until now (overrun, suspend, starved process):
    silence in that span is ours, not the neighbors'."""

    source: str
    since_ns: int


class AwaySeen(Struct, frozen=True, gc=False):
    """A radio of ours left its channel, to scan or for another (``away``), or is on one again:
    deaf meanwhile."""

    wiphy: int
    away: bool


class Beacon(Struct, frozen=True, gc=False, kw_only=True):
    """What a mesh beacon says (IEEE 802.11-2020 9.3.3.2, 9.4.2.98 Mesh Configuration)."""

    interval_tu: int  # 1 TU = 1024 us
    mesh_id: bytes  # as on the air: any bytes, up to 32
    path_protocol: int  # 1 = HWMP
    path_metric: int  # 1 = airtime
    congestion_control: int
    synchronization: int
    authentication: int  # 0 = none, 1 = SAE, 2 = 802.1X
    peers: int  # number of peerings, at most 63
    gate: bool  # connected to a mesh gate
    authentication_server: bool  # connected to an AS
    accepting: bool  # accepts additional peerings
    forwarding: bool
    privacy: bool  # the capability bit
    signal_dbm: int | None = None  # None: we sent it ourselves, or the driver does not say


class BeaconSeen(Struct, frozen=True, gc=False):
    """A tap heard a mesh beacon; ``address`` may be our own, and then it says how we are set.

    ``ifindex`` is our mesh interface on the radio of the tap. ``heard_ns`` is when the frame was
    received by the kernel, at most the time of the observation.
    """

    ifindex: int
    address: str
    heard_ns: int
    beacon: Beacon


class Untapped(Struct, frozen=True, gc=False):
    """No tap hears this radio of ours any more."""

    wiphy: int


class PeeringAction(IntEnum):
    """Self-protected actions of mesh peering (IEEE 802.11-2020 table 9-491)."""

    OPEN = 1
    CONFIRM = 2
    CLOSE = 3


class PeeringSeen(Struct, frozen=True, gc=False):
    """A tap heard a peering frame between us and ``address``; never more than a hint.

    ``outgoing``: we sent it. ``reason`` of a Close: IEEE 802.11-2020 table 9-49 (52 canceled,
    55 close received, 56 no answer to our Opens).
    """

    ifindex: int
    address: str
    heard_ns: int
    action: PeeringAction
    outgoing: bool
    reason: int | None = None
    signal_dbm: int | None = None


class ProbeAnswered(Struct, frozen=True, gc=False):
    """A link probe came to its end: the neighbor's radio acknowledged it, or did not."""

    ifindex: int
    address: str
    acknowledged: bool


class Poked(Struct, frozen=True, gc=False):
    """An agent says that it sent the neighbor a datagram, to draw a sign of life."""

    ifindex: int
    address: str


class PokesPromised(Struct, frozen=True, gc=False):
    """An agent says that it will poke who falls silent on this interface, for so long."""

    ifindex: int
    lifetime_ns: int


class Path(Struct, frozen=True, gc=False, kw_only=True):
    """One entry of the kernel's mesh path table (``enum nl80211_mpath_info``)."""

    next_hop: str | None  # None: none yet
    active: bool
    resolving: bool
    fixed: bool
    resolved: bool
    hop_count: int | None = None
    metric: int | None = None
    expiry_ms: int | None = None
    changes: int | None = None  # of the path, counted by the kernel
    discovery_retries: int = 0  # unanswered path requests; none for a path that merely expired


class PathSeen(Struct, frozen=True, gc=False):
    """A dump described the mesh path to ``address``, which may be a direct neighbor's."""

    ifindex: int
    address: str
    path: Path


class ProxySeen(Struct, frozen=True, gc=False):
    """A dump said that ``address``, outside the mesh, is reached through the station ``proxy``."""

    ifindex: int
    address: str
    proxy: str


class PathsSwept(Struct, frozen=True):
    """Complete dumps of an interface's paths and proxies ended; all others no longer exist."""

    ifindex: int
    paths: frozenset[str]
    proxies: frozenset[str]


class AddressSeen(Struct, frozen=True, gc=False):
    """This IP address is behind this hardware address of an interface's link.

    ``ip`` is canonical text (RFC 5952) without a scope.
    """

    ifindex: int
    address: str
    ip: str
    proof: AddressProof


class AddressFailed(Struct, frozen=True, gc=False):
    """Nobody answers for this IP address any more: the kernel's entry failed or was removed."""

    ifindex: int
    ip: str


class OwnAddresses(Struct, frozen=True, gc=False):
    """The IPv6 addresses of an interface of ours that others can answer to, sorted.

    None whose duplicates are still looked for is among them (RFC 4862 5.4).
    """

    ifindex: int
    ips: tuple[str, ...]


class ClaimMade(Struct, frozen=True, gc=False, kw_only=True):
    """A local program says this of a neighbor, instead of what it said before.

    ``claimant`` is what the program calls itself, ``uid`` whose it is, as the kernel says. It is
    forgotten after ``lifetime_ns``; 0 withdraws it.
    """

    ifindex: int
    address: str
    claimant: str
    uid: int
    name: str | None = None
    nick: str | None = None
    jid: str | None = None
    fingerprint: str | None = None
    verified: bool = False
    services: tuple[Service, ...] = ()
    lifetime_ns: int


Observation = (
    StationSeen
    | StationDeleted
    | StationsSwept
    | CandidateSeen
    | InterfaceSeen
    | InterfaceDeleted
    | InterfacesSwept
    | LinkSeen
    | AwaySeen
    | BeaconSeen
    | PeeringSeen
    | Untapped
    | ProbeAnswered
    | Poked
    | PokesPromised
    | PathSeen
    | ProxySeen
    | PathsSwept
    | AddressSeen
    | AddressFailed
    | OwnAddresses
    | ClaimMade
    | SourceState
    | Settled
    | Deaf
)


# ---- questions: what the table needs to know next ------------------------------------------------


class LookWanted(Struct, frozen=True, gc=False):
    """A look at the stations of this interface would decide something about ``address`` now."""

    ifindex: int
    address: str


class ProbeWanted(Struct, frozen=True, gc=False):
    """A link probe to ``address`` would decide something now; the table keeps the account of how
    many it may ask for. ``local_pm``: our power mode towards it, which a frame tells it."""

    ifindex: int
    address: str
    local_pm: PowerMode = PowerMode.ACTIVE


class AddressWanted(Struct, frozen=True, gc=False):
    """Which IP addresses are behind this hardware address? Asked of a neighbor that arrived."""

    ifindex: int
    address: str


Question = LookWanted | ProbeWanted | AddressWanted
