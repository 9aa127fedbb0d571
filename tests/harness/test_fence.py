"""The truth shares nothing with what it tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_only_the_form_of_the_lines_is_shared() -> None:
    shared = {
        name
        for path in (TOOLS / "harness").rglob("*.py")
        for name in imports(path)
        if name.partition(".")[0] == "meshwatch"
    }
    assert shared == {"meshwatch.protocol"}


def test_what_runs_in_a_guest_needs_nothing_else() -> None:
    for path in (TOOLS / "harness").glob("guest_*.py"):
        assert not {n for n in imports(path) if n.partition(".")[0] in {"tools", "meshwatch"}}
