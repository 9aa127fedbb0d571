"""What list and watch say about a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from meshwatch import model
from meshwatch.cli import view
from meshwatch.cli.layout import width_of
from meshwatch.cli.news import news
from meshwatch.cli.picture import Picture
from meshwatch.cli.show import matching
from meshwatch.client import (
    Came,
    Changed,
    Disconnected,
    Event,
    InterfaceCame,
    InterfaceChanged,
    Mirror,
    NeighborKey,
    Removed,
    Resynchronised,
    SourceChanged,
)
from meshwatch.protocol import (
    Address,
    Claim,
    Evidence,
    Interface,
    Neighbor,
    Protocol,
    Readings,
    Source,
    Version,
)

NOW = time.time_ns() // 1_000_000
ANNA, BEN = "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES = {ANNA: "anna"}
PROBED = Evidence(proof="probe", silence_ms=1400, unanswered=3)
VERSION = Version(
    seq=1, protocol=Protocol(1, 0), release="0.1.0", boot="b", started_unix_ms=NOW - 9000
)


FOUND = Address(address="10.0.0.1", scope="private", proof="kernel")
GUESS = Address(address="fe80::ff:fe00:1%mesh0", scope="link", proof="derived")


def neighbor(last: int = 1, presence: str = "present", **changes: Any) -> Neighbor:
    values: dict[str, Any] = {
        "ifindex": 10,
        "interface": "mesh0",
        "address": f"02:00:00:00:00:{last:02x}",
        "presence": model.Presence(presence),
        "reason": "established" if presence == "present" else "peering",
        "since_unix_ms": NOW - 5000,
        "first_heard_unix_ms": NOW - 5000,
        "proximity": "direct",
        "plink": "estab" if presence == "present" else "listen",
        "bouncing": False,
        "readings": Readings(
            last_heard_unix_ms=NOW - 300,
            reach="000f",
            signal_dbm=-60,
            airtime_metric=128,
            tx_rate_kbps=54000,
            rx_rate_kbps=6000,
        ),
    }
    return Neighbor(**(values | changes))


def interface(index: int = 0, *, up: bool = True, running: bool = True) -> Interface:
    return Interface(
        ifindex=10 + index,
        interface=f"mesh{index}",
        type="mesh",
        wiphy=index,
        address="02:00:00:00:00:ff",
        up=up,
        running=running,
        frequency_mhz=2412,
        gates=(),
    )


def mirror(
    neighbors: Sequence[Neighbor] = (),
    interfaces: Sequence[Interface] = (interface(),),
    failure: str | None = None,
    replay: str | None = None,
) -> Mirror:
    made = Mirror()
    made.neighbors = {NeighborKey(n.ifindex, n.address): n for n in neighbors}
    made.interfaces = {i.ifindex: i for i in interfaces}
    source = Source(source="nl80211", since_unix_ms=NOW - 60_000, failure=failure)
    made.sources = {"nl80211": source}
    made.version = Version(
        seq=1,
        protocol=Protocol(1, 0),
        release="0.1.0",
        boot="b",
        started_unix_ms=NOW,
        replay=replay,
    )
    return made


def table(of: Mirror, width: int | None = None) -> list[str]:
    return view.whole_table(of, NAMES, NOW, width=width, color=False)


def test_eighty_columns_hold_what_matters() -> None:
    heading, row = table(mirror([neighbor(2)]), 80)
    assert heading.split() == [
        "NEIGHBOR", "STATE", "LINK", "METRIC", "SIGNAL", "TX/RX", "Mb/s", "FOR", "MARKS",
    ]  # fmt: skip
    assert row.split() == [
        "02:00:00:00:00:02", "present", "estab", "128", "-60", "dBm", "54/6", "5.0s", "-",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({"security": "open", "gate": False}, "-"),
        ({"security": "sae"}, "S"),
        ({"security": "802.1x", "gate": True}, "SG"),
        ({"security": "sae", "presence": "heard"}, "-"),  # so says its beacon, who knows
        ({"one_sided": "ours", "bouncing": True}, "1~"),
        ({"security": "sae", "gate": True, "one_sided": "theirs", "bouncing": True}, "SG1~"),
        ({"disputed": True}, "?"),
        ({"clash": "ours", "bouncing": True}, "~!"),
    ],
)
def test_marks(changes: dict[str, Any], marks: str) -> None:
    _, row = table(mirror([neighbor(2, **changes)]), 80)
    assert row.split()[-1] == marks
    assert width_of(row) <= 80


def claim(name: str, *, verified: bool = False) -> Claim:
    return Claim(claimant="names", uid=5, name=name, verified=verified, claimed_unix_ms=NOW)


def test_a_name_of_ours_goes_before_one_that_is_said_and_that_is_in_quotes() -> None:
    rows = [
        neighbor(1, name="other.local", claims=(claim("other.local"),)),
        neighbor(2, name="ben.local", claims=(claim("ben.local"),)),
        neighbor(3, name="c.local", claims=(claim("x"), claim("c.local", verified=True))),
        neighbor(4),
        neighbor(5, name="\x1b[2J"),
    ]
    heading, *lines = table(mirror(rows))
    assert "ADDRESS" in heading
    assert {line.split()[0] for line in lines} == {
        "anna", '"ben.local"', "c.local", "02:00:00:00:00:04", '"?[2J"',
    }  # fmt: skip
    heading, _ = table(mirror([neighbor(4)]))
    assert "ADDRESS" not in heading


FAR: dict[str, Any] = {
    "reason": "path",
    "proximity": "mesh",
    "plink": None,
    "next_hop": "02:00:00:00:00:01",
    "hop_count": 3,
    "evidence": Evidence(proof="path"),
    "readings": Readings(last_heard_unix_ms=NOW - 300, reach="0000", path_metric=304),
}
BEHIND = FAR | {
    "proximity": "proxied",
    "next_hop": None,
    "hop_count": None,
    "proxy": "02:00:00:00:00:05",
}


@pytest.mark.parametrize(("changes", "link"), [(FAR, "3 hops"), (BEHIND, "proxied")])
def test_who_is_beyond_radio_range_has_a_way_and_no_reach(
    changes: dict[str, Any], link: str
) -> None:
    heading, row = table(mirror([neighbor(2, **changes)]))
    shown = {name: row[heading.index(name) :] for name in ("LINK", "LOSS", "REACH")}
    assert shown["LINK"].startswith(f"{link} ")
    assert shown["REACH"].startswith("- ")
    assert " 304 " in row


def test_a_wide_table_tells_the_loss() -> None:
    readings = Readings(last_heard_unix_ms=NOW, reach="ffff", loss_percent=12)
    heading, row = table(mirror([neighbor(2, readings=readings)]))
    end = heading.index("LOSS") + len("LOSS")
    assert row[:end].endswith(" 12%")


def test_the_mesh_has_a_name_that_commands_no_terminal() -> None:
    named = replace(interface(), mesh_id="school\x1b[2J")
    assert view.interface_line(named) == "mesh0: mesh school?[2J, 2412 MHz"


def test_a_named_neighbor_still_shows_its_address() -> None:
    heading, row = table(mirror([neighbor(1)]))
    assert "ADDRESS" in heading
    assert row.startswith("anna ")
    assert "02:00:00:00:00:01" in row


def test_several_interfaces_are_told_apart() -> None:
    there = neighbor(3, ifindex=11, interface="mesh1")
    lines = table(mirror([there, neighbor(1)], [interface(1), interface(0)]))
    assert [line.split()[0] for line in lines] == [
        "NEIGHBOR", "mesh0:", "anna", "mesh1:", "02:00:00:00:00:03",
    ]  # fmt: skip


def test_an_interface_without_neighbors_says_so() -> None:
    lines = table(mirror([neighbor(1)], [interface(0), interface(1)]))
    assert lines[-1] == "mesh1: mesh, 2412 MHz, nobody in range"


@pytest.mark.parametrize(
    ("interfaces", "beginning"),
    [
        ([], "There is no mesh interface"),
        ([interface(up=False, running=False)], "mesh0 is down"),
        ([interface(running=False)], "mesh0 is up but has not joined"),
        ([interface()], "mesh0 is up, nobody in range yet"),
    ],
)
def test_an_empty_table_explains_itself(interfaces: list[Interface], beginning: str) -> None:
    live = table(mirror(interfaces=interfaces))
    assert live[0].startswith(beginning)
    assert len(live) == (1 if "nobody in range" in beginning else 2)
    replayed = table(mirror(interfaces=interfaces, replay="x.pcapng"))
    assert len(replayed) == 1  # nothing that is done now changes what happened then
    assert replayed[0].startswith(beginning)
    assert replayed[0].endswith(".")


def test_a_failure_comes_first() -> None:
    lines = table(mirror(failure="not in the kernel", interfaces=[]))
    assert lines == ["nl80211 has failed 1m00s ago: not in the kernel"]


def test_sentences_are_wrapped() -> None:
    lines = table(mirror(failure="a long story " * 9, interfaces=[interface(up=False)]), 40)
    assert len(lines) > 4
    assert all(width_of(line) <= 40 for line in lines)
    assert "    ip link set mesh0 up" in lines


def line(event: Event, *, settled: bool = True) -> str | None:
    item = news(event, NAMES, NOW, settled=settled)
    return None if item is None else item.line(date=False)[9:]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Came(neighbor(1)), "+ mesh0 anna: present, peer link established"),
        (
            Changed(neighbor(1), neighbor(1, "heard", since_unix_ms=NOW - 9000)),
            "* mesh0 anna: heard -> present, peer link established",
        ),
        (
            Changed(neighbor(2, gate=True), neighbor(2, gate=False)),
            "* mesh0 02:00:00:00:00:02: gate no -> yes",
        ),
        (
            Changed(neighbor(2, "heard"), neighbor(2, "heard", plink="opn_snt")),
            "* mesh0 02:00:00:00:00:02: plink opn_snt -> listen",
        ),
        (
            Changed(neighbor(2, reason="restarted", llid=3), neighbor(2, llid=2)),
            "* mesh0 02:00:00:00:00:02: peer link established anew",
        ),
        (Removed(neighbor(1), "deleted"), "- mesh0 anna: present -> gone, deleted by the kernel"),
        (
            Came(neighbor(2, "heard", reason="full")),
            f"+ mesh0 {BEN}: heard, it accepts no further peers",
        ),
        (
            Came(neighbor(2, **FAR)),
            f"+ mesh0 {BEN}: present, through the mesh, next hop anna, 3 hops",
        ),
        (
            Changed(neighbor(2, **FAR), neighbor(2, **(FAR | {"hop_count": 4}))),
            f"* mesh0 {BEN}: hops 4 -> 3",
        ),
        (
            Changed(neighbor(2, **BEHIND), neighbor(2, **(BEHIND | {"proxy": ANNA}))),
            f"* mesh0 {BEN}: proxy anna -> 02:00:00:00:00:05",
        ),
        (
            Changed(
                neighbor(1, "quiet", reason="silent", plink="estab", evidence=PROBED), neighbor(1)
            ),
            "* mesh0 anna: present -> quiet, silent for longer than usual"
            " (three probes unanswered, silent for 1.4 s)",
        ),
        (
            Changed(
                neighbor(1, reason="returned", evidence=Evidence(proof="look")),
                neighbor(1, "quiet", plink="estab"),
            ),
            "* mesh0 anna: quiet -> present, heard again, same peer link",
        ),
        (
            Changed(neighbor(1, evidence=Evidence(proof="event")), neighbor(1)),
            "* mesh0 anna: peer link established (an event of the kernel)",
        ),
        (
            Removed(neighbor(1), "silent", PROBED),
            "- mesh0 anna: present -> gone, silent for longer than usual"
            " (three probes unanswered, silent for 1.4 s)",
        ),
        (
            Changed(
                neighbor(1, mesh_id=ANNA, accepting=False), neighbor(1, mesh_id="", accepting=True)
            ),
            f"* mesh0 anna: mesh ID  -> {ANNA}, accepts peers yes -> no",
        ),
        (
            Changed(neighbor(1, mesh_id="school", security="sae", accepting=True), neighbor(1)),
            None,
        ),
        (
            Changed(neighbor(1, mesh_id="school", gate=True), neighbor(1, security="open")),
            "* mesh0 anna: gate yes",
        ),
        (
            Changed(neighbor(1, "heard", reason="closed"), neighbor(1, security="open")),
            "* mesh0 anna: present -> heard, peer link closed",
        ),
        (
            Changed(neighbor(1, mesh_id="a\x1b[2J"), neighbor(1, mesh_id="b")),
            "* mesh0 anna: mesh ID b -> a?[2J",
        ),
        (
            Changed(neighbor(1, one_sided="ours", bouncing=True), neighbor(1)),
            "* mesh0 anna: one-sided: we have the link, it counts no peer,"
            " bouncing, its news is held back",
        ),
        (
            Changed(neighbor(1, name="a.local", claims=(claim("a.local"),)), neighbor(1)),
            "* mesh0 anna: name a.local",
        ),
        (
            Changed(neighbor(1, addresses=(FOUND, GUESS)), neighbor(1, addresses=(GUESS,))),
            "* mesh0 anna: address 10.0.0.1",
        ),
        (
            Changed(
                neighbor(1, disputed=True, clash="ours"), neighbor(1, addresses=(FOUND,), nick="A")
            ),
            "* mesh0 anna: nick A -> -, no address 10.0.0.1, its name is disputed,"
            " clash: its address is one of our own",
        ),
        (
            Changed(neighbor(1), neighbor(1, disputed=True, clash="channels")),
            "* mesh0 anna: name no longer disputed, no longer a clash",
        ),
        (
            Changed(neighbor(1), neighbor(1, one_sided="ours", bouncing=True)),
            "* mesh0 anna: no longer one-sided, no longer bouncing",
        ),
        (InterfaceCame(interface()), "! mesh0: interface is up and joined, 2412 MHz"),
        (
            InterfaceChanged(interface(up=False, running=False), interface()),
            "! mesh0: interface is down",
        ),
        (
            InterfaceChanged(
                replace(interface(), mesh_id="school", gates=(ANNA,)),
                replace(interface(), gates=(BEN,)),
            ),
            f"! mesh0: mesh ID school, gate anna, no gate {BEN}",
        ),
        (Disconnected("it died"), "! lost meshwatchd (it died), waiting for it"),
        (
            SourceChanged(Source(source="dbus", since_unix_ms=NOW, failure="no bus")),
            "! dbus has failed: no bus",
        ),
        (SourceChanged(Source(source="dbus", since_unix_ms=NOW)), None),
        (Removed(neighbor(1), "from-the-future"), "- mesh0 anna: present -> gone, from-the-future"),
    ],
)
def test_news(event: Event, said: str | None) -> None:
    assert line(event) == said


def test_who_was_there_before_us_did_not_come() -> None:
    said = line(Came(neighbor(1)), settled=False)
    assert said is not None
    assert said.startswith("= ")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 10), (20, 5)])
def test_the_picture_keeps_to_the_screen(width: int, height: int) -> None:
    crowd = [neighbor(i) for i in range(1, 40)]
    crowd[2] = neighbor(3, security="sae", gate=True, one_sided="ours", bouncing=True)
    crowd[3] = neighbor(4, **FAR)
    shown = mirror(crowd, replay="demo.pcapng")
    picture = Picture(NAMES, color=False)
    picture.note(Resynchronised(VERSION), shown)
    for one in crowd:
        picture.note(Came(one), shown)
    lines = picture.lines(shown, width, height)
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)
    assert lines[0].startswith("replaying demo.pcap")


def test_the_picture_says_when_the_daemon_is_gone_and_back() -> None:
    shown = mirror([neighbor(1)])
    picture = Picture(NAMES, color=False)
    assert picture.lines(shown, 80, 24)[0].startswith("waiting for meshwatchd")
    picture.note(Came(neighbor(1)), shown)
    picture.note(Resynchronised(VERSION), shown)
    assert picture.lines(shown, 80, 24)[0].startswith("mesh0: mesh, 2412 MHz; 1 neighbor")
    picture.note(Disconnected("it died"), shown)
    assert picture.lines(shown, 80, 24)[0].startswith("lost meshwatchd (it died)")
    picture.note(Resynchronised(VERSION), shown)
    lines = picture.lines(shown, 80, 24)
    assert lines[0].startswith("mesh0")
    assert lines[-1].endswith("meshwatchd is back")


def test_the_table_has_the_address_to_try_first_and_no_guesses() -> None:
    for addresses, shown in (((FOUND, GUESS), "10.0.0.1"), ((GUESS,), "-"), ((), "-")):
        _, row = table(mirror([neighbor(2, addresses=addresses)]))
        assert row.split()[-2] == shown


def test_show_finds_by_any_name() -> None:
    of = mirror([neighbor(1), neighbor(2, name="Ben.local", nick="Ben")])
    for wanted in ("anna", "ben.local", "BEN", BEN, BEN[:-1] + "2"):
        (found,) = matching(of, wanted, NAMES)
        assert (found.address == ANNA) == (wanted == "anna")
    assert len(matching(of, "02:00", NAMES)) == 2
    assert matching(of, "be", NAMES) == []
