"""Forty radios in one mesh: nobody is forgotten, nobody invented, nobody blamed for the others.

One watches; the others are laptops in a namespace of their own, so that the daemons see the
watching one alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.lab import Daemon, Lab, address, until
from tests.kernel.told import Told, told
from tests.kernel_long.conftest import Daemons
from tools.vm import deeds
from tools.vm.machine import Machine

RADIOS = 40
EVERYBODY = range(1, RADIOS)
JOIN_S = 400.0
SOON_S = 60.0


@pytest.fixture(scope="module")
def lab(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """mesh0 and mon0 here, up and not joined; mesh1 to mesh39 in the namespace crowd."""
    output = tmp_path_factory.mktemp("crowd")
    with Machine(kernel=kernel, radios=RADIOS, memory_mib=3072, output=output) as machine:
        lab = Lab(machine)
        lab.make_meshes(1, monitors=[0])
        lab.sh("ip netns add crowd")
        for i in EVERYBODY:
            lab.sh(f"iw phy phy{i} set netns name crowd")
            crowd(lab, deeds.mesh(f"phy{i}", f"mesh{i}"))
        yield lab


def crowd(lab: Lab, script: str, timeout_s: float = 60.0) -> None:
    """Run it where the others are."""
    lab.machine.run(
        ["ip", "netns", "exec", "crowd", "bash", "-ec", script], timeout_s=timeout_s, check=True
    )


def present(daemon: Daemon) -> set[str]:
    return {row["address"] for row in daemon.rows().values() if row["presence"] == "present"}


def await_present(daemons: Daemons, wanted: set[str]) -> None:
    for name, daemon in daemons.items():
        until(
            lambda: present(daemon) == wanted,  # noqa: B023
            SOON_S,
            lambda: f"{name}: {sorted(present(daemon) ^ wanted)}",  # noqa: B023
        )


def story(daemon: Daemon, index: int, since_s: float) -> list[Told]:
    return told(daemon, "mesh0", index, since_s)


def test_all_meet_one_by_one(lab: Lab, daemons: Daemons) -> None:
    """Together they would overrun the emulated processor, not the daemon."""
    lab.sh(deeds.join("mesh0", crowd=True))
    joins = "".join(
        deeds.join(f"mesh{i}", crowd=True)
        + f"until [ $(iw dev mesh{i} station dump | grep -c ESTAB) = {i} ]; do sleep 0.1; done\n"
        for i in EVERYBODY
    )
    crowd(lab, joins, JOIN_S)
    await_present(daemons, {address(i) for i in EVERYBODY})
    for daemon in daemons.values():
        for i in EVERYBODY:
            assert None not in [change.presence for change in story(daemon, i, 0.0)], i


def test_some_vanish_and_some_leave(lab: Lab, daemons: Daemons) -> None:
    vanishing, leaving = range(3, 9), range(20, 26)
    staying = set(EVERYBODY) - set(vanishing) - set(leaving)
    since_s = lab.clock()
    lab.sh("".join(deeds.reach(f"phy{i}", 0) for i in vanishing))
    crowd(lab, "".join(deeds.leave(f"mesh{i}") for i in leaving))
    await_present(daemons, {address(i) for i in staying})
    for name, daemon in daemons.items():
        for i in staying:
            assert story(daemon, i, since_s) == [], (name, i)
        for i in vanishing:
            assert story(daemon, i, since_s)[-1].reason == "silent", (name, i)
        for i in leaving:
            assert story(daemon, i, since_s)[0].reason == "closed", (name, i)
    lab.sh("".join(deeds.reach(f"phy{i}", 1) for i in vanishing))
    crowd(lab, "".join(deeds.join(f"mesh{i}", crowd=True) for i in leaving))
    await_present(daemons, {address(i) for i in EVERYBODY})


def test_we_walk_away_ourselves(lab: Lab, daemons: Daemons) -> None:
    """Everybody falls silent at once; that is told of each, whatever probes may be sent."""
    lab.reach(0, 0)
    await_present(daemons, set())
    lab.reach(0, 1)
    await_present(daemons, {address(i) for i in EVERYBODY})
