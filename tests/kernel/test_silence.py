"""Neighbors fall silent, or seem to, and each form of the daemon tells what is true of it.

One daemon has no privilege, one a tap, one the right to have the kernel probe a link. Each is
judged on an interface of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.conftest import VANTAGE
from tests.kernel.forms import (
    SILENCE_S,
    SOON_S,
    Daemons,
    await_each,
    removals,
    settle,
    stories,
    views,
)
from tests.kernel.lab import Daemon, Lab, address, until
from tests.kernel.told import await_presence, await_row, neighbor, presence, told
from tools.vm import deeds
from tools.vm.air import Air


def test_vanishes_and_returns_after_the_verdict(met: Lab, daemons: Daemons) -> None:
    since_s = met.clock()
    met.reach(3, 2)
    await_each(daemons, 3, None, SILENCE_S)
    for name, daemon, interface in views(daemons):
        departure = told(daemon, interface, 3, since_s)[-1]
        assert departure.reason == "silent"
        # Who may probe, asks three times; who may not waits for what the kernel measures.
        asked = departure.evidence.get("unanswered", 0)
        assert (asked >= 3) == (name != "bare"), (name, departure)
        silence_s = departure.evidence["silence_ms"] / 1000
        assert met.fresh_ms / 1000 < silence_s < departure.at - since_s + met.fresh_ms / 1000
    met.reach(3, 1)
    await_each(daemons, 3, "present", SOON_S)
    assert {story[-1].reason for story in stories(daemons, since_s).values()} == {"returned"}
    settle(met, daemons, "after the return")


def test_vanishes_under_traffic(met: Lab, daemons: Daemons) -> None:
    """Each frame that is not acknowledged is a probe for free."""
    with pinging(met, 3):
        for name, daemon, interface in views(daemons):
            before = sent_to(daemon, interface, 3)
            until(
                lambda: sent_to(daemon, interface, 3) >= before + 5,  # noqa: B023
                SOON_S,
                lambda: f"{name}: nothing is sent to 3",  # noqa: B023
            )
        since_s = met.clock()
        met.reach(3, 2)
        await_each(daemons, 3, None, SILENCE_S)
        for name, daemon, interface in views(daemons):
            last = told(daemon, interface, 3, since_s)[-1]
            assert last.evidence.get("unanswered", 0) >= 3, (name, last)
    met.reach(3, 1)
    await_each(daemons, 3, "present", SOON_S)


@contextmanager
def pinging(lab: Lab, index: int) -> Iterator[None]:
    """Traffic from each interface on which a form is judged, straight to radio ``index``.

    HWMP may choose a way around, and a neighbor that has not noticed a departure may offer one;
    then no frame to the departed itself would fail (net/mac80211/mesh_hwmp.c).
    """
    for interface in VANTAGE.values():
        lab.sh(deeds.fix_path(interface, address(index)))
    traffic = [
        lab.machine.spawn(deeds.ping(interface, address(index))) for interface in VANTAGE.values()
    ]
    try:
        yield
    finally:
        for process in traffic:
            process.kill(signal.SIGKILL)
        for interface in VANTAGE.values():
            lab.sh(deeds.free_path(interface, address(index)))


def sent_to(daemon: Daemon, interface: str, index: int) -> int:
    sent = neighbor(daemon, interface, index)["readings"].get("tx_packets", 0)
    assert isinstance(sent, int)
    return sent


def test_returns_before_the_verdict(met: Lab, daemons: Daemons) -> None:
    """Without probes there is time for that."""
    daemon, interface = daemons["bare"], VANTAGE["bare"]
    since_s = met.clock()
    met.reach(3, 2)
    await_presence(daemon, interface, 3, "quiet", SILENCE_S)
    met.reach(3, 1)
    await_presence(daemon, interface, 3, "present", SOON_S)
    story = [(change.presence, change.reason) for change in told(daemon, interface, 3, since_s)]
    assert story == [("quiet", "silent"), ("present", "returned")]


@pytest.mark.parametrize("mode", ["light", "deep"])
def test_asleep_is_present_until_it_is_away(met: Lab, daemons: Daemons, mode: str) -> None:
    """A radio that sleeps goes on sending beacons; what we have for it waits for one of them."""
    met.sh(deeds.set_power_mode("mesh3", mode))
    until(
        lambda: "non-peer PS mode:\tDEEP SLEEP" in station(met, 3),
        SOON_S,
        lambda: station(met, 3),
    )
    since_s = met.clock()
    met.sh(deeds.ping("mesh0", address(3), count=20))
    met.sh("sleep 4")
    assert not stories(daemons, since_s)
    met.reach(3, 2)
    await_each(daemons, 3, None, SILENCE_S)
    met.reach(3, 1)
    met.sh(deeds.set_power_mode("mesh3", "active"))
    await_each(daemons, 3, "present", SOON_S)


def station(lab: Lab, index: int) -> str:
    return lab.sh(f"iw dev mesh0 station get {address(index)}")


def test_fading_signal_is_told_and_no_departure(met: Lab, daemons: Daemons) -> None:
    since_s = met.clock()
    for signal_dbm in (-50, -65, -78, -30):
        met.sh(deeds.set_signal(met.phy(1), signal_dbm))
        until(
            lambda: neighbor(daemons["tap"], "mesh0", 1)["readings"]["signal_dbm"] == signal_dbm,  # noqa: B023
            SOON_S,
            lambda: str(neighbor(daemons["tap"], "mesh0", 1)["readings"]),
        )
    assert not stories(daemons, since_s)


@pytest.mark.parametrize(
    ("loss", "mistaken"),
    [
        (0.05, frozenset[str]()),
        (0.2, frozenset[str]()),
        # Who cannot ask hears nobody for seven beacons now and then.
        (0.4, frozenset({"bare"})),
    ],
)
def test_lossy_air_is_no_departure(
    met: Lab, daemons: Daemons, loss: float, mistaken: frozenset[str]
) -> None:
    with Air(met.machine, seed=1) as air:
        since_s = met.clock()
        air.link("*", "*", loss=loss)
        met.sh("sleep 15")
        assert {name for name, _ in removals(daemons, since_s)} <= mistaken
    settle(met, daemons, "when the air was clear again")


def test_link_of_one_side_only(met: Lab, daemons: Daemons) -> None:
    """Who blocks a link says nothing; a tap sees how many peers the other counts."""
    met.leave(2, 3)
    settle(met, daemons, "alone with one")
    tap, paths = daemons["tap"], daemons["paths"]
    try:
        met.sh(deeds.block("mesh1", address(0)))
        await_row(tap, "mesh0", 1, SOON_S, presence="present", one_sided="ours")
        await_row(paths, "mesh1", 0, SOON_S, presence="heard", reason="blocked")
        met.sh(deeds.unblock("mesh1", address(0)))
        await_row(tap, "mesh0", 1, SOON_S, presence="present", one_sided=None)
        until(
            lambda: neighbor(tap, "mesh0", 1)["readings"].get("peers") == 1,
            SOON_S,
            lambda: f"its beacons do not count us: {neighbor(tap, 'mesh0', 1)}",
        )
        met.sh(deeds.block("mesh0", address(1)))
        await_row(tap, "mesh0", 1, SOON_S, presence="heard", reason="blocked", one_sided="theirs")
    finally:
        met.sh(deeds.unblock("mesh0", address(1)) + deeds.unblock("mesh1", address(0)))
        met.join(2, 3)


def test_too_weak_to_open_a_link(met: Lab, daemons: Daemons) -> None:
    """The threshold gates only the opening: what is open stays, what was closed does not return.

    The station entry must be older than the threshold: a new one passes it once, because no
    signal was averaged yet (net/mac80211/mesh_plink.c, rssi_threshold_check()).
    """
    tap, paths = daemons["tap"], daemons["paths"]
    met.leave(1)
    until(
        lambda: presence(tap, "mesh0", 1) in {"heard", None},
        SOON_S,
        lambda: f"still {neighbor(tap, 'mesh0', 1)}",
    )
    since_s = met.clock()
    try:
        met.sh(deeds.set_rssi_threshold("mesh0", -20))
        met.join(1)
        await_row(tap, "mesh0", 1, SOON_S, presence="heard")
        await_presence(paths, "mesh1", 0, "heard", SOON_S)
        tap.await_lines(met.clock() + 4)
        assert presence(tap, "mesh0", 2) == "present"
        for daemon, interface, index in ((tap, "mesh0", 1), (paths, "mesh1", 0)):
            story = told(daemon, interface, index, since_s)
            assert "present" not in [change.presence for change in story], story
    finally:
        met.sh(deeds.set_rssi_threshold("mesh0", 0))
    await_presence(tap, "mesh0", 1, "present", SOON_S)
    settle(met, daemons, "without the threshold")
