"""One boot for all kernel tests; which kernel is MESHWATCH_KERNEL's choice (6.1 or 6.12)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.lab import Daemon, Lab
from tools.vm import deeds
from tools.vm.machine import Machine

RADIOS = 4


def privileged(*capabilities: str) -> tuple[str, ...]:
    """The words that start a program as nobody, with these capabilities and no way to others."""
    kept = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return (
        "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
        f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}",
    )  # fmt: skip


# The forms in which a meshwatchd may run: nothing but what anybody may see, frames of a monitor
# interface, too, or paths and link probes through the kernel.
BARE = privileged()
TAP = privileged("net_raw")
PATHS = privileged("net_admin")
UNPRIVILEGED = BARE
# Where each is judged. A probe shows in the station entry, which is everybody's: two of them on
# one interface would know more together than each alone.
VANTAGE = {"bare": "mesh2", "tap": "mesh0", "paths": "mesh1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs a booted kernel, and time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def kernel() -> str:
    """The kernel series under test."""
    return os.environ.get("MESHWATCH_KERNEL", "6.1")


@pytest.fixture(scope="session")
def lab(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Four radios as mesh0 to mesh3, up but not joined; the first with a monitor interface."""
    output = tmp_path_factory.mktemp("guest")
    with Machine(kernel=kernel, radios=RADIOS, output=output) as machine:
        lab = Lab(machine)
        lab.make_meshes(RADIOS, monitors=[0])
        yield lab


@pytest.fixture(scope="session")
def daemons(lab: Lab) -> Iterator[dict[str, Daemon]]:
    """A meshwatchd of each form, serving every scenario; the first one watches all radios."""
    forms = {
        "bare": (BARE, frozenset[str]()),
        "tap": (TAP, frozenset({VANTAGE["tap"]})),
        "paths": (PATHS, frozenset({VANTAGE["paths"]})),
    }
    lab.sh("".join(f"install -d -o nobody /run/meshwatch-{name}\n" for name in forms))
    daemons = {
        name: Daemon(lab.machine, name, prefix=prefix, socket="live.sock", interfaces=interfaces)
        for name, (prefix, interfaces) in forms.items()
    }
    for daemon in daemons.values():
        daemon.await_ready()
    yield daemons
    assert {name: daemon.stop() for name, daemon in daemons.items()} == dict.fromkeys(forms, 0)


@pytest.fixture(scope="session")
def daemon(daemons: dict[str, Daemon]) -> Daemon:
    """The one without any privilege."""
    return daemons["bare"]


@pytest.fixture
def met(lab: Lab, daemons: dict[str, Daemon]) -> Lab:
    """All four have met and the daemons agree."""
    mesh = "/sys/class/net/mesh$i"
    lab.sh(
        "for i in 0 1 2 3; do\n"
        "ip link set mesh$i up\n"
        # Only who has joined has a carrier.
        f"[ $(<{mesh}/carrier) = 1 ] || iw dev mesh$i mesh join classroom freq 2412\n"
        # What a scenario that failed may have left.
        "iw dev mesh$i set mesh_param mesh_rssi_threshold=0 mesh_power_mode=active\n"
        f"{deeds.reach(f'$(<{mesh}/phy80211/name)', 1)}"
        "done"
    )
    lab.await_links(12)
    lab.settle(daemons.values(), 45, "before the scenario")
    return lab
