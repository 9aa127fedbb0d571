"""What show says of a neighbor and of an interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from meshwatch.cli import describe
from meshwatch.client import Mirror, NeighborKey
from meshwatch.model import Presence
from meshwatch.protocol import Address, Claim, Evidence, Interface, Neighbor, Readings, Service

NOW = 1_795_000_000_000
ANNA, BEN = "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES = {ANNA: "anna"}
BARE = Neighbor(
    ifindex=4,
    interface="mesh0",
    address=BEN,
    presence=Presence.PRESENT,
    reason="established",
    since_unix_ms=NOW - 5000,
    first_heard_unix_ms=NOW - 5000,
    proximity="direct",
    bouncing=False,
    readings=Readings(last_heard_unix_ms=NOW - 300, reach="000f"),
)
FULL = replace(
    BARE,
    evidence=Evidence(proof="probe", silence_ms=1400, unanswered=3),
    plink="estab",
    llid=4711,
    plid=815,
    gate=True,
    authentication_server=False,
    authenticated=True,
    mfp=True,
    security="sae",
    mesh_id="school",
    accepting=False,
    one_sided="theirs",
    next_hop=ANNA,
    hop_count=2,
    proxy="02:00:00:00:00:03",
    addresses=(
        Address(address="fe80::1%mesh0", scope="link", proof="echo"),
        Address(address="10.0.0.1", scope="private", proof="kernel"),
    ),
    name="ana.local",
    nick="Ana",
    jid="ana@ana.example",
    disputed=True,
    claims=(
        Claim(
            claimant="names",
            uid=994,
            name="ana.local",
            nick="Ana",
            fingerprint="sha256:9f",
            verified=False,
            claimed_unix_ms=NOW - 61_000,
            services=(
                Service(
                    type="_xmpp-server._tcp",
                    instance="ana",
                    host="ana.local",
                    port=5269,
                    txt={"domain": "ana.example", "x": "\x1b[2J"},
                ),
                Service(type="_ssh._tcp", instance="a", port=22),
            ),
        ),
    ),
    restarts=2,
    clash="channels",
    bouncing=True,
    readings=Readings(
        last_heard_unix_ms=NOW - 300,
        reach="000f",
        connected_s=3723,
        signal_dbm=-61,
        signal_avg_dbm=-60,
        ack_signal_dbm=-59,
        airtime_metric=128,
        measured_unix_ms=NOW - 7000,
        beacon_interval_tu=100,
        loss_percent=12,
        peers=63,
        path_metric=304,
        path_changes=1,
        expected_throughput_kbps=30_000,
        tx_rate_kbps=54_000,
        rx_rate_kbps=866_700,
        tx_bytes=7654,
        rx_bytes=1_234_567,
        tx_packets=99,
        rx_packets=12345,
        tx_retries=3,
        tx_failed=0,
        beacon_rx=884,
        beacon_loss=2,
        local_pm="active",
        peer_pm="light_sleep",
        nonpeer_pm="deep_sleep",
    ),
)
MESH0 = Interface(
    ifindex=4,
    interface="mesh0",
    type="mesh",
    wiphy=0,
    address="02:00:00:00:00:ff",
    up=True,
    running=True,
    frequency_mhz=2412,
    mesh_id="school",
    beacon_interval_tu=1000,
    gates=(ANNA, BEN),
)


def facts(lines: Iterator[str]) -> dict[str, str]:
    headline, *rest = lines
    return {"": headline} | {line[2:15].strip(): line[16:] for line in rest}


def about(row: Neighbor) -> dict[str, str]:
    return facts(describe.neighbor(row, NAMES, NOW, color=False))


def test_all_that_can_be_known() -> None:
    told = about(FULL)
    assert told.pop("state").startswith("present since ")
    assert told.pop("first heard")
    assert told.pop("last heard").endswith(", 0.3s ago")
    assert told == {
        "": f'"ana.local", {BEN} on mesh0',
        "reason": "peer link established",
        "evidence": "three probes unanswered, silent for 1.4 s",
        "one-sided": "we lost the link, it counts as many peers as before",
        "bouncing": "it came and went too often, its news is held back",
        "where": "in radio range, behind 02:00:00:00:00:03, next hop anna, 2 hops",
        "reach": "............**** (000f), oldest first",
        "peer link": "estab, our id 4711, its id 815, restarted 2 times",
        "is said to be": "ana.local, Ana, ana@ana.example",
        "disputed": "another has this name too, or it had another name before",
        "clash": "its address is in range on two channels",
        "addresses": "fe80::1%mesh0 (echo), 10.0.0.1 (kernel)",
        "claimed by": "names (user 994) 1m01s ago: ana.local, Ana, sha256:9f, not verified",
        "offers": "_ssh._tcp a port 22",
        "security": "SAE, authenticated: yes, management frames protected: yes",
        "mesh ID": "school",
        "peers": "counts 63 peers or more, accepts no more",
        "connected to": "gate: yes, authentication server: no",
        "signal": "-61 dBm last, -60 dBm average, -59 dBm of its acknowledgements",
        "rates": "54 Mb/s sent, 866.7 Mb/s received",
        "throughput": "30 Mb/s expected",
        "metric": "128, 1.3 ms of air per 1 kB sent",
        "measured": "metric and throughput: 7.0s ago, by traffic",
        "path metric": "304, 3.1 ms of air per 1 kB sent, 1 change",
        "power save": "we to it active, it to us light sleep, it to strangers deep sleep",
        "sent": "99 frames, 7.7 kB, 3 retried, 0 failed",
        "received": "12345 frames, 1.2 MB",
        "beacons": "every 100 TU (0.102 s), 12 % missed of late, 884 received,"
        " found missing 2 times",
        "entry": "known to the kernel for 1h02m",
    }


def test_what_is_unknown_is_left_out() -> None:
    assert list(about(BARE)) == [
        "", "state", "reason", "where", "first heard", "last heard", "reach",
    ]  # fmt: skip


def test_every_key_is_shown() -> None:
    """Whatever the protocol may add: without it, something is not said."""
    whole = list(describe.neighbor(FULL, NAMES, NOW, color=False))
    for field in fields(Neighbor):
        if not field.required:
            default = field.default if field.default is not NODEFAULT else False
            without: Any = replace(FULL, **{field.name: default})
            assert list(describe.neighbor(without, NAMES, NOW, color=False)) != whole, field.name
    for field in fields(Readings):
        if not field.required:
            readings = replace(FULL.readings, **{field.name: None})
            without = replace(FULL, readings=readings)
            assert list(describe.neighbor(without, NAMES, NOW, color=False)) != whole, field.name


def test_who_it_is_said_to_be_where_and_by_whom() -> None:
    told = list(describe.neighbor(FULL, NAMES, NOW, color=False))
    for line in (
        "  is said to be ana.local, Ana, ana@ana.example",
        "  addresses     fe80::1%mesh0 (echo), 10.0.0.1 (kernel)",
        "  claimed by    names (user 994) 1m01s ago: ana.local, Ana, sha256:9f, not verified",
        "  offers        _xmpp-server._tcp ana at ana.local port 5269 domain=ana.example x=?[2J",
        "  offers        _ssh._tcp a port 22",
        "  clash         its address is in range on two channels",
    ):
        assert line in told


def test_who_is_beyond_radio_range_was_reached_and_not_heard() -> None:
    told = about(replace(BARE, proximity="mesh", reason="path", next_hop=ANNA, hop_count=1))
    assert told["where"] == "through the mesh, next hop anna, 1 hop"
    assert "last reached" in told
    assert not told.keys() & {"last heard", "reach"}
    assert about(replace(BARE, proximity="proxied", proxy=ANNA))["where"] == (
        "outside the mesh, behind anna"
    )


def test_words_of_a_later_version_are_shown_and_obeyed_by_no_terminal() -> None:
    odd = "new\x1b[2J"
    told = about(replace(FULL, security=odd, mesh_id=odd, one_sided=odd, proximity=odd, reason=odd))
    assert not any("\x1b" in value for value in told.values())
    assert told["mesh ID"] == "new?[2J"
    assert told["one-sided"] == "new?[2J"


def about_interface(row: Interface, *neighbors: Neighbor) -> dict[str, str]:
    mirror = Mirror()
    mirror.neighbors = {NeighborKey(n.ifindex, n.address): n for n in neighbors}
    return facts(describe.interface(row, mirror, NAMES, color=False))


def test_an_interface() -> None:
    elsewhere = replace(BARE, ifindex=5)
    assert about_interface(MESH0, FULL, elsewhere) == {
        "": "mesh0, 02:00:00:00:00:ff",
        "state": "up and joined",
        "type": "mesh",
        "mesh ID": "school",
        "frequency": "2412 MHz",
        "radio": "phy0",
        "beacons": "every 1000 TU (1.02 s)",
        "gates": f"anna, {BEN}",
        "in the table": "1 neighbor",
    }


def test_an_interface_of_which_little_is_known() -> None:
    bare = replace(
        MESH0, running=False, frequency_mhz=None, mesh_id=None, beacon_interval_tu=None, gates=()
    )
    told = about_interface(bare)
    assert list(told) == ["", "state", "type", "radio", "in the table"]
    assert told["state"] == "up, not joined"
    assert told["in the table"] == "0 neighbors"
