"""Rows and changes to lines of JSON, and lines read back into objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

import msgspec
from msgspec import Struct

from meshwatch import model
from meshwatch.model import Plink, PowerMode
from meshwatch.protocol.objects import (
    Changed,
    Interface,
    InterfaceChanged,
    InterfaceRemoved,
    Message,
    Neighbor,
    Protocol,
    Reading,
    Readings,
    Removed,
    Snapshot,
    Source,
    SourceChanged,
    Version,
    Was,
)

MAJOR = 1  # another major version is another language: refused
MINOR = 0  # a later minor version adds classes, keys and words: ignored

MAX_LINE = 65536  # bytes, with the newline
ROWS_PER_LINE = 32  # of a snapshot; the largest possible row is below MAX_LINE / 32
MAX_TEXT = 160  # characters of a name or failure; JSON may write six bytes for one


class ProtocolError(Exception):
    """The other end does not speak this protocol, or not this major version of it."""


# ---- from the model -----------------------------------------------------------------------------

# Attribute access on an enumeration member costs more than the rest of a conversion.
_PLINK = {state: state.name.lower() for state in Plink} | {None: None}
_POWER = {mode: mode.name.lower() for mode in PowerMode} | {None: None}


def _text(text: str) -> str:
    """Bounded, and UTF-8 whatever the kernel or a file system called it."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text[:MAX_TEXT]


def _readings(row: model.Readings, offset_ns: int) -> Readings:
    return Readings(
        last_heard_unix_ms=(row.last_heard_ns + offset_ns) // 1_000_000,
        reach=f"{row.reach & 0xFFFF:04x}",
        connected_s=row.connected_s,
        signal_dbm=row.signal_dbm,
        signal_avg_dbm=row.signal_avg_dbm,
        ack_signal_dbm=row.ack_signal_dbm,
        airtime_metric=row.airtime_metric,
        expected_throughput_kbps=row.expected_throughput_kbps,
        tx_rate_kbps=row.tx_rate_kbps,
        rx_rate_kbps=row.rx_rate_kbps,
        tx_bytes=row.tx_bytes,
        rx_bytes=row.rx_bytes,
        tx_packets=row.tx_packets,
        rx_packets=row.rx_packets,
        tx_retries=row.tx_retries,
        tx_failed=row.tx_failed,
        beacon_rx=row.beacon_rx,
        beacon_loss=row.beacon_loss,
        local_pm=_POWER[row.local_pm],
        peer_pm=_POWER[row.peer_pm],
        nonpeer_pm=_POWER[row.nonpeer_pm],
    )


def neighbor(row: model.Neighbor, wall_offset_ns: int) -> Neighbor:
    """A neighbor as it goes over the wire; wall time = monotonic time + ``wall_offset_ns``."""
    return Neighbor(
        ifindex=row.ifindex,
        interface=_text(row.interface),
        address=row.address,
        presence=row.presence,
        reason=row.reason,
        since_unix_ms=(row.since_ns + wall_offset_ns) // 1_000_000,
        first_heard_unix_ms=(row.first_heard_ns + wall_offset_ns) // 1_000_000,
        proximity=row.proximity,
        plink=_PLINK[row.plink],
        llid=row.llid,
        plid=row.plid,
        gate=row.gate,
        authentication_server=row.authentication_server,
        authenticated=row.authenticated,
        mfp=row.mfp,
        readings=_readings(row.readings, wall_offset_ns),
    )


def interface(row: model.Interface) -> Interface:
    """An interface as it goes over the wire."""
    return Interface(
        ifindex=row.ifindex,
        interface=_text(row.interface),
        type=row.type,
        wiphy=row.wiphy,
        address=row.address,
        up=row.up,
        running=row.running,
        frequency_mhz=row.frequency_mhz,
    )


def source(row: model.Source, wall_offset_ns: int) -> Source:
    """A source as it goes over the wire."""
    return Source(
        source=row.source,
        since_unix_ms=(row.since_ns + wall_offset_ns) // 1_000_000,
        failure=None if row.failure is None else _text(row.failure),
    )


def _was(old: Neighbor, new: Neighbor) -> Was:
    fields = Was.__struct_fields__
    return Was(**{key: was for key in fields if (was := getattr(old, key)) != getattr(new, key)})


# ---- lines out ----------------------------------------------------------------------------------

_encoder = msgspec.json.Encoder()


class Line(NamedTuple):
    """An encoded line around the place of its number, which differs from reader to reader."""

    head: bytes
    tail: bytes

    def numbered(self, seq: int) -> bytes:
        """The whole line, with its newline, as the ``seq``-th of a connection."""
        return b"%b%d%b" % (self.head, seq, self.tail)


