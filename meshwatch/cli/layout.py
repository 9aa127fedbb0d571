"""Columns and colors: cells in, lines of a given width out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
_STYLES = {
    "": "",
    "bold": "1",
    "dim": "2",
    "good": "32",
    "warn": "33",
    "bad": "31",
    "label": "7",
}


class Cell(NamedTuple):
    """A text and how to show it."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """``rank`` 0 always stays; of the others the highest is left out first when width is short.

    ``width`` is the least, so that a live table does not jump with every word.
    """

    heading: str
    rank: int = 0
    width: int = 0
    right: bool = False


def paint(text: str, style: str, *, color: bool) -> str:
    """The text with the style's escape sequences around it, if colors are wanted."""
    code = _STYLES[style]
    return f"\x1b[{code}m{text}\x1b[m" if color and code and text else text


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def fit(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis after it."""
    if width_of(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += width_of(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…" if width > 0 else ""


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, width: int | None, color: bool
) -> list[str]:
    """The heading line and one line per row, none wider than ``width`` (None: no limit).

    What does not fit is a whole column, by rank, before a shortened first column.
    """
    texts = [[column.heading for column in columns], *([c.text for c in row] for row in rows)]
    widths = [
        max(column.width, *map(width_of, cells))
        for column, cells in zip(columns, zip(*texts, strict=True), strict=True)
    ]
    shown = list(range(len(columns)))

    def total() -> int:
        return sum(widths[i] for i in shown) + len(GAP) * (len(shown) - 1)

    if width is not None:
        for i in sorted(shown, key=lambda i: -columns[i].rank):
            if total() <= width or columns[i].rank == 0:
                break
            shown.remove(i)
        widths[shown[0]] -= max(0, min(total() - width, widths[shown[0]] - 1))
    heading = [Cell(column.heading, "dim") for column in columns]
    lines = []
    for row in (heading, *rows):
        cells = []
        for i in shown:
            text = fit(row[i].text, widths[i])
            blank = " " * (widths[i] - width_of(text))
            painted = paint(text, row[i].style, color=color)
            cells.append(blank + painted if columns[i].right else painted + blank)
        lines.append(GAP.join(cells).rstrip())
    return lines
