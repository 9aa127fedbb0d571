"""The nouns: what was observed, what a neighbor is, what changed; frozen, without behavior.

Inside meshwatch a time is an integer number of nanoseconds on CLOCK_MONOTONIC (in a replay,
on the recording's clock), named ``now`` or ``*_ns``. A hardware address is lower-case hex with
colons. What is unknown is ``None``, never a magic number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum
from typing import NamedTuple

from msgspec import Struct


class Presence(StrEnum):
    """What a messenger may rely on; a neighbor that departed silently has no row at all."""

    HEARD = "heard"  # a sign of life, no working link
    PRESENT = "present"  # link established and alive
    QUIET = "quiet"  # link established, silent for longer than is usual


class Reason(StrEnum):
    """Why a presence is what it is, or why a row was removed."""

    ESTABLISHED = "established"  # the peer link came up
    RETURNED = "returned"  # a sign of life after silence, same link
    RESTARTED = "restarted"  # the link was re-established with new link ids
    PEERING = "peering"  # seen, peering not completed
    CANDIDATE = "candidate"  # seen by a user-space peering manager, not yet a station
    CLOSED = "closed"  # the link went down, the station still gives signs of life
    BLOCKED = "blocked"  # blocked by the administrator
    SILENT = "silent"  # no sign of life for longer than is usual
    DELETED = "deleted"  # the kernel deleted the station
    ABSENT = "absent"  # a complete look did not find the station
    INTERFACE_DOWN = "interface_down"
    INTERFACE_REMOVED = "interface_removed"
    FAMILY_REMOVED = "family_removed"  # nl80211 left the kernel


class Plink(IntEnum):
    """Peer link state (``enum nl80211_plink_state``, IEEE 802.11-2020 14.3.2)."""

    LISTEN = 0
    OPN_SNT = 1
    OPN_RCVD = 2
    CNF_RCVD = 3
    ESTAB = 4
    HOLDING = 5
    BLOCKED = 6


class InterfaceType(StrEnum):
    """The two interface types whose stations are neighbors (``enum nl80211_iftype``)."""

    MESH = "mesh"
    IBSS = "ibss"


class PowerMode(IntEnum):
    """Mesh power mode (``enum nl80211_mesh_power_mode``, IEEE 802.11-2020 14.14)."""

    UNKNOWN = 0
    ACTIVE = 1
    LIGHT_SLEEP = 2
    DEEP_SLEEP = 3


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
    """nl80211 described an interface; ``type`` is None when it is neither mesh nor IBSS."""

    ifindex: int
    name: str
    type: InterfaceType | None
    wiphy: int
    address: str
    frequency_mhz: int | None = None


class InterfaceDeleted(Struct, frozen=True, gc=False):
    """nl80211 deleted an interface (NL80211_CMD_DEL_INTERFACE), or rtnetlink its link."""

    ifindex: int


class InterfacesSwept(Struct, frozen=True):
    """A complete dump of all interfaces ended; those not in ``ifindexes`` no longer exist."""

    ifindexes: frozenset[int]


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


Observation = (
    StationSeen
    | StationDeleted
    | StationsSwept
    | CandidateSeen
    | InterfaceSeen
    | InterfaceDeleted
    | InterfacesSwept
    | LinkSeen
    | SourceState
    | Settled
    | Deaf
)


# ---- rows: what the table holds and publishes ---------------------------------------------------


class Key(NamedTuple):
    """Identity of a row: ("neighbor", ifindex, address), ("interface", ifindex, ""),
    ("source", 0, name)."""

    kind: str
    ifindex: int
    name: str


class Readings(Struct, frozen=True, gc=False, kw_only=True):
    """What drifts all the time; never a reason to wake a subscriber of news."""

    last_heard_ns: int  # last sign of life
    reach: int = 0  # one bit per interval, newest in bit 0, 1 = a sign of life (babeld's word)
    connected_s: int | None = None  # age of the kernel's station entry, not of the link
    signal_dbm: int | None = None
    signal_avg_dbm: int | None = None
    ack_signal_dbm: int | None = None
    airtime_metric: int | None = None  # 802.11s airtime, 1 = 0.01 TU; None = never measured
    expected_throughput_kbps: int | None = None
    tx_rate_kbps: int | None = None
    rx_rate_kbps: int | None = None
    tx_bytes: int | None = None
    rx_bytes: int | None = None
    tx_packets: int | None = None
    rx_packets: int | None = None
    tx_retries: int | None = None
    tx_failed: int | None = None
    beacon_rx: int | None = None
    beacon_loss: int | None = None
    local_pm: PowerMode | None = None
    peer_pm: PowerMode | None = None
    nonpeer_pm: PowerMode | None = None


class Neighbor(Struct, frozen=True, gc=False, kw_only=True):
    """One machine in radio range. Every field but ``readings`` is news."""

    ifindex: int
    interface: str
    address: str
    presence: Presence
    reason: Reason
    since_ns: int  # when ``presence`` became what it is
    first_heard_ns: int  # when the row came into the table
    proximity: str = "direct"
    plink: Plink | None = None  # None: IBSS, which has no peer links
    llid: int | None = None
    plid: int | None = None
    gate: bool | None = None  # says it is connected to a mesh gate
    authentication_server: bool | None = None  # says it is connected to an AS
    authenticated: bool | None = None
    mfp: bool | None = None  # management frame protection
    readings: Readings

    @property
    def key(self) -> Key:
        """Identity in the table."""
        return Key("neighbor", self.ifindex, self.address)


class Interface(Struct, frozen=True, gc=False, kw_only=True):
    """One mesh or IBSS interface of this machine."""

    ifindex: int
    interface: str
    type: InterfaceType
    wiphy: int
    address: str
    up: bool  # administratively up
    running: bool  # has joined: the device has carrier
    frequency_mhz: int | None = None

    @property
    def key(self) -> Key:
        """Identity in the table."""
        return Key("interface", self.ifindex, "")


class Source(Struct, frozen=True, gc=False, kw_only=True):
    """The health of one source of observations; ``failure`` is None while it works."""

    source: str
    since_ns: int
    failure: str | None = None

    @property
    def key(self) -> Key:
        """Identity in the table."""
        return Key("source", 0, self.source)


Row = Neighbor | Interface | Source


class Change(Struct, frozen=True, gc=False):
    """``old`` None: the row came into the table. ``new`` None: it was removed, for ``reason``.

    ``news`` is False when nothing but a neighbor's readings differ.
    """

    key: Key
    old: Row | None
    new: Row | None
    news: bool = True
    reason: Reason | None = None