def encode(message: Message) -> Line:
    """One message as a line; the ``seq`` it carries is of no account."""
    head, _, tail = _encoder.encode(message).partition(b'"seq":%d' % message.seq)
    return Line(head + b'"seq":', tail + b"\n")


def version(*, release: str, boot: str, started_unix_ms: int, replay: str | None = None) -> Line:
    """The first line of a connection."""
    return encode(
        Version(
            seq=0,
            protocol=Protocol(MAJOR, MINOR),
            release=release,
            boot=boot,
            started_unix_ms=started_unix_ms,
            replay=None if replay is None else _text(replay),
        )
    )


def snapshot(rows: Sequence[model.Row], wall_offset_ns: int) -> Iterator[Line]:
    """Everything as one line or several, each encoded when it is asked for."""
    for start in range(0, len(rows) or 1, ROWS_PER_LINE):
        part = rows[start : start + ROWS_PER_LINE]
        yield encode(
            Snapshot(
                seq=0,
                more=start + ROWS_PER_LINE < len(rows),
                interfaces=tuple(interface(r) for r in part if isinstance(r, model.Interface)),
                sources=tuple(
                    source(r, wall_offset_ns) for r in part if isinstance(r, model.Source)
                ),
                neighbors=tuple(
                    neighbor(r, wall_offset_ns) for r in part if isinstance(r, model.Neighbor)
                ),
            )
        )


def change(of: model.Change, wall_offset_ns: int) -> Line:
    """A change of the table as a line."""
    return encode(_message(of, wall_offset_ns))


def _message(of: model.Change, wall_offset_ns: int) -> Message:
    match of.new if of.new is not None else of.old:
        case model.Neighbor() as row:
            now = neighbor(row, wall_offset_ns)
            if of.new is None:
                return Removed(seq=0, neighbor=now, reason=of.reason or row.reason)
            if not of.news:
                return Reading(seq=0, neighbor=now)
            if not isinstance(of.old, model.Neighbor):
                return Changed(seq=0, neighbor=now)
            return Changed(seq=0, neighbor=now, was=_was(neighbor(of.old, wall_offset_ns), now))
        case model.Interface() as row:
            if of.new is None:
                reason = of.reason or model.Reason.INTERFACE_REMOVED
                return InterfaceRemoved(seq=0, interface=interface(row), reason=reason)
            return InterfaceChanged(seq=0, interface=interface(row))
        case model.Source() as row:
            return SourceChanged(seq=0, source=source(row, wall_offset_ns))
        case None:
            raise ValueError(f"a change of nothing into nothing: {of.key}")


# ---- lines in -----------------------------------------------------------------------------------


class _Head(Struct):
    """As much of any line as a reader of any version may count on."""

    class_: str = msgspec.field(name="class")
    protocol: Protocol | None = None


_decoder = msgspec.json.Decoder(Message)
_head_decoder = msgspec.json.Decoder(_Head)
_CLASSES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Message))


def decode(line: bytes | bytearray | memoryview) -> Message | None:
    """One line (with or without its newline) as a message; None if its class is unknown here.

    Raises ProtocolError for what is not a line of this protocol: not a JSON object with a
    ``class``, a known class without a key that is always there, more than MAX_LINE bytes, or a
    ``version`` line of another major version.
    """
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes, more than {MAX_LINE}")
    try:
        message: Message = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        head = _head(line)
        if head.class_ not in _CLASSES:
            return None
        if head.class_ == "version" and head.protocol is not None:
            _check_major(head.protocol)
        raise ProtocolError(f"bad line of class {head.class_!r}: {error}") from error
    if isinstance(message, Version):
        _check_major(message.protocol)
    return message


def _head(line: bytes | bytearray | memoryview) -> _Head:
    try:
        return _head_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a line of this protocol: {error}") from error


def _check_major(spoken: Protocol) -> None:
    if spoken.major != MAJOR:
        raise ProtocolError(
            f"meshwatchd speaks protocol {spoken.major}.{spoken.minor}, "
            f"this client speaks {MAJOR}.{MINOR}"
        )


class Lines:
    """Cuts a stream of bytes into lines, wherever it was cut before."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete with these bytes, without their newlines.

        Raises ProtocolError when a line does not end within MAX_LINE bytes.
        """
        *lines, rest = (bytes(self._rest) + data).split(b"\n")
        self._rest = bytearray(rest)
        if len(rest) >= MAX_LINE:
            raise ProtocolError(f"a line does not end within {MAX_LINE} bytes")
        return lines
