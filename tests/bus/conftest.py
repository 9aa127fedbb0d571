"""Gives each test of this tier a message bus of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.harness import MessageDaemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MessageDaemon]:
    """A running dbus-daemon."""
    daemon = MessageDaemon(tmp_path)
    daemon.start()
    yield daemon
    daemon.kill()
