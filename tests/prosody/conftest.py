"""Laptops on an air of network namespaces, each with a real Prosody and a real client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tools.lab.air import Air
from tools.lab.laptop import Laptop, meet
from tools.lab.server import befriend


class Room:
    """Where laptops are started; all of them end with the test."""

    def __init__(self, directory: Path, air: Air, stack: ExitStack) -> None:
        self._directory = directory
        self._air = air
        self._stack = stack
        self._count = 0

    def laptop(self, user: str, address: str | None = None, **words: Any) -> Laptop:
        """One more, in range of all others; its meshwatchd knows nobody yet."""
        self._count += 1
        home = self._directory / f"{self._count}-{user}"
        home.mkdir()
        station = self._air.join(self._count, address)
        return self._stack.enter_context(Laptop(station, home, user, **words))

    def friends(self, **words: Any) -> tuple[Laptop, Laptop]:
        """Two who are in range, know each other and see each other online."""
        one, other = self.laptop("ronaldo", **words), self.laptop("ana", **words)
        meet(one, other)
        befriend(one, other)
        return one, other


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """An empty one."""
    with ExitStack() as stack:
        yield Room(tmp_path, stack.enter_context(Air()), stack)
