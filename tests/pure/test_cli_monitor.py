"""What `meshwatch monitor` makes of the listing of `iw dev`."""

from __future__ import annotations

import pytest

from meshwatch.cli.monitor import Vif, default_name, interfaces

# iw 5.19; the SSID of the second is "type monitor" and a line feed, which iw writes as \x0a.
LISTING = """\
phy#1
	Unnamed/non-netdev interface
		wdev 0x100000155
		addr 42:00:00:00:01:00
		type P2P-device
		txpower 20.00 dBm
	Interface wlan1
		ifindex 4
		wdev 0x100000001
		addr 02:00:00:00:01:00
		ssid type monitor\\x0a
		type managed
		channel 1 (2412 MHz), width: 20 MHz (no HT), center1: 2412 MHz
		txpower 20.00 dBm
		multicast TXQ:
			qsz-byt	qsz-pkt	flows	drops	marks	overlmt	hashcol	tx-bytes	tx-packets
			0	0	0	0	0	0	0	0		0
phy#0
	Interface mon0
		ifindex 7
		wdev 0x2
		addr 02:00:00:00:00:00
		type monitor
		txpower 20.00 dBm
	Interface mesh0
		ifindex 5
		wdev 0x1
		addr 02:00:00:00:00:00
		type mesh point
		channel 1 (2412 MHz), width: 20 MHz (no HT), center1: 2412 MHz
"""


def test_interfaces() -> None:
    assert interfaces(LISTING) == [
        Vif("phy#1", "wlan1", "managed"),
        Vif("phy#0", "mon0", "monitor"),
        Vif("phy#0", "mesh0", "mesh point"),
    ]
    assert interfaces("") == []


@pytest.mark.parametrize(
    ("mesh", "beside", "name"),
    [
        ("mesh0", None, "mon0"),
        ("mesh12", None, "mon12"),
        ("mesh12", "phy#3", "mon12"),
        ("wlx001122334455", None, "mon3"),  # a number of twelve digits is an address
        ("backbone", None, "mon3"),
    ],
)
def test_the_name_follows_the_mesh_interface(mesh: str, beside: str | None, name: str) -> None:
    vifs = [Vif("phy#0", "mesh7", "mesh point"), Vif("phy#3", mesh, "mesh point")]
    assert default_name(vifs, "phy#3", beside) == name


def test_of_two_on_a_radio_the_one_that_was_named_counts() -> None:
    vifs = [Vif("phy#3", "mesh1", "mesh point"), Vif("phy#3", "ad-hoc2", "IBSS")]
    assert default_name(vifs, "phy#3", "ad-hoc2") == "mon2"
    assert default_name(vifs, "phy#3", None) == "mon1"


def test_a_radio_without_a_mesh_lends_its_own_number() -> None:
    assert default_name([Vif("phy#3", "wlan1", "managed")], "phy#3", None) == "mon3"


def test_what_is_no_mesh_interface_yet_may_be_named() -> None:
    """So that the name is the same before and after it becomes one."""
    for kind in ("managed", "mesh point"):
        assert default_name([Vif("phy#3", "mesh1", kind)], "phy#3", "mesh1") == "mon1"
