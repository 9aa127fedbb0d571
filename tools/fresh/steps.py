"""Reads the steps for two fresh laptops out of README.md: its blocks, word for word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).resolve().parents[2] / "README.md"
SECTION = "Two laptops that chat"
ONLINE, MESH = "While there is Internet", "On the mesh"


class Steps(NamedTuple):
    """What is to be typed, a block each: first where there is Internet, then on the mesh."""

    online: tuple[str, ...]
    mesh: tuple[str, ...]


def read(page: str) -> Steps:
    """The steps of a page; ValueError for a block of the section that belongs to neither part."""
    found = re.search(rf"^## {SECTION}\n(.*?)(?=^## )", page, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"no section {SECTION!r}")
    introduction, *rest = re.split(r"^### (.*)\n", found[1], flags=re.MULTILINE)
    parts = {"": introduction, **dict(zip(rest[::2], rest[1::2], strict=True))}
    blocks = {title: _blocks(text) for title, text in parts.items()}
    steps = Steps(blocks.pop(ONLINE, ()), blocks.pop(MESH, ()))
    if not all(steps):
        raise ValueError(f"no steps under {ONLINE!r} or {MESH!r}")
    if stray := [block for part in blocks.values() for block in part]:
        raise ValueError(f"who takes this step, and where? {stray[0]}")
    return steps


def _blocks(text: str) -> tuple[str, ...]:
    """All fenced blocks, which have to be for a shell."""
    fenced = re.findall(r"^ *(```|~~~)([^\n]*)\n(.*?)^ *\1$", text, flags=re.MULTILINE | re.DOTALL)
    if text.count("```") + text.count("~~~") != 2 * len(fenced):
        raise ValueError(f"a block without end in {text!r}")
    for _, language, block in fenced:
        if language != "sh":
            raise ValueError(f"not for a shell: {block}")
    return tuple(block for _, _, block in fenced)
