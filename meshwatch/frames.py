"""What a monitor interface hears of the mesh, and link probes and what became of them.

Rules:

* What was sent by us comes back from the driver with TX flags (mac80211's
  ieee80211_add_tx_radiotap_header()), and nothing else has them: a frame without them that says
  it is ours was forged, and counts for nothing.
* Every beacon of every mesh is told. Peering frames are told only if we sent them or they are
  for us.
* A link probe is a QoS Null frame, which costs the neighbor nothing but its acknowledgement;
  mac80211 reports and credits it as it does data, and a plain Null frame not (Linux 6.12). It is
  answered when its TX flags come back. Some drivers say nothing: then it counts as unanswered,
  and proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct as Layout
from typing import NamedTuple

from meshwatch._csrc import ffi, lib
from meshwatch.model import InterfaceType, PowerMode
from meshwatch.observations import (
    Beacon,
    BeaconSeen,
    Deaf,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Monitor,
    Observation,
    PeeringAction,
    PeeringSeen,
    ProbeAnswered,
    ProbeWanted,
    Question,
)

Buffer = bytes | bytearray | memoryview
_Target = tuple[int, str]  # ifindex and address

PROBE_TIMEOUT_NS = 200_000_000

_RADIOTAP = bytes.fromhex("0000080000000000")  # version 0, 8 bytes, no field
_QOS_NULL = 0xC8  # to and from no distribution system; no duration
# A frame tells the neighbor our power mode towards it: by the power management bit of frame
# control whether we sleep, by bit 9 of QoS control whether deeply (IEEE 802.11-2020 9.2.4.1.7,
# 9.2.4.5.11). mac80211 sets neither in a QoS Null frame of others (net/mac80211/mesh_hwmp.c,
# mesh_nexthop_resolve).
_SLEEPS, _DEEPLY = 0x10, 0x02
_RECEIVER, _TRANSMITTER = slice(4, 10), slice(10, 16)  # in an 802.11 header

# Bits of a beacon's capability, and of Mesh Configuration's formation info and capability
# (IEEE 802.11-2020 9.4.1.4, 9.4.2.98.7, 9.4.2.98.8).
_PRIVACY = 0x10
_GATE, _PEERS_SHIFT, _PEERS_MASK, _AUTHENTICATION_SERVER = 0x01, 1, 0x3F, 0x80
_ACCEPTING, _FORWARDING = 0x01, 0x08
_TX_FAIL = 0x01  # of the radiotap header's TX flags: not acknowledged, after all retries


class Frame(NamedTuple):
    """``struct mw_frame``: a field means something only if its kind or ``present`` says so."""

    tsft_us: int
    kind: int  # enum mw_frame_kind
    present: int  # 1 << enum mw_frame_field
    tx_flags: int
    interval_tu: int
    capability: int
    llid: int
    plid: int
    reason: int
    signal: int
    retries: int
    action: int
    receiver: bytes
    transmitter: bytes
    path_protocol: int
    path_metric: int
    congestion_control: int
    synchronization: int
    authentication: int
    formation: int
    mesh_capability: int
    mesh_id: bytes

    @property
    def is_ours(self) -> bool:
        """We sent it, and the driver says so."""
        return bool(self.present & _TX_FLAGS)

    @property
    def signal_dbm(self) -> int | None:
        """Signal strength; None for our own frames, and if the driver does not say."""
        return self.signal if self.present & _SIGNAL else None


_FRAME = Layout("@QII6HbBB6s6s7B33p0Q")  # "p": the mesh ID behind its size
_FRAME_BYTES = ffi.sizeof("struct mw_frame")
_BEACON, _PEERING, _STATUS = lib.MW_FRAME_BEACON, lib.MW_FRAME_PEERING, lib.MW_FRAME_STATUS
_SIGNAL, _TX_FLAGS = 1 << lib.MW_HAS_SIGNAL, 1 << lib.MW_HAS_TX_FLAGS
_REASON = 1 << lib.MW_HAS_REASON


def decode(data: Buffer) -> Frame | None:
    """One frame with its radiotap header; None if it is malformed."""
    record = ffi.new("struct mw_frame *")
    if lib.mw_frame_decode(ffi.from_buffer(data), len(data), record):
        return None
    return tuple.__new__(Frame, _FRAME.unpack(ffi.buffer(record)))


def probe(own: str, peer: str, local_pm: PowerMode = PowerMode.ACTIVE) -> bytes:
    """The frame that asks ``peer`` for a sign of life, to be written to a packet socket;
    ``local_pm``: our power mode towards it."""
    receiver, transmitter = _bytes(peer), _bytes(own)
    control = bytes((_QOS_NULL, 0 if local_pm is PowerMode.ACTIVE else _SLEEPS, 0, 0))
    # No sequence number: mac80211 gives one.
    sequence_and_qos = bytes((0, 0, 0, _DEEPLY if local_pm is PowerMode.DEEP_SLEEP else 0))
    return _RADIOTAP + control + receiver + transmitter + transmitter + sequence_and_qos


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


class Frames:
    """The conversation with the air, through one monitor interface.

    ``malformed`` counts frames that could not be read, ``forged`` frames in our name that we did
    not send, and ``unanswered`` probes of which the driver did not tell what became of them.
    """

    name = "frames"

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.malformed = 0
        self.forged = 0
        self.unanswered = 0
        self._trusted = False  # the driver was seen to tell that a frame was acknowledged
        self._ours: dict[int, str] = {}  # addresses of our mesh interfaces on the radio
        self.begin(0)

    # ---- what the pump calls ----------------------------------------------------------------

    def begin(self, now: int) -> None:
        """Forget the probes that were under way."""
        self._wanted: dict[_Target, PowerMode] = {}
        self._in_flight: dict[_Target, int] = {}  # when to give up, the earliest first
        self._turn_ns = now

    def receive(self, data: Buffer, now: int) -> Iterable[Observation]:
        """One frame, which the kernel received at ``now``."""
        frame = decode(data)
        if frame is None:
            self.malformed += 1
            return ()
        kind = frame.kind
        if kind == _BEACON:
            return self._on_beacon(frame, now)
        if kind == _PEERING:
            return self._on_peering(frame, now)
        if kind == _STATUS:
            return self._on_status(frame)
        return ()

    def notice(self, hint: Observation | Question, now: int) -> None:
        """nl80211 tells which interfaces are ours, the table whom to probe."""
        if isinstance(hint, ProbeWanted):
            target = hint.ifindex, hint.address
            if target not in self._in_flight:
                self._wanted[target] = hint.local_pm
        elif isinstance(hint, InterfaceSeen):
            if hint.wiphy == self.monitor.wiphy and hint.type is InterfaceType.MESH:
                self._ours[hint.ifindex] = hint.address
            else:
                self._ours.pop(hint.ifindex, None)
        elif isinstance(hint, InterfaceDeleted):
            self._ours.pop(hint.ifindex, None)
        elif isinstance(hint, InterfacesSwept):
            for ifindex in self._ours.keys() - hint.ifindexes:
                del self._ours[ifindex]

    def outgoing(self) -> list[bytes]:
        """The probes that are wanted, once."""
        wanted, self._wanted = self._wanted, {}
        return [
            probe(self._ours[ifindex], address, local_pm)
            for (ifindex, address), local_pm in wanted.items()
            if ifindex in self._ours
        ]

    def sent(self, request: Buffer, now: int) -> None:
        """This probe was sent, by us or, in a replay, by whoever made the recording."""
        header = request[int.from_bytes(request[2:4], "little") :]
        if len(header) < _TRANSMITTER.stop:  # of a recording that was damaged
            return
        ifindex = self._index_of(header[_TRANSMITTER].hex(":"))
        if ifindex is not None and header[0] == _QOS_NULL:
            target = ifindex, header[_RECEIVER].hex(":")
            self._in_flight.pop(target, None)
            self._in_flight[target] = now + PROBE_TIMEOUT_NS

    def deadline(self) -> int | None:
        """When the oldest probe is given up."""
        return next(iter(self._in_flight.values()), None)

    def wake(self, now: int) -> Iterable[Observation]:
        """Give up probes of which nothing was heard."""
        self._turn_ns = now
        while (deadline := self.deadline()) is not None and deadline <= now:
            del self._in_flight[next(iter(self._in_flight))]
            self.unanswered += 1
        return ()

    def lost(self, now: int) -> Iterable[Observation]:
        """Frames went by unheard, perhaps also what became of the probes."""
        self._in_flight.clear()
        return [Deaf(self.name, self._turn_ns)]

    def summary(self) -> str:
        """What was of no use, for the log; "" = nothing."""
        counts = {
            "frames that could not be read": self.malformed,
            "frames in our name that we did not send": self.forged,
            "probes of which nothing was told": self.unanswered,
        }
        return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)

    # ---- frames -----------------------------------------------------------------------------

    def _on_beacon(self, frame: Frame, now: int) -> Iterable[Observation]:
        address = frame.transmitter.hex(":")
        ours = self._index_of(address)
        if frame.is_ours:
            return () if ours is None else (BeaconSeen(ours, address, now, _beacon(frame)),)
        if ours is not None:
            self.forged += 1
            return ()
        beacon = _beacon(frame)
        return [BeaconSeen(ifindex, address, now, beacon) for ifindex in self._ours]

    def _on_peering(self, frame: Frame, now: int) -> Iterable[Observation]:
        transmitter, receiver = frame.transmitter.hex(":"), frame.receiver.hex(":")
        outgoing = frame.is_ours
        if not outgoing and self._index_of(transmitter) is not None:
            self.forged += 1
            return ()
        ifindex = self._index_of(transmitter if outgoing else receiver)
        if ifindex is None:
            return ()
        self._trusted |= outgoing and not frame.tx_flags & _TX_FAIL
        return (
            PeeringSeen(
                ifindex,
                receiver if outgoing else transmitter,
                now,
                PeeringAction(frame.action),
                outgoing,
                frame.reason if frame.present & _REASON else None,
                frame.signal_dbm,
            ),
        )

    def _on_status(self, frame: Frame) -> Iterable[Observation]:
        ifindex = self._index_of(frame.transmitter.hex(":"))
        if ifindex is None:
            return ()
        address = frame.receiver.hex(":")
        if self._in_flight.pop((ifindex, address), None) is None:
            return ()  # mac80211 sends QoS Null frames, too, to tell its power mode
        acknowledged = not frame.tx_flags & _TX_FAIL
        self._trusted |= acknowledged
        if not self._trusted:
            # A driver that hears no acknowledgements says the same of every frame
            # (net/mac80211/status.c, IEEE80211_TX_STAT_ACK).
            self.unanswered += 1
            return ()
        return (ProbeAnswered(ifindex, address, acknowledged),)

    def _index_of(self, address: str) -> int | None:
        for ifindex, own in self._ours.items():
            if own == address:
                return ifindex
        return None


def _beacon(frame: Frame) -> Beacon:
    formation, mesh_capability = frame.formation, frame.mesh_capability
    return Beacon(
        interval_tu=frame.interval_tu,
        mesh_id=frame.mesh_id,
        path_protocol=frame.path_protocol,
        path_metric=frame.path_metric,
        congestion_control=frame.congestion_control,
        synchronization=frame.synchronization,
        authentication=frame.authentication,
        peers=formation >> _PEERS_SHIFT & _PEERS_MASK,
        gate=bool(formation & _GATE),
        authentication_server=bool(formation & _AUTHENTICATION_SERVER),
        accepting=bool(mesh_capability & _ACCEPTING),
        forwarding=bool(mesh_capability & _FORWARDING),
        privacy=bool(frame.capability & _PRIVACY),
        signal_dbm=frame.signal_dbm,
    )


if _FRAME.size != _FRAME_BYTES:
    raise ImportError("meshwatch._csrc was built from other headers: build it again")
