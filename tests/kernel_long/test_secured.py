"""A mesh that demands a password: wpa_supplicant peers, and its events differ from the kernel's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.lab import Lab
from tests.kernel.told import await_presence, await_row, presence, told
from tests.kernel_long.conftest import Daemons
from tools.vm.machine import Machine
from tools.vm.supplicant import Supplicant

RADIOS = 3
# It needs up to a minute for what the kernel does in a moment: its retries are of 10 ms, an
# emulated processor's steps are longer.
PEERING_S = 120.0
SOON_S = 30.0
SILENCE_S = 60.0


@pytest.fixture(scope="module")
def lab(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    output = tmp_path_factory.mktemp("secured")
    with Machine(kernel=kernel, radios=RADIOS, output=output) as machine:
        lab = Lab(machine)
        lab.make_meshes(RADIOS, monitors=[0])
        yield lab


@pytest.fixture(scope="module")
def watching(lab: Lab) -> Iterator[Supplicant]:
    with Supplicant(lab.machine, "mesh0", "the password") as supplicant:
        yield supplicant


@pytest.fixture(scope="module")
def other(lab: Lab, watching: Supplicant) -> Iterator[Supplicant]:
    with Supplicant(lab.machine, "mesh1", "the password") as supplicant:
        yield supplicant


def test_meets(daemons: Daemons, other: Supplicant) -> None:
    for daemon in daemons.values():
        await_row(daemon, "mesh0", 1, PEERING_S, presence="present", security="sae", mfp=True)
        assert "llid" not in daemon.rows()["mesh0", "02:00:00:00:01:00"]


def test_wrong_password_is_never_present(lab: Lab, daemons: Daemons, other: Supplicant) -> None:
    with Supplicant(lab.machine, "mesh2", "another password"):
        for daemon in daemons.values():
            await_presence(daemon, "mesh0", 2, "heard", SOON_S)
        lab.sh("sleep 15")
        for name, daemon in daemons.items():
            story = told(daemon, "mesh0", 2)
            assert "present" not in [change.presence for change in story], (name, story)
            assert presence(daemon, "mesh0", 1) == "present"


def test_leaves_and_returns(daemons: Daemons, other: Supplicant) -> None:
    """The others' wpa_supplicant deletes the station entry at the Close."""
    other.leave()
    for daemon in daemons.values():
        await_presence(daemon, "mesh0", 1, None, SOON_S)
        assert told(daemon, "mesh0", 1)[-1].reason in {"deleted", "absent"}
    other.start()
    for daemon in daemons.values():
        await_presence(daemon, "mesh0", 1, "present", PEERING_S)


def test_killed_and_restarted(daemons: Daemons, other: Supplicant) -> None:
    """Nobody is told; the kernel keeps the link established until the new one is made."""
    other.kill()
    for daemon in daemons.values():
        await_presence(daemon, "mesh0", 1, None, SILENCE_S)
        assert told(daemon, "mesh0", 1)[-1].reason == "silent"
    other.start()
    for daemon in daemons.values():
        await_presence(daemon, "mesh0", 1, "present", PEERING_S)
