"""Two fresh laptops in one booted kernel, on which the steps of README.md are taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.fresh import root, steps
from tools.fresh.laptop import Laptop
from tools.vm.machine import Machine

NAMES = ("ana", "ben")
# What systemd and others write, twice, is in the guest's memory.
MEMORY_MIB = 3072


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs a booted kernel, and time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def page() -> steps.Steps:
    """The steps, as README.md has them."""
    return steps.read(steps.README.read_text())


@pytest.fixture(scope="session")
def laptops(
    page: steps.Steps, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Laptop, Laptop]]:
    """Ana's and Ben's, on the mesh, all steps taken."""
    # Nothing of this part depends on who takes it: once is enough for both.
    assert not [step for step in page.online if "hostname" in step]
    fresh = root.prepare(page.online)
    output = tmp_path_factory.mktemp("guest")
    with Machine(radios=len(NAMES), memory_mib=MEMORY_MIB, output=output) as machine:
        ana, ben = (Laptop(machine, name, number, fresh) for number, name in enumerate(NAMES))
        for laptop in (ana, ben):
            laptop.begin()
        for laptop in (ana, ben):
            laptop.await_boot()
            for step in page.mesh:
                laptop.take(step)
        yield ana, ben
