"""Whose certificate is pinned when it is first met, and whose is not."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest
from msgspec.structs import replace

from meshwatch.model import Clash, Proximity
from tests.prosody.conftest import Room
from tests.prosody.pinned import fingerprint, is_refused_again, pins, pins_file
from tools.lab.alone import MODULES, give_address, name_nobody, tell_names
from tools.lab.laptop import Laptop
from tools.lab.told import neighbor

OURS, THEIRS = "fd00::1", "fd00::2"
OTHER_RADIO, OTHER_LINK_LOCAL = "02:0a:0b:00:01:02", "fe80::a:bff:fe00:102"


@pytest.fixture
def ronaldo(room: Room, more: str) -> Laptop:
    """Who meets somebody for the first time, and has something to say."""
    return room.laptop("ronaldo", more=more)


@pytest.fixture
def more() -> str:
    """Settings of Ronaldo's."""
    return ""


@pytest.fixture
def ana(room: Room, ronaldo: Laptop) -> Laptop:
    """Who is met; she knows Ronaldo, and waits for his message."""
    ana = room.laptop("ana")
    ana.meets(ronaldo)
    assert ana.person.jid == ana.jid
    ronaldo.person.say(ana.jid, "who are you?")
    ronaldo.holds(1)
    return ana


def reload(laptop: Laptop) -> None:
    """Load the module again, which reads its files anew."""
    assert "error" not in laptop.control("shell", "module", "reload", "meshwatch").lower()


def test_who_looks_wrong_is_not_pinned_until_it_looks_well(ronaldo: Laptop, ana: Laptop) -> None:
    good = ronaldo.row(ana, fingerprint=f"sha256:{fingerprint(ana).upper()}")
    for row, why in (
        (replace(good, clash=Clash.CHANNELS), "another radio has its hardware address, too"),
        (replace(good, proximity=Proximity.MESH), "it is beyond radio range"),
        (replace(good, disputed=True), "its name is disputed"),
        (
            ronaldo.row(ana, fingerprint="sha256:" + "0" * 64),
            "the certificate is not the one that was announced",
        ),
    ):
        ronaldo.told.say(row)
        ronaldo.log_line(f"refused: {why}")
        assert not pins_file(ronaldo).exists()
    ronaldo.told.say(good)
    ana.person.reads("who are you?")
    assert pins(ronaldo)[ana.domain]["sha256"] == fingerprint(ana)


@pytest.mark.parametrize("more", ["meshwatch_pin_only_direct = false"])
def test_who_is_beyond_radio_range_is_pinned_if_configured(ronaldo: Laptop, ana: Laptop) -> None:
    ronaldo.told.say(replace(ronaldo.row(ana), proximity=Proximity.MESH))
    ana.person.reads("who are you?")


@pytest.mark.parametrize("more", ["meshwatch_pin_only_sae = true"])
def test_a_link_without_a_password_is_not_enough_if_configured(
    ronaldo: Laptop, ana: Laptop
) -> None:
    row = ronaldo.row(ana)
    beacons: dict[str, Any] = {"security": "sae"}
    for link in ({"security": "open", "mfp": False}, beacons):
        ronaldo.told.say(replace(row, **link))
        is_refused_again(ronaldo, "its link takes no password (SAE)")
    ronaldo.told.say(replace(row, **beacons, mfp=True))
    ana.person.reads("who are you?")


def test_two_radios_of_one_laptop_are_no_dispute(ronaldo: Laptop, ana: Laptop) -> None:
    add = ("ip", "addr", "add", f"{OTHER_LINK_LOCAL}/64", "dev", "mesh0", "nodad")
    subprocess.run(ana.station.inside(*add), check=True)
    ronaldo.told.say(replace(ronaldo.row(ana), disputed=True))
    ronaldo.log_line("refused: its name is disputed")
    ronaldo.told.say(neighbor(OTHER_RADIO, OTHER_LINK_LOCAL, ana.domain, disputed=True))
    ana.person.reads("who are you?")
    assert pins(ronaldo)[ana.domain]["sha256"] == fingerprint(ana)


def made_up(count: int, address: str | None, age_s: int = 0) -> dict[str, dict[str, Any]]:
    """So many pins of domains that somebody invented."""
    pin: dict[str, Any] = {"sha256": "0" * 64, "first_unix_s": int(time.time()) - age_s}
    if address:
        pin["address"] = address
    return {f"{number}.of.{address}.laptop.example": pin for number in range(count)}


