"""Marks what takes minutes: it needs machines of its own, with other radios than the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs a booted kernel, and much time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def kernel() -> str:
    """The kernel series under test."""
    return os.environ.get("MESHWATCH_KERNEL", "6.1")
