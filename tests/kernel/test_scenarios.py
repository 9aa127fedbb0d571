"""Neighbors come and go on a real kernel, and the table says what `iw` says.

One daemon, run as nobody, serves every scenario. A poll takes a second; the limits leave room
for an emulated machine, the figures are tools/bench's.
"""

from __future__ import annotations

from tests.kernel.lab import POLL_S, Daemon, Lab, address, until
from tests.kernel.told import await_presence, presence

SOON_S = 45 * POLL_S
SILENCE_S = 90.0


def test_four_meet(met: Lab, daemon: Daemon) -> None:
    assert len(daemon.rows()) == 12
    assert {row["presence"] for row in daemon.rows().values()} == {"present"}
    assert "opening it again" not in daemon.process.output


def test_one_leaves_and_returns(met: Lab, daemon: Daemon) -> None:
    met.leave(1)
    met.settle(daemon, SOON_S, "after the leave")
    assert all(key[0] != "mesh1" for key in daemon.rows())
    assert presence(daemon, "mesh0", 1) in {"heard", None}
    met.join(1)
    met.await_links(12)
    met.settle(daemon, SOON_S, "after the return")
    assert daemon.rows()["mesh0", address(1)]["reason"] in {"established", "restarted"}


def test_one_is_switched_off(met: Lab, daemon: Daemon) -> None:
    met.sh("ip link set mesh2 down")
    met.settle(daemon, SOON_S, "after the switch-off")
    assert presence(daemon, "mesh0", 2) in {"heard", None}


def test_one_vanishes_and_returns(met: Lab, daemon: Daemon) -> None:
    met.reach(3, 2)
    await_presence(daemon, "mesh0", 3, None, SILENCE_S)
    removed = [
        line
        for line in daemon.lines()
        if line["class"] == "removed"
        and (line["neighbor"]["interface"], line["neighbor"]["address"]) == ("mesh0", address(3))
    ]
    assert removed[-1]["reason"] == "silent"
    met.reach(3, 1)
    await_presence(daemon, "mesh0", 3, "present", SILENCE_S)
    met.settle(daemon, SOON_S, "after the return")


def test_restarted_while_away(met: Lab, daemon: Daemon) -> None:
    before = daemon.rows()["mesh0", address(2)]
    met.reach(2, 2)
    met.leave(2)
    met.join(2)
    met.reach(2, 1)
    met.await_links(12)
    met.settle(daemon, SOON_S, "after the restart")
    after = daemon.rows()["mesh0", address(2)]
    assert (after["llid"], after["plid"]) != (before["llid"], before["plid"])


def test_station_deleted_by_hand(met: Lab, daemon: Daemon) -> None:
    lines = len(daemon.lines())
    met.sh(f"iw dev mesh0 station del {address(1)}")
    until(
        lambda: any(
            # A look under way may tell it before the event is heard.
            line["class"] == "removed" and line["reason"] in {"deleted", "absent"}
            for line in daemon.lines()[lines:]
        ),
        SOON_S,
        lambda: f"no removal: {daemon.lines()[lines:]}",
    )
    met.await_links(12)
    met.settle(daemon, SOON_S, "after the station was made again")


def test_blocked_by_hand(met: Lab, daemon: Daemon) -> None:
    met.sh(f"iw dev mesh0 station set {address(1)} plink_action block")
    until(
        lambda: daemon.rows()["mesh0", address(1)]["reason"] == "blocked",
        SOON_S,
        lambda: str(daemon.rows()["mesh0", address(1)]),
    )
    assert presence(daemon, "mesh0", 1) == "heard"
    met.sh(f"iw dev mesh0 station set {address(1)} plink_action open")
    met.await_links(12)


def test_interface_removed_made_again_and_renamed(met: Lab, daemon: Daemon) -> None:
    phy = met.sh("cat /sys/class/net/mesh3/phy80211/name").strip()
    met.sh("iw dev mesh3 del")
    met.settle(daemon, SOON_S, "after the removal")
    assert all(key[0] != "mesh3" for key in daemon.rows())
    met.sh(f"iw phy {phy} interface add mesh3 type mp; ip link set mesh3 up")
    met.join(3)
    met.await_links(12)
    met.settle(daemon, SOON_S, "after it was made again")
    met.sh("ip link set mesh3 down; ip link set mesh3 name other; ip link set other up")
    met.sh("iw dev other mesh join classroom freq 2412")
    met.await_links(12)
    met.settle(daemon, SOON_S, "after the renaming")
    assert sum(key[0] == "other" for key in daemon.rows()) == 3
    met.sh("ip link set other down; ip link set other name mesh3; ip link set mesh3 up")


def test_moved_to_another_network_namespace(met: Lab, daemon: Daemon) -> None:
    phy = met.sh("cat /sys/class/net/mesh3/phy80211/name").strip()
    met.sh(f"ip netns add elsewhere; iw phy {phy} set netns name elsewhere")
    until(
        lambda: all(key[0] != "mesh3" for key in daemon.rows()),
        SOON_S,
        lambda: str(daemon.rows().keys()),
    )
    met.sh(
        f"ip netns exec elsewhere iw phy {phy} set netns 1; ip netns del elsewhere\n"
        "ip link set mesh3 up"
    )
    met.join(3)
    met.await_links(12)
    met.settle(daemon, SOON_S, "after it came back")


CELL = "02:11:22:33:44:55"  # the same for both, so that nothing has to merge


def test_ibss_stations_are_neighbors(met: Lab, daemon: Daemon) -> None:
    met.sh(
        "for i in 2 3; do ip link set mesh$i down; iw dev mesh$i set type ibss\n"
        f"ip link set mesh$i up; iw dev mesh$i ibss join adhoc 2437 fixed-freq {CELL}; done"
    )
    await_presence(daemon, "mesh2", 3, "present", 40)
    met.settle(daemon, SOON_S, "as IBSS")
    assert "plink" not in daemon.rows()["mesh2", address(3)]
    met.sh(
        "for i in 2 3; do iw dev mesh$i ibss leave; ip link set mesh$i down\n"
        "iw dev mesh$i set type mp; ip link set mesh$i up; done"
    )
    met.settle(daemon, SOON_S, "as mesh points again")
