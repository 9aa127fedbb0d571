"""The scenes: what happens around the watching laptop in each recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from meshwatch.model import Presence
from tools.record.stage import Stage


class Scene(NamedTuple):
    """A play, the number of its laptops (the watching one included), and what comes after it.

    The end is long enough for a few polls, so that the recording tells how it all ended more than
    once.
    """

    laptops: int
    play: Callable[[Stage], None]
    end_s: float = 4.0


def meet(stage: Stage) -> None:
    """The watcher is alone in the mesh; two laptops come."""
    stage.join(0)
    stage.watch()
    stage.pause(1)
    stage.join(1)
    stage.until_linked(1)
    stage.pause(1)
    stage.join(2)
    stage.until_linked(1, 2)


def part(stage: Stage) -> None:
    """Of two laptops one leaves and joins again, the other is switched off."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    stage.leave(1)
    stage.until_seen(1, Presence.HEARD)
    stage.join(1)
    stage.until_linked(1, 2)
    stage.switch_off(2)
    stage.until_seen(2, Presence.HEARD)


def vanish(stage: Stage) -> None:
    """One of two laptops is out of reach for a short time, then for a long one."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    stage.walk_away(1)
    stage.until_seen(1, Presence.QUIET)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)


def restart(stage: Stage) -> None:
    """A laptop restarts its mesh while it is out of reach: its old link is worth nothing."""
    stage.join(0, 1)
    stage.until_linked(1)
    stage.watch()
    stage.walk_away(1)
    stage.leave(1)
    stage.join(1)
    stage.until_seen(1, Presence.QUIET)
    stage.walk_back(1)
    stage.pause(2)
    stage.until_linked(1)


def ten(stage: Stage) -> None:
    """Ten laptops come at once; three of them leave."""
    everyone = range(1, 11)
    leaving = (2, 5, 7)
    stage.join(0)
    stage.watch()
    stage.join(*everyone)
    stage.until_linked(*everyone)
    stage.leave(*leaving)
    for laptop in leaving:
        stage.until_seen(laptop, Presence.HEARD)


def demo(stage: Stage) -> None:
    """Three laptops meet, leave, return, are carried away and come back, in about 75 s."""
    for laptop, signal_dbm in ((1, -41), (2, -58), (3, -66)):
        stage.set_signal(laptop, signal_dbm)
    stage.join(0)
    stage.watch()
    stage.pause(2)
    stage.join(1)
    stage.until_linked(1)
    stage.pause(4)
    stage.join(2)
    stage.until_linked(1, 2)
    stage.set_signal(1, -46)
    stage.pause(5)
    stage.join(3)
    stage.until_linked(1, 2, 3)
    stage.set_signal(2, -55)
    stage.pause(4)
    stage.leave(2)
    stage.set_signal(3, -70)
    stage.pause(3)
    stage.set_signal(3, -76)
    stage.pause(2)
    stage.walk_away(3)
    stage.until_seen(3, Presence.QUIET)
    stage.join(2)
    stage.until_seen(3, None)
    stage.set_signal(1, -43)
    stage.pause(2)
    stage.walk_back(3)
    stage.until_seen(3, Presence.PRESENT)
    stage.set_signal(3, -69)
    stage.pause(3)
    stage.walk_away(1)
    stage.leave(1)
    stage.join(1)
    stage.walk_back(1)
    stage.pause(2)
    stage.until_linked(1, 2, 3)
    stage.set_signal(3, -62)
    stage.pause(4)
    stage.switch_off(2)
    stage.pause(6)
    stage.leave(3)
    stage.pause(3)
    stage.leave(1)


SCENES = {
    "meet": Scene(3, meet),
    "part": Scene(3, part),
    "vanish": Scene(3, vanish),
    "restart": Scene(2, restart),
    "ten": Scene(11, ten, end_s=2.5),
    "demo": Scene(4, demo),
}
