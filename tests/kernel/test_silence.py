"""Neighbors fall silent, or seem to, and each form of the daemon tells what is true of it.

One daemon has no privilege, one a tap, one the right to have the kernel probe a link. Each is
judged on an interface of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.kernel.conftest import RADIOS, VANTAGE
from tests.kernel.lab import Daemon, Lab, address, until
from tests.kernel.told import Told, await_presence, await_row, neighbor, presence, told
from tools.vm import deeds
from tools.vm.air import Air

SOON_S = 15.0
SILENCE_S = 40.0
Daemons = dict[str, Daemon]


def views(daemons: Daemons) -> Iterator[tuple[str, Daemon, str]]:
    """Each form, its daemon, and the interface on which it is judged."""
    for name, daemon in daemons.items():
        yield name, daemon, VANTAGE[name]


def settle(lab: Lab, daemons: Daemons, what: str) -> None:
    for name, daemon in daemons.items():
        lab.settle(daemon, SOON_S, f"{name}, {what}")


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
    traffic = [
        met.machine.spawn(deeds.ping(interface, address(3))) for interface in VANTAGE.values()
    ]
    since_s = met.clock()
    met.reach(3, 2)
    await_each(daemons, 3, None, SILENCE_S)
    for name, daemon, interface in views(daemons):
        assert told(daemon, interface, 3, since_s)[-1].evidence["unanswered"] >= 3, name
    for pinging in traffic:
        pinging.kill(signal.SIGKILL)
    met.reach(3, 1)
    await_each(daemons, 3, "present", SOON_S)


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


def test_own_scan_is_no_silence_of_theirs(met: Lab, daemons: Daemons) -> None:
    """Some 4 s on other channels, and no beacons of ours meanwhile."""
    since_s = met.clock()
    met.sh(deeds.scan_to_the_end("mesh0"))
    settle(met, daemons, "after the scan")
    for index in range(1, RADIOS):
        for name in ("bare", "tap"):
            assert told(daemons[name], "mesh0", index, since_s) == [], (name, index)
    assert not removals(daemons, since_s)


def test_channel_switch_is_no_silence(met: Lab, daemons: Daemons) -> None:
    since_s = met.clock()
    for frequency_mhz in (2437, 2412):
        met.sh(deeds.switch_channel("mesh1", frequency_mhz))
        until(
            lambda: met.sh("iw dev").count(f"({frequency_mhz} MHz)") >= RADIOS,  # noqa: B023
            SOON_S,
            lambda: met.sh("iw dev"),
        )
    settle(met, daemons, "after the switch")
    assert not stories(daemons, since_s)


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


def test_lossy_air_is_no_departure(met: Lab, daemons: Daemons) -> None:
    with Air(met.machine, seed=1) as air:
        since_s = met.clock()
        air.link("*", "*", loss=0.2)
        met.sh("sleep 20")
        assert not removals(daemons, since_s)
    settle(met, daemons, "when the air was clear again")


def test_link_of_one_side_only(met: Lab, daemons: Daemons) -> None:
    """Who blocks a link says nothing; a tap sees how many peers the other counts."""
    met.leave(2, 3)
    settle(met, daemons, "alone with one")
    tap, paths = daemons["tap"], daemons["paths"]
    met.sh(deeds.block("mesh1", address(0)))
    await_row(tap, "mesh0", 1, SOON_S, presence="present", one_sided="ours")
    await_row(paths, "mesh1", 0, SOON_S, presence="heard", reason="blocked")
    met.sh(deeds.unblock("mesh1", address(0)))
    await_row(tap, "mesh0", 1, SOON_S, presence="present", one_sided=None)
    met.sh("sleep 3")  # until its beacons count us again
    met.sh(deeds.block("mesh0", address(1)))
    await_row(tap, "mesh0", 1, SOON_S, presence="heard", reason="blocked", one_sided="theirs")
    met.sh(deeds.unblock("mesh0", address(1)))
    met.join(2, 3)


def test_too_weak_to_open_a_link(met: Lab, daemons: Daemons) -> None:
    """The threshold gates only the opening: what is open stays, what is deleted does not return."""
    since_s = met.clock()
    met.sh(deeds.set_rssi_threshold("mesh0", -20))
    met.sh(f"iw dev mesh0 station del {address(1)}")
    tap, paths = daemons["tap"], daemons["paths"]
    await_row(tap, "mesh0", 1, SOON_S, presence="heard", plink="listen")
    assert presence(tap, "mesh0", 2) == "present"
    met.sh("sleep 4")
    assert told(paths, "mesh1", 0, since_s)[-1].presence == "heard"
    met.sh(deeds.set_rssi_threshold("mesh0", 0))
    await_presence(tap, "mesh0", 1, "present", SOON_S)
    settle(met, daemons, "without the threshold")
