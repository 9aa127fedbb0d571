"""Frames that lie: malformed, in others' names, far too many; none of it becomes a neighbor.

One radio does nothing but send them, the three others are neighbors. Whatever is forged, no
invented name is ever present, and none of the three departs for a beacon in its name. A Close in
a neighbor's name is another matter: the kernel obeys it, and what the kernel did is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.kernel.conftest import VANTAGE
from tests.kernel.forms import SILENCE_S, SOON_S, Daemons, await_each, settle, stories
from tests.kernel.lab import Daemon, Lab, address, until
from tests.kernel.told import Told, neighbor, told
from tools.harness import craft, guest
from tools.vm import deeds

ATTACKER = 3
NEIGHBORS = (0, 1, 2)
NOBODY = "02:0b:ad:ff:00:01"
INVENTED = "02:0b:ad:"  # how all invented names begin, those of craft.storm, too
MESH_ID = deeds.MESH_ID.encode()
CANDIDATES, BEACONS_EACH = 30, 4
SPACING_S = 0.01
JUDGED_S = 4.0


@pytest.fixture
def attacked(met: Lab, daemons: Daemons) -> Iterator[Lab]:
    """Radio 3 is in no mesh any more, and sends what it is given."""
    phy = met.phy(ATTACKER)
    met.sh("ip link set mesh3 down\n" + deeds.monitor(phy, "mon3"))
    try:
        met.sh(f"iw dev mon3 set freq {deeds.FREQUENCY_MHZ}")
        await_each(daemons, ATTACKER, None, SILENCE_S)
        yield met
    finally:
        met.sh("iw dev mon3 del; ip link set mesh3 up")
        # Half an hour would the kernel keep them; one may go by itself meanwhile.
        met.sh(
            "for i in 0 1 2; do for s in "
            f"$(iw dev mesh$i station dump | awk '$2 ~ /^{INVENTED}/ {{ print $2 }}'); do\n"
            "iw dev mesh$i station del $s || true; done; done",
            timeout_s=240,
        )


def send(lab: Lab, frames: Iterable[bytes], spacing_s: float = SPACING_S) -> None:
    """On the air with them, one after the other."""
    guest.inject(lab.machine, "mon3", craft.timed(frames, spacing_s))


def judge(lab: Lab, daemons: Daemons) -> None:
    """Give each form the time to make a mistake."""
    after_s = lab.clock() + JUDGED_S
    for daemon in daemons.values():
        daemon.await_lines(after_s)


def changes(daemons: Daemons, since_s: float) -> dict[tuple[str, int], list[Told]]:
    """What was told of the three."""
    return {key: s for key, s in stories(daemons, since_s).items() if key[1] in NEIGHBORS}


def shown(daemon: Daemon, since_s: float) -> set[tuple[str, str]]:
    """Every invented name that was shown, and as what."""
    rows = [line["neighbor"] for line in daemon.lines()
            if line["class"] == "changed" and line["at"] >= since_s]  # fmt: skip
    return {
        (row["address"], row["presence"]) for row in rows if row["address"].startswith(INVENTED)
    }


def test_malformed_frames_are_survived(attacked: Lab, daemons: Daemons) -> None:
    """Beacons and peering frames that a careless parser would stumble over."""
    since_s = attacked.clock()
    crafted = [
        *craft.malformed_beacons(NOBODY, MESH_ID),
        *craft.malformed_peerings(NOBODY, address(0), MESH_ID),
    ]
    send(attacked, [frame.data for frame in crafted])
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    for daemon in daemons.values():
        assert {presence for _, presence in shown(daemon, since_s)} <= {"heard"}, daemon.name
    settle(attacked, daemons, "after the malformed frames")


def test_malformed_beacons_in_a_neighbors_name_are_survived(
    attacked: Lab, daemons: Daemons
) -> None:
    since_s = attacked.clock()
    crafted = craft.malformed_beacons(address(1), MESH_ID)
    # The longest interval that is claimed counts, for a minute.
    send(attacked, [frame.data for frame in crafted if "interval" not in frame.name])
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    settle(attacked, daemons, "after the malformed beacons")


def test_beacons_in_a_neighbors_name_remove_nobody(attacked: Lab, daemons: Daemons) -> None:
    """They claim that it sends a hundred times as often, is in another mesh, and has no peers."""
    since_s = attacked.clock()
    lies = [
        craft.beacon(address(1), MESH_ID, interval_tu=10),
        craft.beacon(address(1), b"another mesh"),
        craft.beacon(address(1), MESH_ID, peerings=0),
    ]
    send(attacked, lies * 20)
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    row = neighbor(daemons["tap"], "mesh0", 1)
    assert (row["mesh_id"], row["security"], row["bouncing"]) == (deeds.MESH_ID, "open", False)
    assert "one_sided" not in row


def test_frames_in_our_own_name_are_nobodys(attacked: Lab, daemons: Daemons) -> None:
    """Only what our radio says it sent was sent by us."""
    tap = daemons["tap"]
    since_s = attacked.clock()
    lies = [
        craft.beacon(address(0), b"another mesh", interval_tu=20),
        craft.peering_close(address(0), address(0), MESH_ID, 1, 2),
        craft.peering_open(address(0), address(0), MESH_ID, 1),
    ]
    send(attacked, lies * 10)
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    assert neighbor(tap, "mesh0", 0) == {}
    ours = [line["interface"] for line in tap.lines()
            if line["class"] == "interface" and line["at"] >= since_s]  # fmt: skip
    assert {row.get("mesh_id") for row in ours} <= {deeds.MESH_ID}


def test_close_in_a_neighbors_name_does_what_the_kernel_does(
    attacked: Lab, daemons: Daemons
) -> None:
    """mac80211 obeys any Close of an established link of an open mesh, whatever its link ids
    (net/mac80211/mesh_plink.c, mesh_plink_get_event()); then both sides peer again."""
    tap = daemons["tap"]
    before = neighbor(tap, "mesh0", 1)
    since_s = attacked.clock()
    send(attacked, [craft.peering_close(address(1), address(0), MESH_ID, 1, 2)])
    until(
        lambda: (
            told(tap, "mesh0", 1, since_s)[-1:] != []
            and told(tap, "mesh0", 1, since_s)[-1].presence == "present"
        ),
        SOON_S,
        lambda: f"not back: {told(tap, 'mesh0', 1, since_s)}",
    )
    after = neighbor(tap, "mesh0", 1)
    assert (after["llid"], after["plid"]) != (before["llid"], before["plid"])
    assert "silent" not in [change.reason for change in told(tap, "mesh0", 1, since_s)]
    attacked.await_links(6)
    settle(attacked, daemons, "after the Close")
    assert {key for key in changes(daemons, since_s) if key[1] == 2} == set()


def test_close_that_the_kernel_ignores_changes_nothing(attacked: Lab, daemons: Daemons) -> None:
    """It is a reason to look, and the kernel says that the link stands."""
    since_s = attacked.clock()
    closes = [
        craft.peering_close(NOBODY, address(0), MESH_ID, 1, 2),
        *(
            frame.data
            for frame in craft.malformed_peerings(address(1), address(0), MESH_ID)
            if frame.name in {"close with peering of 7 bytes", "close without peering"}
        ),
    ]
    assert len(closes) == 3
    send(attacked, closes * 10)
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    assert ("mesh0", NOBODY) not in daemons["tap"].rows()


def test_storm_of_candidates(attacked: Lab, daemons: Daemons) -> None:
    """Each becomes a station entry of three kernels, which then try to peer with it."""
    since_s = attacked.clock()
    send(attacked, craft.storm(CANDIDATES, BEACONS_EACH, MESH_ID), 1 / CANDIDATES)
    for name, daemon in daemons.items():
        rows = {key for key in daemon.rows() if key[0] == VANTAGE[name]}
        assert rows, name
    judge(attacked, daemons)
    assert not changes(daemons, since_s)
    for name, daemon in daemons.items():
        seen = shown(daemon, since_s)
        assert {presence for _, presence in seen} <= {"heard"}, name
        assert len(seen) == CANDIDATES, name
        until(
            lambda: not any(key[1].startswith(INVENTED) for key in daemon.rows()),  # noqa: B023
            SILENCE_S,
            lambda: f"{daemon.name} still shows {daemon.rows().keys()}",  # noqa: B023
        )
    settle(attacked, daemons, "after the storm")
