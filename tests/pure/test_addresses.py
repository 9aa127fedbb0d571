"""IP addresses behind hardware addresses: who has which, in what order, and how many."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshwatch.addresses import MOST_ADDRESSES, MOST_IPS, Addresses
from meshwatch.model import Address, AddressProof, AddressScope, InterfaceType, Key, Neighbor, Plink
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    AddressWanted,
    InterfaceSeen,
    LinkSeen,
    Question,
    StationSeen,
)
from meshwatch.table import Table
from tests.pure.scenarios import MESH0, MS, SECOND, station

ANA, BEN = "02:0a:0b:00:00:03", "02:0a:0b:00:00:04"
KERNEL, ECHO, DERIVED = AddressProof.KERNEL, AddressProof.ECHO, AddressProof.DERIVED
GUESS = Address("fe80::a:bff:fe00:3%mesh0", AddressScope.LINK, DERIVED)


def shown(addresses: Addresses, address: str = ANA) -> list[str]:
    return [each.address for each in addresses.known(address, "mesh0")[1]]


@pytest.mark.parametrize(
    ("ip", "scope", "text"),
    [
        ("fe80::1", AddressScope.LINK, "fe80::1%mesh0"),
        ("FE80:0::1%eth7", AddressScope.LINK, "fe80::1%mesh0"),
        ("febf::1", AddressScope.LINK, "febf::1%mesh0"),
        ("fd4d:6573:6800::1", AddressScope.UNIQUE_LOCAL, "fd4d:6573:6800::1"),
        ("2001:db8::1", AddressScope.GLOBAL, "2001:db8::1"),
        ("10.1.2.3", AddressScope.PRIVATE, "10.1.2.3"),
        ("172.31.0.1", AddressScope.PRIVATE, "172.31.0.1"),
        ("172.32.0.1", AddressScope.GLOBAL, "172.32.0.1"),
        ("192.168.0.1", AddressScope.PRIVATE, "192.168.0.1"),
        ("192.0.2.1", AddressScope.GLOBAL, "192.0.2.1"),
        ("169.254.1.1", AddressScope.LINK, "169.254.1.1"),
    ],
)
def test_scopes(ip: str, scope: AddressScope, text: str) -> None:
    addresses = Addresses()
    assert addresses.see(ANA, ip, KERNEL, SECOND, ()) == (ANA,)
    (known, *_), _ = addresses.known(ANA, "mesh0")
    assert known == Address(text, scope, KERNEL)


@pytest.mark.parametrize(
    "ip", ["", "mesh0", "fe80::g", "ff02::1", "224.0.0.1", "::", "0.0.0.0", "::1", "127.0.0.1",
           "255.255.255.255", "1.2.3", "fe80::1\n"],
)  # fmt: skip
def test_what_is_no_address_of_a_machine(ip: str) -> None:
    addresses = Addresses()
    assert addresses.see(ANA, ip, KERNEL, SECOND, ()) == ()
    assert addresses.known(ANA, "mesh0") == ((), (GUESS,))


def test_link_local_ones_first_the_newest_before_others_and_the_guess_last() -> None:
    addresses = Addresses()
    for number, ip in enumerate(
        ["169.254.0.1", "10.0.0.1", "8.8.8.8", "2001:db8::1", "fd00::1", "fd00::2"]
    ):
        addresses.see(ANA, ip, KERNEL, number * SECOND, ())
    others = ["fd00::2", "fd00::1", "2001:db8::1", "10.0.0.1", "8.8.8.8", "169.254.0.1"]
    assert shown(addresses) == [*others, GUESS.address]
    assert not addresses.linked(ANA)
    addresses.see(ANA, "fe80::1", KERNEL, 9 * SECOND, ())
    addresses.see(ANA, "fe80::2", ECHO, 10 * SECOND, ())
    assert shown(addresses) == ["fe80::2%mesh0", "fe80::1%mesh0", *others]
    assert addresses.linked(ANA)


def test_an_address_that_is_seen_elsewhere_moves() -> None:
    addresses = Addresses()
    addresses.see(ANA, "fe80::1", ECHO, SECOND, ())
    assert addresses.see(BEN, "fe80::1", KERNEL, 2 * SECOND, ()) == (BEN, ANA)
    assert shown(addresses) == [GUESS.address]
    assert shown(addresses, BEN) == ["fe80::1%mesh0"]


def test_an_echo_proves_more_than_the_kernel_and_nothing_proves_less() -> None:
    addresses = Addresses()
    assert addresses.see(ANA, "fe80::1", DERIVED, SECOND, ()) == ()
    assert addresses.see(ANA, "fe80::1", KERNEL, SECOND, ()) == (ANA,)
    assert addresses.see(ANA, "fe80::1", KERNEL, 2 * SECOND, ()) == ()
    assert addresses.see(ANA, "fe80::1", ECHO, 3 * SECOND, ()) == (ANA,)
    assert addresses.see(ANA, "fe80::1", KERNEL, 4 * SECOND, ()) == ()
    (known,), _ = addresses.known(ANA, "mesh0")
    assert known.proof is ECHO


def test_one_that_failed_is_gone() -> None:
    addresses = Addresses()
    addresses.see(ANA, "fe80::1", ECHO, SECOND, ())
    assert addresses.fail("fe80::2") is None
    assert addresses.fail("fe80::1") == ANA
    assert addresses.fail("fe80::1") is None
    assert shown(addresses) == [GUESS.address]


def test_the_oldest_of_too_many_makes_room() -> None:
    addresses = Addresses()
    for number in range(3 * MOST_IPS):
        addresses.see(ANA, f"fd00::{number:x}", KERNEL, number, ())
    newest = [f"fd00::{number:x}" for number in reversed(range(2 * MOST_IPS, 3 * MOST_IPS))]
    assert shown(addresses) == [*newest, GUESS.address]


def test_a_neighbor_keeps_its_place_whoever_else_is_made_up() -> None:
    addresses = Addresses()
    addresses.see(ANA, "fe80::1", KERNEL, 0, {ANA})
    made_up = [f"06:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(2 * MOST_ADDRESSES)]
    for number, address in enumerate(made_up):
        addresses.see(address, f"fd00::{number:x}", KERNEL, 1, {ANA})
    assert shown(addresses) == ["fe80::1%mesh0"]
    kept = [address for address in made_up if addresses.known(address, "mesh0")[0]]
    assert kept == made_up[-MOST_ADDRESSES + 1 :]
    assert addresses.see(BEN, "fe80::2", KERNEL, 2, {ANA, *made_up}) == ()


IP = st.sampled_from([f"fe80::{n}" for n in range(1, 5)] + [f"fd00::{n:x}" for n in range(1, 40)])
MAC = st.sampled_from([f"02:00:00:00:00:{n:02x}" for n in range(4)])


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | MAC, IP, st.sampled_from([KERNEL, ECHO])), max_size=120))
def test_an_address_is_behind_the_one_that_was_said_last(
    said: list[tuple[str | None, str, AddressProof]],
) -> None:
    addresses, owner = Addresses(), dict[str, str]()
    for now, (mac, ip, proof) in enumerate(said):
        if mac is None:
            assert addresses.fail(ip) in (owner.pop(ip, None), None)
            continue
        addresses.see(mac, ip, proof, now, ())
        owner[ip] = mac
    for mac in {mac for mac, _, _ in said if mac}:
        verified, usable = addresses.known(mac, "m")
        ips = [each.address.partition("%")[0] for each in verified]
        assert len(set(ips)) == len(ips) <= MOST_IPS
        assert all(owner[ip] == mac for ip in ips)
        linked = any(ip.startswith("fe80") for ip in ips)
        assert addresses.linked(mac) == linked
        assert (usable == verified) == linked
        assert usable[: len(verified)] == verified
        if linked:
            assert ips[0].startswith("fe80")


# ---- in the table -------------------------------------------------------------------------------


class Ears:
    """A table with a mesh interface, and the questions it has."""

    def __init__(self) -> None:
        self.table = Table()
        self.table.observe(
            InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, "02:00:00:00:00:00"), 0
        )
        self.table.observe(LinkSeen(MESH0, "mesh0", up=True, running=True), 0)

    def look(self, at: float, plink: Plink = Plink.ESTAB, inactive_ms: int = 0) -> None:
        seen = station(plink, inactive_ms=inactive_ms)
        self.table.observe(StationSeen(MESH0, ANA, seen), round(at * 1000) * MS)

    def found(self, at: float, ip: str, mac: str = ANA) -> None:
        self.table.observe(AddressSeen(MESH0, mac, ip, KERNEL), round(at * 1000) * MS)

    @property
    def asked(self) -> list[Question]:
        return [each for each in self.table.questions() if isinstance(each, AddressWanted)]

    @property
    def row(self) -> Neighbor:
        row = self.table.row(Key("neighbor", MESH0, ANA))
        assert isinstance(row, Neighbor)
        return row


def test_nothing_is_derived_of_a_neighbor_without_a_link() -> None:
    ears = Ears()
    ears.look(1, Plink.OPN_SNT)
    assert (ears.row.addresses, ears.asked) == ((), [])
    ears.look(2)
    assert (ears.row.addresses, ears.asked) == ((GUESS,), [AddressWanted(MESH0, ANA)])
    ears.found(2.1, "10.0.0.1")
    ears.found(2.2, "fe80::1")
    assert [each.address for each in ears.row.addresses] == ["fe80::1%mesh0", "10.0.0.1"]
    ears.look(3, Plink.LISTEN)
    assert [each.address for each in ears.row.addresses] == ["fe80::1%mesh0", "10.0.0.1"]
    ears.look(4)
    assert ears.asked == []  # it is known


def test_each_arrival_asks_until_it_is_known() -> None:
    ears = Ears()
    ears.look(1)
    assert ears.asked == [AddressWanted(MESH0, ANA)]
    ears.look(2)
    ears.found(2.5, "fd00::1")
    assert ears.asked == []
    ears.look(10, inactive_ms=6000)
    assert ears.row.presence == "quiet"
    ears.look(11)
    assert ears.asked == [AddressWanted(MESH0, ANA)]


def test_who_is_present_without_an_address_any_more_is_asked_for() -> None:
    ears = Ears()
    ears.look(1)
    ears.found(1.1, "fe80::1")
    ears.table.questions()
    ears.table.observe(AddressFailed(MESH0, "fe80::1"), 2 * SECOND)
    assert (ears.row.addresses, ears.asked) == ((GUESS,), [AddressWanted(MESH0, ANA)])
    ears.found(3, "fe80::1")
    ears.found(3.1, "fe80::1", BEN)  # whoever can move an address away makes nobody ask
    assert (ears.row.addresses, ears.asked) == ((GUESS,), [])


def test_addresses_that_came_before_the_neighbor() -> None:
    ears = Ears()
    ears.found(0.5, "fe80::1")
    ears.look(1)
    assert [each.address for each in ears.row.addresses] == ["fe80::1%mesh0"]
    assert ears.asked == []


def test_a_link_that_was_down_knows_nobody() -> None:
    ears = Ears()
    ears.found(0.5, "fe80::1")
    ears.table.observe(LinkSeen(MESH0, "mesh0", up=True, running=False), SECOND)
    ears.table.observe(LinkSeen(MESH0, "mesh0", up=True, running=True), 2 * SECOND)
    ears.look(3)
    assert ears.row.addresses == (GUESS,)


def test_another_name_of_the_interface_is_another_scope() -> None:
    ears = Ears()
    ears.look(1)
    ears.found(1.1, "fe80::1")
    ears.table.observe(LinkSeen(MESH0, "radio", up=True, running=True), 2 * SECOND)
    assert [each.address for each in ears.row.addresses] == ["fe80::1%radio"]


def test_an_address_is_what_getaddrinfo_takes() -> None:
    (name, *_) = [name for _, name in socket.if_nameindex()]
    addresses = Addresses()
    addresses.see(ANA, "fe80::1", KERNEL, 0, ())
    (known,), _ = addresses.known(ANA, name)
    found = socket.getaddrinfo(known.address, 5269, socket.AF_INET6, socket.SOCK_STREAM)
    assert found[0][4] == ("fe80::1", 5269, 0, socket.if_nametoindex(name))
