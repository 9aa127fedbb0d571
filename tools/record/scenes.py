"""The scenes: what happens around the watching laptop in each recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from meshwatch.model import OneSided, Presence, Proximity
from tools.record.stage import Stage


class Scene(NamedTuple):
    """A play, the number of its laptops (the watching one included), and what comes after it.

    The end is long enough for a few polls, so that the recording tells how it all ended more than
    once. In a lossy one not all frames arrive. ``options`` are the daemon's.
    """

    laptops: int
    play: Callable[[Stage], None]
    end_s: float = 4.0
    beacon_interval_tu: int = 1000
    lossy: bool = False
    options: tuple[str, ...] = ()


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
    """Of two laptops one is out of reach for less than a beacon interval, which is not told; then
    the other until it is told gone, for that is what probes make of it; then the one again, for
    longer."""
    stage.watch()
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.walk_away(2)
    stage.pause(0.6 * stage.interval_s)
    stage.walk_back(2)
    stage.pause(2 * stage.interval_s)
    stage.until_seen(2, Presence.PRESENT)
    # Probes to each are limited by the minute: not the same one three times.
    for laptop, longer_s in ((1, 0), (2, 4)):
        stage.walk_away(laptop)
        stage.until_seen(laptop, None)
        stage.pause(longer_s)
        stage.walk_back(laptop)
        stage.until_seen(laptop, Presence.PRESENT)
        stage.pause(2)


def doubt(stage: Stage) -> None:
    """Nobody is probed: one is out of reach until its silence is told, and back within the verdict;
    then until it is told gone."""
    stage.watch()
    stage.join(0, 1)
    stage.until_linked(1)
    stage.pause(33 * stage.interval_s)  # who is known for good is doubted long before it is gone
    for told in (Presence.QUIET, None):
        stage.walk_away(1)
        stage.until_seen(1, told)
        stage.walk_back(1)
        stage.until_seen(1, Presence.PRESENT)
        stage.pause(2)


def late(stage: Stage) -> None:
    """The watching one begins to watch when the links have been there for a while; who then
    vanishes is the first to whom it sends anything."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    stage.pause(5)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)


def restart(stage: Stage) -> None:
    """A laptop restarts its mesh while it is out of reach: its old link is worth nothing."""
    stage.watch()
    stage.join(0, 1)
    stage.until_linked(1)
    stage.walk_away(1)
    stage.leave(1)
    stage.join(1)
    stage.until_seen(1, None)
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


def traffic(stage: Stage) -> None:
    """One vanishes while it is being talked to, and is back after that is told."""
    stage.watch()
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.talk(1)
    stage.pause(3)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)
    stage.fall_silent()


def blocked(stage: Stage) -> None:
    """One of two holds the link blocked, then the other does; nothing is said on the air."""
    stage.join(0, 1)
    stage.until_linked(1)
    stage.watch()
    stage.block(1, 0)
    stage.until_seen(1, Presence.PRESENT, one_sided=OneSided.OURS)
    stage.unblock(1, 0)
    stage.until_seen(1, Presence.PRESENT, one_sided=None)
    stage.pause(3)  # until its beacons count us again
    stage.block(0, 1)
    stage.until_seen(1, Presence.HEARD, one_sided=OneSided.THEIRS)
    stage.unblock(0, 1)
    stage.until_seen(1, Presence.PRESENT, one_sided=None)


def threshold(stage: Stage) -> None:
    """The watching one demands a strong signal: who is weaker and comes again is heard, and no
    more, until it demands less.

    Of somebody new it has no signal yet, and the kernel lets that pass
    (net/mac80211/mesh_plink.c, rssi_threshold_check()).
    """
    stage.set_signal(1, -60)
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    stage.demand_signal(0, -45)
    stage.leave(1)
    stage.until_seen(1, Presence.HEARD)
    stage.join(1)
    stage.pause(5)
    stage.until_seen(1, Presence.HEARD)
    stage.demand_signal(0, 0)
    stage.until_seen(1, Presence.PRESENT)


