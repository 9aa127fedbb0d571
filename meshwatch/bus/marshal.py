"""Marshals signals: in a fraction of the time of dbus-next, which verifies all values twice.

How long a client waits for the last of many neighbors is how long this takes. Values are what
:mod:`meshwatch.bus.contract` makes, of the types that their signatures say. The format is that of
the D-Bus specification, "Marshaling (Wire Format)" and "Message Format", in little-endian order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

from dbus_next.signature import SignatureTree, SignatureType

LITTLE_ENDIAN, SIGNAL, VERSION = b"l", 4, 1

Write = Callable[[bytearray, Any], None]

_FIELDS = ((1, "o"), (2, "s"), (3, "s"), (8, "g"))  # PATH, INTERFACE, MEMBER, SIGNATURE
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
_ALIGNMENT = {"n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "{": 8, "(": 8, "y": 1, "g": 1, "v": 1}
_LENGTH = struct.Struct("<I")
_START = struct.Struct("<cBBBII")
_REPEATED = frozenset("ybnqiuxtso")  # of equal values the bytes are the same, too
_PADDING = tuple(bytes(size) for size in range(8))


class Typed(NamedTuple):
    """A value and its D-Bus type, a single one: what stands in a variant. dbus-next's Variant is
    written as well, but it verifies its value, which costs more than all else done with it."""

    signature: str
    value: Any


def signal(
    serial: int, name: tuple[str, str, str], signature: str, body: tuple[object, ...]
) -> bytearray:
    """The bytes of a signal; ``body`` has a value for each type of the signature, at least one.

    ``name`` is an object's path, the interface, and the signal.
    """
    content = bytearray()
    for write, value in zip(_writers(signature), body, strict=True):
        write(content, value)
    start = _START.pack(LITTLE_ENDIAN, SIGNAL, 0, VERSION, len(content), serial)
    return bytearray(start) + _fields(name, signature) + content


@lru_cache(maxsize=256)
def _fields(name: tuple[str, str, str], signature: str) -> bytes:
    """The rest of the header, an array, with the padding behind it."""
    out = bytearray(_START.size + _LENGTH.size)
    for (field, kind), text in zip(_FIELDS, (*name, signature), strict=True):
        _align(out, 8)
        out.append(field)
        _write_variant(out, kind, text)
    _LENGTH.pack_into(out, _START.size, len(out) - _START.size - _LENGTH.size)
    _align(out, 8)
    return bytes(out[_START.size :])


def _align(out: bytearray, size: int) -> None:
    out += _PADDING[-len(out) % size]


@cache
def _writers(signature: str) -> tuple[Write, ...]:
    tree: SignatureTree = SignatureTree._get(signature)
    return tuple(_writer(each) for each in tree.types)


def _writer(of: SignatureType) -> Write:
    """What writes a value of this type at the end of the bytes, with the padding before it."""
    if of.token in _FIXED:
        return _fixed(_FIXED[of.token])
    if of.signature == "a{sv}":
        return _write_properties
    if of.token == "a":
        return _array(of.children[0])
    if of.token in "{(":
        return _struct([_writer(each) for each in of.children])
    if of.token == "v":
        return _write_any
    return _write_signature if of.token == "g" else _write_text


def _fixed(code: str) -> Write:
    packer = struct.Struct(f"<{code}")
    size, pack = packer.size, packer.pack

    def write(out: bytearray, value: Any) -> None:
        if rest := len(out) % size:
            out += bytes(size - rest)
        out += pack(value)

    return write


def _array(of: SignatureType) -> Write:
    alignment = _ALIGNMENT.get(of.token, 4)
    element = _writer(of)

    def write(out: bytearray, values: Any) -> None:
        _align(out, 4)
        place = len(out)
        out += b"\0\0\0\0"
        _align(out, alignment)
        begin = len(out)
        for value in values.items() if of.token == "{" else values:
            element(out, value)
        _LENGTH.pack_into(out, place, len(out) - begin)

    return write


def _struct(writers: list[Write]) -> Write:
    def write(out: bytearray, values: Any) -> None:
        _align(out, 8)
        for each, value in zip(writers, values, strict=True):
            each(out, value)

    return write


def _write_text(out: bytearray, text: str) -> None:
    data = text.encode()
    if rest := len(out) % 4:
        out += bytes(4 - rest)
    out += _LENGTH.pack(len(data)) + data + b"\0"


def _write_signature(out: bytearray, signature: str) -> None:
    out.append(len(signature))
    out += signature.encode() + b"\0"


def _write_any(out: bytearray, value: Typed) -> None:
    _write_variant(out, value.signature, value.value)


def _write_variant(out: bytearray, signature: str, value: object) -> None:
    _write_signature(out, signature)
    _only_writer(signature)(out, value)


@cache
def _only_writer(signature: str) -> Write:
    (write,) = _writers(signature)
    return write


def _write_properties(out: bytearray, values: dict[str, Typed]) -> None:
    """Names and variants; most of what we send are these."""
    _align(out, 4)
    place = len(out)
    out += b"\0\0\0\0"
    _align(out, 8)
    begin = len(out)
    for name, typed in values.items():
        signature = typed.signature
        out += _PADDING[-len(out) % 8]
        if signature in _REPEATED:
            out += _plain_entry(name, signature, typed.value)
        else:
            out += _beginning(name, signature)
            _only_writer(signature)(out, typed.value)
    _LENGTH.pack_into(out, place, len(out) - begin)


# An entry begins at a multiple of 8, so its bytes are always the same; the names are those of the
# contract, and most of what neighbors are is the same for all of them.
@lru_cache(maxsize=1024)
def _plain_entry(name: str, signature: str, value: object) -> bytes:
    """An entry whose value is of a plain type."""
    out = bytearray(_beginning(name, signature))
    _only_writer(signature)(out, value)
    return bytes(out)


@lru_cache(maxsize=256)
def _beginning(name: str, signature: str) -> bytes:
    """Name and type of an entry."""
    out = bytearray()
    _write_text(out, name)
    _write_signature(out, signature)
    return bytes(out)
