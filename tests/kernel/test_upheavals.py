"""Drivers unloaded, sockets overrun, buses restarted: the table is right again soon after.

These scenarios end worlds, so they come after the others (pytest runs files by name) and each
leaves four radios behind for the next.
"""

from __future__ import annotations

import signal

from tests.kernel.conftest import UNPRIVILEGED
from tests.kernel.lab import Daemon, Lab, until

SOON_S = 45.0


def test_radio_driver_unloaded_and_loaded(met: Lab, daemons: dict[str, Daemon]) -> None:
    met.sh("modprobe -r mac80211_hwsim")
    for daemon in daemons.values():
        until(lambda: not daemon.rows(), SOON_S, lambda: f"ghosts: {daemon.rows().keys()}")  # noqa: B023
    met.sh("modprobe mac80211_hwsim radios=4")
    met.make_meshes(4, monitors=[0])
    met.join(0, 1, 2, 3)
    met.await_links(12)
    met.settle(daemons.values(), SOON_S, "after the driver came back")
    tap = daemons["tap"]
    until(lambda: tap.sources()["frames"] is None, SOON_S, lambda: str(tap.sources()))


def test_nl80211_unloaded_and_loaded(met: Lab, daemon: Daemon) -> None:
    met.sh("modprobe -r mac80211_hwsim; modprobe -r mac80211; modprobe -r cfg80211")
    until(
        lambda: not daemon.rows() and daemon.sources().get("nl80211") is not None,
        SOON_S,
        lambda: f"{daemon.rows().keys()}, {daemon.sources()}",
    )
    met.sh("install -d -o nobody /run/meshwatch-late")
    late = Daemon(met.machine, "late", prefix=UNPRIVILEGED)
    late.await_ready()
    assert late.sources()["nl80211"] is not None
    # Whoever asks for the family by its name makes the kernel load it again.
    met.sh("sleep 3; ! test -e /sys/module/cfg80211")
    met.sh("modprobe mac80211_hwsim radios=4")
    met.make_meshes(4, monitors=[0])
    met.join(0, 1, 2, 3)
    met.await_links(12)
    met.settle([daemon, late], SOON_S, "after nl80211 came back")
    assert [each.sources()["nl80211"] for each in (daemon, late)] == [None, None]
    assert late.stop() == 0


def test_overrun_of_a_small_receive_buffer(met: Lab) -> None:
    met.sh(
        "mkdir -p /run/meshwatch-small; chown nobody /run/meshwatch-small\n"
        "echo 'receive_buffer_bytes = 2048' > /run/small.toml"
    )
    small = Daemon(met.machine, "small", "--config", "/run/small.toml", prefix=UNPRIVILEGED)
    small.await_ready()
    met.settle(small, SOON_S, "before the overrun")
    small.process.kill(signal.SIGSTOP)
    for _ in range(3):
        met.leave(1, 2)
        met.join(1, 2)
    met.leave(3)
    met.sh("ip link set mesh3 down; ip link set mesh3 up")
    small.process.kill(signal.SIGCONT)
    met.settle(small, SOON_S, "after the overrun")
    assert "overran" in small.process.output
    assert small.stop() == 0


def test_clean_end_by_either_signal(lab: Lab) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        name = number.name.lower()
        lab.sh(f"mkdir -p /run/meshwatch-{name}; chown nobody /run/meshwatch-{name}")
        daemon = Daemon(lab.machine, name, prefix=UNPRIVILEGED)
        daemon.await_ready()
        assert daemon.stop(number) == 0
        assert "Traceback" not in daemon.process.output
        assert lab.sh(f"ls /run/meshwatch-{name}").strip() == ""
