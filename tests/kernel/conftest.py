"""One boot for all kernel tests; which kernel is MESHWATCH_KERNEL's choice (6.1 or 6.12)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.lab import Daemon, Lab
from tools.vm.machine import Machine

RADIOS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs a booted kernel, and time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def kernel() -> str:
    """The kernel series under test."""
    return os.environ.get("MESHWATCH_KERNEL", "6.1")


@pytest.fixture(scope="session")
def lab(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Four radios as mesh0 to mesh3, up but not joined."""
    output = tmp_path_factory.mktemp("guest")
    with Machine(kernel=kernel, radios=RADIOS, output=output) as machine:
        lab = Lab(machine)
        lab.make_meshes(RADIOS)
        yield lab


@pytest.fixture(scope="session")
def daemon(lab: Lab) -> Iterator[Daemon]:
    """One meshwatchd without any privilege, watching all of them, serving every scenario."""
    lab.sh("mkdir -p /run/meshwatch-main; chown nobody /run/meshwatch-main")
    daemon = Daemon(lab.machine, "main", prefix=UNPRIVILEGED)
    daemon.await_ready()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def met(lab: Lab, daemon: Daemon) -> Lab:
    """All four have met and the daemon agrees."""
    lab.sh(
        "for i in 0 1 2 3; do\n"
        "ip link set mesh$i up\n"
        "iw dev mesh$i info | grep -q channel || iw dev mesh$i mesh join classroom freq 2412\n"
        "done"
    )
    for index in range(RADIOS):
        lab.reach(index, 1)
    lab.await_links(12)
    lab.settle(daemon, 15, "before the scenario")
    return lab


UNPRIVILEGED = (
    "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
    "--inh-caps=-all", "--bounding-set=-all",
)  # fmt: skip
