"""The objects that travel over the Unix sockets, and nothing about how.

A time is milliseconds of wall time (``*_unix_ms``), an enumeration is a lower-case word, and
what is unknown is absent from the line and ``None`` in the object. Words that a later minor
version may add to are typed ``str``: compare them with the enumerations of
:mod:`meshwatch.model`. Every key is explained in meshwatch-protocol(7).
"""

from __future__ import annotations

from msgspec import Struct, field

from meshwatch.model import Presence

# ---- rows ---------------------------------------------------------------------------------------


class Readings(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What drifts all the time about a neighbor (:class:`meshwatch.model.Readings`)."""

    last_heard_unix_ms: int
    reach: str  # four hex digits, newest interval in the lowest bit
    connected_s: int | None = None
    signal_dbm: int | None = None
    signal_avg_dbm: int | None = None
    ack_signal_dbm: int | None = None
    airtime_metric: int | None = None
    measured_unix_ms: int | None = None
    beacon_interval_tu: int | None = None
    loss_percent: int | None = None
    peers: int | None = None
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
    local_pm: str | None = None
    peer_pm: str | None = None
    nonpeer_pm: str | None = None


class Evidence(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a verdict rests on, as of when it was drawn (:class:`meshwatch.model.Evidence`)."""

    proof: str
    silence_ms: int | None = None
    missed: int | None = None
    unanswered: int | None = None


class Address(Struct, frozen=True, gc=False, kw_only=True):
    """One IP address of a neighbor (:class:`meshwatch.model.Address`)."""

    address: str  # link-local ones with "%" and our interface, as getaddrinfo(3) takes them
    scope: str
    proof: str


class Service(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A service that somebody offers (:class:`meshwatch.model.Service`)."""

    type: str
    instance: str
    host: str | None = None
    port: int
    txt: dict[str, str] = field(default_factory=dict)


class Claim(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a local program says of a neighbor (:class:`meshwatch.model.Claim`)."""

    claimant: str
    uid: int
    name: str | None = None
    nick: str | None = None
    jid: str | None = None
    fingerprint: str | None = None
    verified: bool
    claimed_unix_ms: int
    services: tuple[Service, ...] = ()


class Neighbor(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One machine in radio range or beyond (:class:`meshwatch.model.Neighbor`)."""

    ifindex: int
    interface: str
    address: str
    presence: Presence
    reason: str
    since_unix_ms: int
    first_heard_unix_ms: int
    evidence: Evidence | None = None
    proximity: str
    plink: str | None = None
    llid: int | None = None
    plid: int | None = None
    gate: bool | None = None
    authentication_server: bool | None = None
    authenticated: bool | None = None
    mfp: bool | None = None
    security: str | None = None
    mesh_id: str | None = None
    accepting: bool | None = None
    one_sided: str | None = None
    next_hop: str | None = None
    hop_count: int | None = None
    proxy: str | None = None
    addresses: tuple[Address, ...] = ()
    name: str | None = None
    nick: str | None = None
    jid: str | None = None
    disputed: bool = False
    claims: tuple[Claim, ...] = ()
    restarts: int = 0
    clash: str | None = None
    bouncing: bool
    readings: Readings


class Was(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The previous values of a neighbor's keys that changed; a key that was absent stays so.

    Claims are too long to be told twice in a line.
    """

    interface: str | None = None
    presence: Presence | None = None
    reason: str | None = None
    since_unix_ms: int | None = None
    first_heard_unix_ms: int | None = None
    evidence: Evidence | None = None
    proximity: str | None = None
    plink: str | None = None
    llid: int | None = None
    plid: int | None = None
    gate: bool | None = None
    authentication_server: bool | None = None
    authenticated: bool | None = None
    mfp: bool | None = None
    security: str | None = None
    mesh_id: str | None = None
    accepting: bool | None = None
    one_sided: str | None = None
    next_hop: str | None = None
    hop_count: int | None = None
    proxy: str | None = None
    addresses: tuple[Address, ...] | None = None
    name: str | None = None
    nick: str | None = None
    jid: str | None = None
    disputed: bool | None = None
    restarts: int | None = None
    clash: str | None = None
    bouncing: bool | None = None


class Interface(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One mesh or IBSS interface of this machine (:class:`meshwatch.model.Interface`)."""

    ifindex: int
    interface: str
    type: str
    wiphy: int
    address: str
    up: bool
    running: bool
    frequency_mhz: int | None = None
    mesh_id: str | None = None
    beacon_interval_tu: int | None = None
    gates: tuple[str, ...]
    forged: bool = False


class Source(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The health of one source of observations (:class:`meshwatch.model.Source`)."""

    source: str
    since_unix_ms: int
    failure: str | None = None


# ---- lines --------------------------------------------------------------------------------------


class Protocol(Struct, frozen=True, gc=False):
    """The version of the protocol that a daemon speaks."""

    major: int
    minor: int


class Version(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="class", tag="version"
):
    """The first line of a connection: who speaks."""

    seq: int
    protocol: Protocol
    release: str
    boot: str  # boot id of the kernel: with another one, ifindexes and wall times begin anew
    started_unix_ms: int
    replay: str | None = None  # the recording that is being replayed; None: this is the world


class Snapshot(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="class", tag="snapshot"
):
    """Everything there is, or a part of it: ``more`` says that the next line goes on."""

    seq: int
    more: bool = False
    interfaces: tuple[Interface, ...]
    sources: tuple[Source, ...]
    neighbors: tuple[Neighbor, ...]


class Changed(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="class", tag="changed"
):
    """A neighbor came (``was`` is None) or something about it that is news changed."""

    seq: int
    neighbor: Neighbor
    was: Was | None = None


class Removed(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="class", tag="removed"
):
    """A neighbor left the table; ``neighbor`` is the last that was known of it."""

    seq: int
    neighbor: Neighbor
    reason: str
    evidence: Evidence | None = None


class Reading(Struct, frozen=True, kw_only=True, tag_field="class", tag="reading"):
    """Nothing but a neighbor's readings changed (live.sock only)."""

    seq: int
    neighbor: Neighbor


class InterfaceChanged(Struct, frozen=True, kw_only=True, tag_field="class", tag="interface"):
    """An interface came or changed."""

    seq: int
    interface: Interface


class InterfaceRemoved(
    Struct, frozen=True, kw_only=True, tag_field="class", tag="interface_removed"
):
    """An interface is gone, or is neither mesh nor IBSS any more."""

    seq: int
    interface: Interface
    reason: str


class SourceChanged(Struct, frozen=True, kw_only=True, tag_field="class", tag="source"):
    """A source of observations failed or recovered."""

    seq: int
    source: Source


Message = (
    Version
    | Snapshot
    | Changed
    | Removed
    | Reading
    | InterfaceChanged
    | InterfaceRemoved
    | SourceChanged
)