def lossy(stage: Stage) -> None:
    """The air loses one frame in twenty, then in five, then two in five; nobody goes away."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    for loss in (0.05, 0.2, 0.4):
        stage.lose(loss)
        stage.pause(25)
    stage.lose(0)
    stage.until_linked(1, 2)


def fading(stage: Stage) -> None:
    """One is carried away step by step, then is out of reach, then comes back at once."""
    stage.watch()
    stage.join(0, 1)
    stage.until_linked(1)
    for signal_dbm in (-45, -58, -69, -77):
        stage.set_signal(1, signal_dbm)
        stage.pause(3)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.set_signal(1, -50)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)


def asleep(stage: Stage) -> None:
    """One sleeps lightly, then deeply, and is carried away asleep."""
    stage.watch()
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    for mode in ("light", "deep"):
        stage.sleep(1, mode)
        stage.pause(6)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.walk_back(1)
    stage.until_seen(1, Presence.PRESENT)
    stage.sleep(1, "active")


def scan(stage: Stage) -> None:
    """The watching one looks around on all channels, then one of the others does."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    for laptop in (0, 1):
        stage.scan(laptop)
        stage.until_linked(1, 2)
        stage.until_seen(laptop or 1, Presence.PRESENT)
        stage.pause(3)


def switch(stage: Stage) -> None:
    """The mesh moves to another channel and back, led by the watching one and by another."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    for laptop, frequency_mhz in ((0, 2437), (1, 2412)):
        stage.switch_channel(laptop, frequency_mhz)
        stage.pause(6)
        stage.until_linked(1, 2)


def crowd(stage: Stage) -> None:
    """Thirty-nine laptops come one by one; some leave, some are carried away."""
    everyone = range(1, 40)
    leaving, vanishing = (4, 14, 24, 34), (9, 19, 29, 39)
    stage.watch()
    stage.join_one_by_one(0, *everyone)
    stage.leave(*leaving)
    stage.until_gone(*leaving)
    for laptop in vanishing:
        stage.walk_away(laptop)
    stage.until_gone(*vanishing)


def chain(stage: Stage) -> None:
    """Four in a row, the far end is reached through the others until the next one is taken out."""
    stage.in_a_row(0, 1, 2, 3)
    stage.watch()
    stage.join(0, 1, 2, 3)
    stage.until_linked(1)
    stage.talk(3)
    stage.until_seen(3, Presence.PRESENT, proximity=Proximity.MESH)
    stage.pause(6)
    stage.walk_away(1)
    stage.until_seen(1, None)
    stage.until_seen(3, None)
    stage.fall_silent()


def gate(stage: Stage) -> None:
    """One of two announces that it is a gate out of the mesh, and withdraws that."""
    stage.join(0, 1, 2)
    stage.until_linked(1, 2)
    stage.watch()
    for announced in (True, False):
        stage.announce_gate(1, announced)
        stage.until_seen(1, Presence.PRESENT, gate=announced)
        stage.pause(3)


def secured(stage: Stage) -> None:
    """The mesh demands a password: one knows it, one does not; the one leaves and returns."""
    stage.join_secured(0, "the password")
    stage.watch()
    stage.join_secured(1, "the password")
    stage.until_seen(1, Presence.PRESENT)
    stage.join_secured(2, "another password")
    stage.until_seen(2, Presence.HEARD)
    stage.pause(10)
    stage.leave(1)
    stage.until_seen(1, None)
    stage.join_secured(1, "the password")
    stage.until_seen(1, Presence.PRESENT)


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
    stage.until_seen(3, None)
    stage.join(2)
    stage.until_seen(2, Presence.PRESENT)
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
    "doubt": Scene(2, doubt, options=("--no-probes",)),
    "late": Scene(3, late),
    "restart": Scene(2, restart),
    "ten": Scene(11, ten, end_s=2.5),
    "vanish-often": Scene(3, vanish, beacon_interval_tu=100),
    "traffic": Scene(3, traffic),
    "blocked": Scene(2, blocked),
    "threshold": Scene(3, threshold),
    "lossy": Scene(3, lossy, lossy=True),
    "lossy-often": Scene(3, lossy, beacon_interval_tu=100, lossy=True),
    "fading": Scene(2, fading),
    "asleep": Scene(3, asleep),
    "scan": Scene(3, scan),
    "switch": Scene(3, switch),
    "crowd": Scene(40, crowd, end_s=2.5),
    "chain": Scene(4, chain),
    "gate": Scene(3, gate),
    "secured": Scene(3, secured),
    "demo": Scene(4, demo),
}
