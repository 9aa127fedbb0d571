"""We could not hear for a while, and nobody is blamed for it: no departure, no doubt."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.kernel.conftest import RADIOS
from tests.kernel.forms import SOON_S, Daemons, removals, stories
from tests.kernel.lab import Daemon, Lab, until
from tests.kernel.told import Told, told
from tools.vm import deeds

ASLEEP = Path(__file__).parent / "asleep.py"
STOPPED_S = 10
# Nobody is silent for half of that unless it is blamed for it; an emulated machine that its host
# forgets for two seconds loses two beacons of everybody's, and may well say so.
BLAMED_MS = 1000 * STOPPED_S // 2
# Whoever blames somebody has done it by then: several looks and beacons later.
JUDGED_S = 4.0


def test_own_scan_is_no_silence_of_theirs(met: Lab, daemons: Daemons) -> None:
    """Some 4 s on other channels, and no beacons of ours meanwhile."""
    since_s = met.clock()
    met.sh(deeds.scan_to_the_end("mesh0"))
    judge(met, [daemons["bare"], daemons["tap"]], "after the scan")
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
    judge(met, list(daemons.values()), "after the switch")
    assert not stories(daemons, since_s)


def test_stopped_daemon_blames_nobody(met: Lab, daemons: Daemons) -> None:
    """Every form at once, while everybody goes on sending beacons."""
    since_s = met.clock()
    for daemon in daemons.values():
        daemon.process.kill(signal.SIGSTOP)
    met.sh(f"sleep {STOPPED_S}")
    for daemon in daemons.values():
        daemon.process.kill(signal.SIGCONT)
    judge(met, list(daemons.values()), "after the stop")
    for who, story in stories(daemons, since_s).items():
        assert not blames(story), who


def test_sleep_blames_nobody(met: Lab) -> None:
    """The machine seems to have slept for a minute; for some seconds of it nobody ran."""
    met.sh("mkdir -p /run/meshwatch-asleep /run/meshwatch-asleep-tap")
    sleepers = [
        Daemon(met.machine, name, *options, program=(str(ASLEEP),), socket="live.sock")
        for name, options in (("asleep", ("--no-tap", "--no-probes")), ("asleep-tap", ()))
    ]
    for sleeper in sleepers:
        sleeper.await_ready()
    judge(met, sleepers, "before the sleep")
    since_s = met.clock()
    for sleeper in sleepers:
        sleeper.process.kill(signal.SIGSTOP)
    met.sh(f"sleep {STOPPED_S}")
    for sleeper in sleepers:
        sleeper.process.kill(signal.SIGUSR1)
        sleeper.process.kill(signal.SIGCONT)
    judge(met, sleepers, "after the sleep")
    for sleeper in sleepers:
        assert "of sleep" in sleeper.process.output, sleeper.name
        for interface in range(RADIOS):
            for index in range(RADIOS):
                story = told(sleeper, f"mesh{interface}", index, since_s)
                assert not blames(story), (sleeper.name, interface, index)
        assert sleeper.stop() == 0


def blames(story: list[Told]) -> list[Told]:
    """What cannot come of anything but our own absence."""
    return [
        each
        for each in story
        if each.presence is None or each.evidence.get("silence_ms", 0) >= BLAMED_MS
    ]


def judge(lab: Lab, daemons: list[Daemon], what: str) -> None:
    """Give each the time to make a mistake, and see that it made none that lasts."""
    after_s = lab.clock() + JUDGED_S
    for daemon in daemons:
        daemon.await_lines(after_s)
    lab.settle(daemons, SOON_S, what)
