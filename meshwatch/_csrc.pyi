"""Types of the C extension, as far as records.py uses it; csrc/*.h say what the functions do."""

from collections.abc import Sequence
from mmap import mmap
from typing import Literal, overload

class CData:
    """A C object or pointer."""

    def __getitem__(self, index: int) -> CData: ...

class Datagrams(CData):
    """``struct mw_drained``."""

    slots: int
    overruns: int
    truncated: int
    aliens: int
    error: int
    more: int
    lengths: CData

class Frames(CData):
    """``struct mw_tapped``."""

    slots: int
    drops: int
    truncated: int
    error: int
    more: int
    lengths: CData
    realtime_ns: CData

class CType:
    """A C type."""

    kind: str
    fields: Sequence[tuple[str, CField]]  # of a struct
    relements: dict[str, int]  # of an enum

class CField:
    """A member of a struct."""

    type: CType
    offset: int

class FFI:
    """cffi's memory and type functions."""

    @overload
    def new(self, ctype: Literal["struct mw_drained *"]) -> Datagrams: ...
    @overload
    def new(self, ctype: Literal["struct mw_tapped *"]) -> Frames: ...
    @overload
    def new(self, ctype: Literal["struct mw_frame *"]) -> CData: ...
    @overload
    def new(self, ctype: Literal["struct mw_message[]"], init: int) -> CData: ...
    def from_buffer(
        self, data: bytes | bytearray | memoryview | mmap, /, *, require_writable: bool = ...
    ) -> CData: ...
    def buffer(self, cdata: CData) -> memoryview: ...
    def string(self, cdata: CData) -> bytes: ...
    def unpack(self, cdata: CData, length: int) -> Sequence[int]: ...
    def typeof(self, ctype: str) -> CType: ...
    def sizeof(self, ctype: str) -> int: ...
    def offsetof(self, ctype: str, *fields: str) -> int: ...

class Lib:
    """The functions and enumerators of the headers."""

    MW_SLOTS_MAX: int
    MW_TAP_SLOTS_MAX: int
    MW_FRAME_OTHER: int
    MW_FRAME_BEACON: int
    MW_FRAME_FOREIGN: int
    MW_FRAME_PEERING: int
    MW_FRAME_STATUS: int
    MW_HAS_SIGNAL: int
    MW_HAS_TX_FLAGS: int
    MW_HAS_REASON: int
    def mw_decode(
        self, data: CData, size: int, start: int, family: int, records: CData, capacity: int, /
    ) -> int: ...
    def mw_frame_decode(self, data: CData, size: int, out: CData, /) -> int: ...
    def mw_reason_text(self, reason: int, /) -> CData: ...
    def mw_drain(
        self, fd: int, buffer: CData, slot_size: int, slots: int, out: CData, /
    ) -> None: ...
    def mw_tap_drain(
        self, fd: int, buffer: CData, slot_size: int, slots: int, out: CData, /
    ) -> None: ...

ffi: FFI
lib: Lib
