"""The forms of the daemon side by side: what each of them tells, where each is judged."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kernel.conftest import RADIOS, VANTAGE
from tests.kernel.lab import Daemon, Lab
from tests.kernel.told import Told, await_presence, told

# Limits that are reached only when something is wrong: nobody waits longer than it takes, and
# an emulated machine on a busy host takes several times as long as another.
SOON_S = 45.0
SILENCE_S = 90.0
Daemons = dict[str, Daemon]


def views(daemons: Daemons) -> Iterator[tuple[str, Daemon, str]]:
    """Each form, its daemon, and the interface on which it is judged."""
    for name, daemon in daemons.items():
        yield name, daemon, VANTAGE[name]


def settle(lab: Lab, daemons: Daemons, what: str) -> None:
    """Wait until each agrees with `iw`."""
    lab.settle(daemons.values(), SOON_S, what)


def stories(daemons: Daemons, since_s: float) -> dict[tuple[str, int], list[Told]]:
    """What each form told of each radio: (form, radio) -> changes; radios of which nothing was
    told are left out."""
    found = {
        (name, index): told(daemon, interface, index, since_s)
        for name, daemon, interface in views(daemons)
        for index in range(RADIOS)
    }
    return {key: story for key, story in found.items() if story}


def removals(daemons: Daemons, since_s: float) -> dict[tuple[str, int], list[Told]]:
    """The same, only of who was removed."""
    found = stories(daemons, since_s)
    return {key: story for key, story in found.items() if None in {t.presence for t in story}}


def await_each(daemons: Daemons, index: int, wanted: str | None, within_s: float) -> None:
    """Wait until each form shows radio ``index`` so."""
    for _, daemon, interface in views(daemons):
        await_presence(daemon, interface, index, wanted, within_s)
