"""Who is reached through others: paths, their loss, and gates out of the mesh."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.kernel.conftest import VANTAGE
from tests.kernel.lab import Daemon, Lab, address, until
from tests.kernel.told import await_presence, await_row, told
from tools.vm import deeds

SOON_S = 45.0
SILENCE_S = 120.0
PATH_S = 120.0  # paths are looked at every 5 s at best
Daemons = dict[str, Daemon]


ROW = (1, 0, 2, 3)  # the one who may see the paths is at one end


@pytest.fixture
def in_a_row(met: Lab, daemons: Daemons) -> Iterator[Lab]:
    """Each hears only the next; nobody has a station entry of whom he does not hear."""
    met.leave(*ROW)
    met.sh(deeds.chain([met.phy(index) for index in ROW]))
    met.join(*ROW)
    met.await_links(6)
    met.settle(daemons.values(), SOON_S, "in a row")
    yield met
    met.leave(*ROW)


def test_middle_of_a_chain_is_removed(in_a_row: Lab, daemons: Daemons) -> None:
    """Only who may see the paths knows of those beyond, and of their loss."""
    lab, paths = in_a_row, daemons["paths"]
    traffic = lab.machine.spawn(deeds.ping("mesh1", address(3)))
    await_row(
        paths, "mesh1", 3, PATH_S,
        proximity="mesh", presence="present", reason="path", next_hop=address(0), hop_count=3,
    )  # fmt: skip
    assert ("mesh1", address(3)) not in daemons["bare"].rows()
    lab.reach(0, 0)
    await_presence(paths, "mesh1", 0, None, SILENCE_S)
    await_presence(paths, "mesh1", 3, None, PATH_S)
    assert told(paths, "mesh1", 3)[-1].reason in {"unreachable", "absent"}
    traffic.kill(signal.SIGKILL)


def test_path_that_is_not_used_expires(in_a_row: Lab, daemons: Daemons) -> None:
    paths = daemons["paths"]
    # Without traffic the path might be over before the next look, which may be 30 s away.
    traffic = in_a_row.machine.spawn(deeds.ping("mesh1", address(2)))
    await_row(paths, "mesh1", 2, PATH_S, proximity="mesh", presence="present", reason="path")
    traffic.kill(signal.SIGKILL)
    await_row(paths, "mesh1", 2, PATH_S, proximity="mesh", presence="quiet", reason="expired")


def test_gate_is_announced_and_withdrawn(met: Lab, daemons: Daemons) -> None:
    """Each beacon says so; the kernel's station entry repeats it without any privilege."""
    for announced in (True, False):
        met.sh(deeds.announce_gate("mesh3", announced))
        gates = [address(3)] if announced else []
        for name, daemon in daemons.items():
            seer = VANTAGE[name]
            await_row(daemon, seer, 3, SOON_S, presence="present", gate=announced)
            until(
                lambda: interface(daemon, seer).get("gates") == gates,  # noqa: B023
                SOON_S,
                lambda: str(interface(daemon, seer)),  # noqa: B023
            )


def interface(daemon: Daemon, name: str) -> dict[str, object]:
    """What was last said of an interface of ours."""
    found: dict[str, object] = {}
    for line in daemon.lines():
        rows = line.get("interfaces", []) if line["class"] == "snapshot" else []
        if line["class"] == "interface":
            rows = [line["interface"]]
        for row in rows:
            if row["interface"] == name:
                found = row
    return found
