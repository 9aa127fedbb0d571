"""The terminal: whether there is one, how wide it is, and a picture on it that is redrawn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, without a cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"
_HOME = "\x1b[H"


def wants_color(stream: TextIO) -> bool:
    """Colors go to a terminal that has them, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int | None:
    """Columns of the terminal; None, no limit, when the output goes elsewhere."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


class Screen:
    """The alternate screen of a terminal, for as long as it is entered."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(_LEAVE)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines at this moment."""
        return shutil.get_terminal_size()

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the picture; lines beyond the bottom are left out."""
        height = self.size[1]
        body = "\n".join(line + _CLEAR_LINE for line in lines[:height])
        self._write(_HOME + body + _CLEAR_BELOW)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