def test_who_makes_up_domains_fills_few_places(ronaldo: Laptop, ana: Laptop) -> None:
    here, there, late_s = ana.station.address, "02:00:00:00:00:99", 3700
    for flood, why in (
        (made_up(8, here, late_s), "too many certificates are pinned at its hardware address"),
        (made_up(240, there), "too many certificates were pinned within an hour"),
        (made_up(10000, None, late_s), "there is no room for another pin"),
    ):
        pins_file(ronaldo).write_text(json.dumps(flood))
        reload(ronaldo)
        ronaldo.meets(ana)
        ronaldo.log_line(f"refused: {why}")
        assert ana.domain not in pins(ronaldo)
    fits = made_up(7, here, late_s) | made_up(232, there) | made_up(9, None)
    pins_file(ronaldo).write_text(json.dumps(fits))
    reload(ronaldo)
    ana.person.reads("who are you?")
    assert fits.items() < pins(ronaldo).items()


def test_nobody_is_talked_to_while_the_pins_cannot_be_read(ronaldo: Laptop, ana: Laptop) -> None:
    ronaldo.meets(ana)
    ana.person.reads("who are you?")
    file = pins_file(ronaldo)
    good = file.read_text()
    ana.make_certificate()
    ana.log_out()
    ana.kill()
    ana.start()
    ronaldo.person.say(ana.jid, "is it still you?")
    ronaldo.holds(1)
    for spoil, why in (
        (lambda: file.symlink_to(file), "Too many levels of symbolic links"),
        (lambda: file.write_text(""), "not JSON"),
        (lambda: file.write_text(good[:-1] + ',"b":1}'), "not a list of pins"),
    ):
        file.unlink()
        spoil()
        reload(ronaldo)
        ronaldo.log_line(why)
        is_refused_again(ronaldo, "the pinned certificates cannot be read")
        for command in (("pin", ana.domain, "0" * 64), ("forget", ana.domain)):
            assert "cannot be read" in ronaldo.control("shell", "meshwatch", *command)
    assert ronaldo.held() == 1
    file.write_text(good)
    reload(ronaldo)
    ronaldo.log_line("the certificate differs from the pinned one")


def test_what_is_not_on_the_disk_is_not_pinned(ronaldo: Laptop, ana: Laptop) -> None:
    directory, aside = ronaldo.home / "data/meshwatch", ronaldo.home / "aside"
    directory.rename(aside)
    directory.touch()
    pinning = ronaldo.control("shell", "meshwatch", "pin", "b.laptop.example", "0" * 64)
    assert "directory" in pinning
    ronaldo.meets(ana)
    is_refused_again(ronaldo, "the certificate could not be pinned")
    assert "0 certificates pinned" in ronaldo.control("shell", "meshwatch", "pins")
    directory.unlink()
    aside.rename(directory)
    ana.person.reads("who are you?")
    assert pins(ronaldo).keys() == {ana.domain}


@pytest.mark.parametrize("more", ["meshwatch_pin_first_use = false"])
def test_the_operator_may_want_to_pin_all_by_hand(ronaldo: Laptop, ana: Laptop) -> None:
    ronaldo.meets(ana)
    is_refused_again(ronaldo, "this server pins no certificates by itself")
    digits = fingerprint(ana)
    for domain, sha256, error in (
        ("ana.example", digits, "not a domain of the mesh"),
        (ana.domain, digits[:-2], "not a SHA-256 in hex"),
        (ana.domain, "x" * 64, "not a SHA-256 in hex"),
    ):
        assert error in ronaldo.control("shell", "meshwatch", "pin", domain, sha256)
    assert not pins_file(ronaldo).exists()
    shown = ":".join(digits[at : at + 2] for at in range(0, 64, 2)).upper()  # as openssl shows it
    assert "pinned" in ronaldo.control("shell", "meshwatch", "pin", ana.domain, shown)
    ana.person.reads("who are you?")
    assert pins(ronaldo)[ana.domain]["sha256"] == digits


def test_dialback_does_not_speak_for_a_domain_of_the_mesh(room: Room) -> None:
    clear = "s2s_require_encryption = false"
    ronaldo = room.laptop("ronaldo", secure=False, more=clear)
    plain = f'{clear} s2s_timeout = 2 modules_disabled = {{ "tls" }}'
    ana = room.laptop("ana", enabled=MODULES, secure=False, more=plain)
    give_address(ronaldo.station, OURS)
    give_address(ana.station, THEIRS)
    names = name_nobody(ana.station)
    try:
        ana.kill()
        tell_names(ana.home, {ronaldo.domain: OURS, ana.domain: THEIRS})
        ana.start()
        ronaldo.meets(ana)
        assert ronaldo.person.jid == ronaldo.jid
        ana.person.say(ronaldo.jid, "trust me")
        ronaldo.log_line("refused: only a pinned certificate speaks for this domain")
        error = ana.person.wait(lambda e: e["event"] == "message" and e["type"] == "error")
        assert error["by"] == ronaldo.jid
    finally:
        names.kill()
        names.wait()
    assert ronaldo.person.bodies() == []
    assert not pins_file(ronaldo).exists()
