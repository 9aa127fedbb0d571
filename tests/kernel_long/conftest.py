"""What the long scenarios share: each has a machine of its own, with other radios than the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.conftest import BARE, TAP, kernel
from tests.kernel.lab import Daemon, Lab

__all__ = ["daemons", "kernel"]

Daemons = dict[str, Daemon]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs a booted kernel, and much time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="module")
def daemons(lab: Lab) -> Iterator[Daemons]:
    """One without any privilege, one with a tap, in the module's lab."""
    daemons = {}
    for name, prefix in (("bare", BARE), ("tap", TAP)):
        lab.sh(f"install -d -o nobody /run/meshwatch-{name}")
        daemons[name] = Daemon(lab.machine, name, prefix=prefix)
    for daemon in daemons.values():
        daemon.await_ready()
    yield daemons
    assert {name: daemon.stop() for name, daemon in daemons.items()} == dict.fromkeys(daemons, 0)
