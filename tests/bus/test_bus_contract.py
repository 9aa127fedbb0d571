"""The names, types and values that rows have on the bus, held against the model and the sockets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from meshwatch.bus.contract import (
    DICTIONARIES,
    INTERFACE,
    MANAGER,
    NEIGHBOR,
    Contract,
    Manager,
    label,
    path,
)
from meshwatch.bus.marshal import Typed
from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Claim,
    Clash,
    Evidence,
    OneSided,
    Plink,
    PowerMode,
    Proof,
    Proximity,
    Readings,
    Service,
)
from meshwatch.protocol import objects
from tests.bus.harness import WALL_OFFSET_NS, interface, neighbor, plain

CONTRACT = Contract(lambda: WALL_OFFSET_NS)


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("mesh0", "mesh0"),
        ("0mesh", "_30mesh"),
        ("wlan0.1", "wlan0_2e1"),
        ("a_b-c", "a_5fb_2dc"),
        ("mësh", "m_c3_absh"),
        ("", "_"),
        ("²", "_c2_b2"),
    ],
)
def test_interface_names_are_escaped_as_systemd_does(name: str, escaped: str) -> None:
    assert label(name) == escaped


def test_paths() -> None:
    assert path(Manager("1", {})) == "/org/meshwatch"
    assert path(interface(name="mesh-0")) == "/org/meshwatch/mesh_2d0"
    assert path(neighbor(1, interface="mesh0")) == "/org/meshwatch/mesh0/n_42_00_00_00_00_01"


def camel(names: set[str]) -> set[str]:
    return {re.sub(r"(?:^|_)(.)", lambda match: match[1].upper(), name) for name in names}


@pytest.mark.parametrize(
    ("name", "struct"),
    [(NEIGHBOR, objects.Neighbor), (INTERFACE, objects.Interface)],
)
def test_properties_are_the_fields_of_the_sockets(name: str, struct: Any) -> None:
    told = {field.name for field in fields(struct)} - {"readings"}
    news = {each.name for each in CONTRACT.properties[name].values() if not each.reading}
    assert news == camel(told)


def test_readings_are_the_readings_of_the_sockets() -> None:
    told = {field.name for field in fields(objects.Readings)}
    readings = {each.name for each in CONTRACT.properties[NEIGHBOR].values() if each.reading}
    assert readings == camel(told)


def test_values() -> None:
    row = neighbor(
        1,
        plink=Plink.OPN_SNT,
        llid=None,
        readings=Readings(
            last_heard_ns=3_500_000, reach=0xBEE, peer_pm=PowerMode.LIGHT_SLEEP, signal_dbm=-71
        ),
    )
    assert plain(CONTRACT.values(row)) == {
        "Ifindex": 3,
        "Interface": "mesh0",
        "Address": "42:00:00:00:00:01",
        "Presence": "present",
        "Reason": "established",
        "SinceUnixMs": 1_700_000_001_000,
        "FirstHeardUnixMs": 1_700_000_001_000,
        "Proximity": "direct",
        "Plink": "opn_snt",
        "Plid": 2,
        "Addresses": [],
        "Disputed": False,
        "Claims": [],
        "Restarts": 0,
        "Bouncing": False,
        "LastHeardUnixMs": 1_700_000_000_003,
        "Reach": "0bee",
        "PeerPm": "light_sleep",
        "SignalDbm": -71,
    }


def test_values_beyond_radio_range() -> None:
    row = neighbor(
        1,
        proximity=Proximity.MESH,
        one_sided=OneSided.OURS,
        mesh_id="a\x1b[2J",
        hop_count=2,
        readings=Readings(last_heard_ns=0, measured_ns=4_000_000, loss_percent=0),
    )
    values = plain(CONTRACT.values(row))
    assert (values["Proximity"], values["OneSided"], values["HopCount"]) == ("mesh", "ours", 2)
    assert values["MeshId"] == "a\\x1b[2J"
    assert (values["MeasuredUnixMs"], values["LossPercent"]) == (1_700_000_000_004, 0)


def test_evidence_is_a_difference_when_any_of_it_is() -> None:
    old = neighbor(1, evidence=Evidence(proof=Proof.LOOK, missed=2))
    new = replace(old, evidence=Evidence(proof=Proof.LOOK, missed=1 << 40))
    changed, invalidated = CONTRACT.difference(old, new)
    assert plain(plain(changed)["Evidence"]) == {"proof": "look", "missed": (1 << 32) - 1}
    assert invalidated == []
    assert CONTRACT.difference(new, replace(new)) == ({}, [])


@pytest.mark.parametrize("words", DICTIONARIES)
def test_the_keys_of_dictionaries_are_those_of_the_sockets(words: type[Struct]) -> None:
    told: type[Struct] = getattr(objects, words.__name__)
    assert DICTIONARIES[words].keys() == {field.name for field in fields(told)}


def test_addresses_and_claims_are_arrays_of_dictionaries() -> None:
    service = Service("_xmpp-server._tcp", "ana", None, 5269, (("domain", "é" * 255),))
    claim = Claim(
        claimant="names", uid=5, name="n" * 253, claimed_ns=2_000_000, services=(service,)
    )
    row = neighbor(
        1,
        addresses=(Address("fe80::1%mesh\x1b", AddressScope.LINK, AddressProof.ECHO),),
        claims=(claim,),
        restarts=2,
        clash=Clash.OURS,
    )
    values = CONTRACT.news(row)
    told = plain(values)
    assert (told["Restarts"], told["Clash"], told["Disputed"]) == (2, "ours", False)
    assert [plain(each) for each in told["Addresses"]] == [
        {"address": "fe80::1%mesh\\x1b", "scope": "link", "proof": "echo"}
    ]
    (said,) = [plain(each) for each in told["Claims"]]
    assert said.pop("services") == [
        {
            "type": Typed("s", "_xmpp-server._tcp"),
            "instance": Typed("s", "ana"),
            "port": Typed("q", 5269),
            "txt": Typed("a{ss}", {"domain": "é" * 255}),
        }
    ]
    assert said == {
        "claimant": "names",
        "uid": 5,
        "name": "n" * 253,
        "verified": False,
        "claimed_unix_ms": 1_700_000_000_002,
    }


def test_what_a_type_cannot_hold_is_cut_to_it() -> None:
    readings = Readings(last_heard_ns=0, signal_dbm=-99_999, connected_s=1 << 40, tx_bytes=-1)
    values = plain(CONTRACT.values(neighbor(1, llid=1 << 20, readings=readings)))
    assert values["SignalDbm"] == -(1 << 15)
    assert values["ConnectedS"] == (1 << 32) - 1
    assert values["TxBytes"] == 0
    assert values["Llid"] == (1 << 16) - 1
    failures = {"nl80211\0": "bad \udcff byte"}
    told = plain(CONTRACT.values(Manager("1", failures)))["Failures"]
    assert told == {"nl80211\\x00": "bad \\udcff byte"}


def test_difference_is_news_only() -> None:
    old = neighbor(1, gate=True)
    new = replace(
        old, plid=9, gate=None, readings=replace(old.readings, signal_dbm=-50, tx_bytes=99)
    )
    changed, invalidated = CONTRACT.difference(old, new)
    assert plain(changed) == {"Plid": 9}
    assert invalidated == ["Gate"]


def test_manager() -> None:
    assert CONTRACT.properties[MANAGER].keys() == {"Version", "Failures"}
