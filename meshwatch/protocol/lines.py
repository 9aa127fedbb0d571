"""Rows and changes to lines of JSON, and lines read back into objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from meshwatch import model
from meshwatch.protocol.objects import (
    Changed,
    Interface,
    InterfaceChanged,
    InterfaceRemoved,
    Message,
    Neighbor,
    Protocol,
    Reading,
    Removed,
    Source,
    SourceChanged,
    Version,
)
from meshwatch.protocol.rows import difference, evidence, interface, neighbor, source
from meshwatch.protocol.text import inert

MAJOR = 1  # another major version is another language: refused
MINOR = 0  # a later minor version adds classes, keys and words: ignored

MAX_LINE = 65536  # bytes, with the newline
# Of a snapshot: as many rows as are usual in a room, and no more than fit.
ROWS_PER_LINE, BYTES_PER_LINE = 32, MAX_LINE - 256


class ProtocolError(Exception):
    """The other end does not speak this protocol, or not this major version of it."""


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
    return _line(message, message.seq)


def _line(message: Struct, seq: int) -> Line:
    head, _, tail = _encoder.encode(message).partition(b'"seq":%d' % seq)
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
            replay=None if replay is None else inert(replay),
        )
    )


def snapshot(rows: Sequence[model.Row], wall_offset_ns: int) -> Iterator[Line]:
    """Everything as one line or several, each encoded when it is asked for."""
    part, rows_left, bytes_left = _Part(), ROWS_PER_LINE, BYTES_PER_LINE
    for row in rows:
        told = _encoder.encode(_told(row, wall_offset_ns))
        if not rows_left or len(told) >= bytes_left:
            part.more = True
            yield _line(part, part.seq)
            part, rows_left, bytes_left = _Part(), ROWS_PER_LINE, BYTES_PER_LINE
        rows_left -= 1
        bytes_left -= len(told) + 1
        part.of_kind(row).append(Raw(told))
    yield _line(part, part.seq)


class _Part(Struct, tag_field="class", tag="snapshot"):
    """One line of a snapshot in the making: a Snapshot whose rows are encoded already."""

    seq: int = 0
    more: bool | UnsetType = UNSET
    interfaces: list[Raw] = field(default_factory=list)
    sources: list[Raw] = field(default_factory=list)
    neighbors: list[Raw] = field(default_factory=list)

    def of_kind(self, row: model.Row) -> list[Raw]:
        match row:
            case model.Neighbor():
                return self.neighbors
            case model.Interface():
                return self.interfaces
            case model.Source():
                return self.sources


def _told(row: model.Row, wall_offset_ns: int) -> Neighbor | Interface | Source:
    match row:
        case model.Neighbor():
            return neighbor(row, wall_offset_ns)
        case model.Interface():
            return interface(row)
        case model.Source():
            return source(row, wall_offset_ns)


def change(of: model.Change, wall_offset_ns: int) -> Line:
    """A change of the table as a line."""
    return encode(_message(of, wall_offset_ns))


def _message(of: model.Change, wall_offset_ns: int) -> Message:
    match of.new if of.new is not None else of.old:
        case model.Neighbor() as row:
            now = neighbor(row, wall_offset_ns)
            if of.new is None:
                reason = of.reason or row.reason
                rests_on = evidence(of.evidence)
                return Removed(seq=0, neighbor=now, reason=reason, evidence=rests_on)
            if not of.news:
                return Reading(seq=0, neighbor=now)
            if not isinstance(of.old, model.Neighbor):
                return Changed(seq=0, neighbor=now)
            was = difference(neighbor(of.old, wall_offset_ns), now)
            return Changed(seq=0, neighbor=now, was=was)
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
