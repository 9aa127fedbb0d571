"""The nouns: what a neighbor is and what changed; frozen, without behavior.

Inside meshwatch a time is an integer number of nanoseconds on CLOCK_MONOTONIC (in a replay,
on the recording's clock), named ``now`` or ``*_ns``. A hardware address is lower-case hex with
colons. What is unknown is ``None``, never a magic number.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
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
    OTHER_MESH = "other_mesh"  # its mesh ID is not ours
    INCOMPATIBLE = "incompatible"  # path selection, metric or synchronization are not ours
    SECURITY = "security"  # one of us demands authentication, the other does not
    FULL = "full"  # it accepts no further peers
    PATH = "path"  # reached through the mesh: a path is active, or a proxy stands for it
    EXPIRED = "expired"  # the path was not used for a while and expired; not known to be broken
    UNREACHABLE = "unreachable"  # path discovery failed
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


class Proximity(StrEnum):
    """How a neighbor is reached."""

    DIRECT = "direct"  # in radio range
    MESH = "mesh"  # through other mesh stations
    PROXIED = "proxied"  # behind a mesh gate, outside the mesh


class Proof(StrEnum):
    """What a verdict rests on."""

    LOOK = "look"  # the kernel's station entry
    EVENT = "event"  # the kernel's event
    BEACON = "beacon"  # a beacon on the air
    PROBE = "probe"  # a link probe, acknowledged by the neighbor's radio or not
    POKE = "poke"  # datagrams of the agent that drew no sign of life
    PATH = "path"  # the kernel's path table


class AddressProof(StrEnum):
    """How it is known that an IP address belongs to a hardware address."""

    KERNEL = "kernel"  # the kernel's neighbor table says so
    ECHO = "echo"  # it answered an echo request itself
    DERIVED = "derived"  # made of the hardware address (RFC 4291 appendix A), verified by nobody


class AddressScope(StrEnum):
    """How far an IP address carries."""

    LINK = "link"  # this link only: fe80::/10 (RFC 4291 2.5.6), 169.254.0.0/16 (RFC 3927)
    UNIQUE_LOCAL = "unique_local"  # fc00::/7 (RFC 4193)
    PRIVATE = "private"  # 10/8, 172.16/12, 192.168/16 (RFC 1918)
    GLOBAL = "global"


class OneSided(StrEnum):
    """Who of two believes in a link in which the other does not."""

    OURS = "ours"  # we have the link established, the neighbor counts no peer
    THEIRS = "theirs"  # we lost the link, the neighbor still counts as many peers as before


class Clash(StrEnum):
    """Where else the hardware address of a neighbor was seen, which ought to be one radio's."""

    CHANNELS = "channels"  # in radio range on two interfaces of ours that use different channels
    OURS = "ours"  # it is the address of an interface of ours: another radio of ours, or forged


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
    measured_ns: int | None = None  # when traffic last moved metric and throughput
    beacon_interval_tu: int | None = None  # as the neighbor says, or as learned
    loss_percent: int | None = None  # of its beacons, as of late
    peers: int | None = None  # how many it counts, at most 63
    path_metric: int | None = None
    path_changes: int | None = None
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


class Evidence(Struct, frozen=True, gc=False, kw_only=True):
    """What a verdict rests on, as of when it was drawn."""

    proof: Proof
    silence_ms: int | None = None  # since the last sign of life, our deafness not counted
    missed: int | None = None  # beacons that should have come in that time
    unanswered: int | None = None  # probes or pokes in that time that drew nothing


class Address(Struct, frozen=True, gc=False):
    """One IP address of a neighbor; ``address`` is what getaddrinfo(3) takes, so a link-local one
    carries ``%`` and the name of our interface."""

    address: str
    scope: AddressScope
    proof: AddressProof


class Service(Struct, frozen=True, gc=False):
    """A service that somebody offers (RFC 6763): instance, where, and what its TXT record says."""

    type: str  # "_xmpp-server._tcp"
    instance: str
    host: str | None
    port: int
    txt: tuple[tuple[str, str], ...] = ()


class Claim(Struct, frozen=True, gc=False, kw_only=True):
    """What a local program says of a neighbor; never verified by us, and never evidence."""

    claimant: str  # what the program calls itself
    uid: int  # whose program it is, as the kernel says
    name: str | None = None  # a host name
    nick: str | None = None
    jid: str | None = None
    fingerprint: str | None = None  # of its key
    verified: bool = False  # the program says that it verified this
    claimed_ns: int  # since when it says so in these words
    services: tuple[Service, ...] = ()


class Neighbor(Struct, frozen=True, gc=False, kw_only=True):
    """One machine in radio range or beyond. Every field but ``readings`` is news."""

    ifindex: int
    interface: str
    address: str
    presence: Presence
    reason: Reason
    since_ns: int  # when ``presence`` became what it is
    first_heard_ns: int  # when the row came into the table
    evidence: Evidence | None = None
    proximity: Proximity = Proximity.DIRECT
    plink: Plink | None = None  # None: IBSS, which has no peer links
    llid: int | None = None
    plid: int | None = None
    gate: bool | None = None  # says it is connected to a mesh gate
    authentication_server: bool | None = None  # says it is connected to an AS
    authenticated: bool | None = None
    mfp: bool | None = None  # management frame protection
    security: str | None = None  # "open", "sae" or "802.1x"; None: not known
    mesh_id: str | None = None  # as its beacons say, undecodable bytes escaped
    accepting: bool | None = None  # it accepts additional peers
    one_sided: OneSided | None = None
    next_hop: str | None = None  # of the path, if it is not the neighbor itself
    hop_count: int | None = None
    proxy: str | None = None  # the mesh station through which a proxied one is reached
    addresses: tuple[Address, ...] = ()  # the one to try first is first
    name: str | None = None  # claimed: a host name
    nick: str | None = None  # claimed
    jid: str | None = None  # claimed
    disputed: bool = False  # somebody else is claimed to have this name, or it had another one
    claims: tuple[Claim, ...] = ()  # what local programs say, newest first
    restarts: int = 0  # how often the link was seen to be re-established with new link ids
    clash: Clash | None = None
    bouncing: bool = False  # its news is held back: it came and went too often
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
    mesh_id: str | None = None  # as our own beacons say, heard by a tap
    beacon_interval_tu: int | None = None  # likewise
    gates: tuple[str, ...] = ()  # present neighbors that say they are connected to a gate
    forged: bool = False  # another radio sent beacons with our address

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
    evidence: Evidence | None = None  # of a removal
