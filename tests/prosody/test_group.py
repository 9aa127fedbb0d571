"""Strangers who are near are listed by themselves, and to nobody is agreed by that."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from meshwatch.model import Clash
from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop, meet, part
from tools.lab.listening import until
from tools.lab.told import neighbor

GROUP = "In radio range"
SETTING = f'meshwatch_roster_group = "{GROUP}"'
CAROL = "carol@carol.laptop.example"
# As mod_blocklist does.
STORE_ALL = """> require "core.rostermanager".save_roster("{laptop.user}", "{laptop.domain}")"""
# A driver of one's own for single values, as that for SQL is; the internal one has none.
STORE_TWO = """> (function()
    local store = {{ remove = "removed" }}
    function store:set_keys(_, items) return items.near .. ", " .. items.other.name end
    local event = {{ store_name = "roster", store_type = "map", store = store }}
    prosody.hosts["{laptop.domain}"].events.fire_event("store-opened", event)
    return event.store:set_keys("x", {{ near = {{ near = true }}, other = {{ name = "kept" }} }})
end)()"""


@pytest.fixture
def ronaldo(room: Room) -> Laptop:
    """One of two who never heard of each other."""
    return room.laptop("ronaldo", more=SETTING)


@pytest.fixture
def ana(room: Room) -> Laptop:
    """The other."""
    return room.laptop("ana", more=SETTING)


def come_near(one: Laptop, other: Laptop) -> None:
    """They meet, and see each other online."""
    for laptop in (one, other):
        assert laptop.person.jid == laptop.jid
    one.meets(other, jid=other.jid, nick="Somebody")
    other.meets(one, jid=one.jid, nick="Somebody")
    one.person.sees(other.jid, "available")
    other.person.sees(one.jid, "available")
    lists(one, other.jid)
    lists(other, one.jid)


def lists(laptop: Laptop, *jids: str) -> None:
    """Wait until these are shown in the group, and nobody else."""

    def in_group() -> set[str]:
        rosters = [e["contacts"] for e in laptop.person.events if e["event"] == "roster"]
        return {jid for jid, groups in rosters[-1].items() if GROUP in groups}

    until(lambda: in_group() == set(jids))


def carol_comes(laptop: Laptop, *, disputed: bool = False) -> None:
    """One more person is near, which has the list brought in line."""
    domain = CAROL.partition("@")[2]
    row = neighbor("02:00:00:00:00:77", "fe80::77", domain, jid=CAROL, disputed=disputed)
    laptop.told.say(row)


def stored(laptop: Laptop) -> dict[str, str]:
    """The subscription of each contact on the disk."""
    file = laptop.home / f"data/{laptop.domain.replace('.', '%2e')}/roster/{laptop.user}.dat"
    text = file.read_text() if file.exists() else ""
    contacts = re.split(r'^\t\["(\S+@\S+)"\] = ', text, flags=re.MULTILINE)[1:]
    found = {}
    for jid, item in zip(contacts[::2], contacts[1::2], strict=True):
        subscription = re.search(r'"subscription"\] = "(\w+)"', item)
        found[jid] = subscription[1] if subscription else "?"
    return found


def is_stored(laptop: Laptop, contacts: dict[str, str]) -> None:
    """Wait until these are on the disk, and no others."""
    until(lambda: stored(laptop) == contacts)


def test_they_come_and_leave_by_themselves(ronaldo: Laptop, ana: Laptop) -> None:
    come_near(ronaldo, ana)
    ronaldo.person.say(ana.jid, "nice to meet you")
    ana.person.reads("nice to meet you")
    part(ronaldo, ana)
    ronaldo.person.sees(ana.jid, "unavailable")
    lists(ronaldo)
    ronaldo.log_out()
    assert list(ronaldo.person.events[0]["contacts"]) == []
    assert stored(ronaldo) == stored(ana) == {}


def test_who_looks_wrong_is_not_listed(ronaldo: Laptop, ana: Laptop) -> None:
    assert ronaldo.person.jid == ronaldo.jid
    good = ronaldo.row(ana, jid=ana.jid)
    for bad in (replace(good, disputed=True), replace(good, clash=Clash.CHANNELS)):
        ronaldo.told.say(bad)
        carol_comes(ronaldo)
        lists(ronaldo, CAROL)
        ronaldo.told.say(good)
        lists(ronaldo, CAROL, ana.jid)
        carol_comes(ronaldo, disputed=True)
        lists(ronaldo, ana.jid)


def test_who_is_removed_stays_so_until_the_neighbor_left(ronaldo: Laptop, ana: Laptop) -> None:
    come_near(ronaldo, ana)
    ronaldo.person.enter(ana.jid, subscription="remove")
    lists(ronaldo)
    ana.person.sees(ronaldo.jid, "unavailable")
    carol_comes(ronaldo)
    lists(ronaldo, CAROL)
    ronaldo.control("shell", "module", "reload", "meshwatch")
    carol_comes(ronaldo, disputed=True)
    lists(ronaldo)
    assert stored(ronaldo) == stored(ana) == {}
    part(ronaldo, ana)
    ana.station.enter()
    come_near(ronaldo, ana)


def test_who_ends_it_changes_nothing_on_the_disk(ronaldo: Laptop, ana: Laptop) -> None:
    come_near(ronaldo, ana)
    for word in ("unsubscribe", "unsubscribed"):
        ronaldo.person.tell(ana.jid, word)
        ronaldo.log_line(f"outbound presence {word} from {ronaldo.jid}")
    ana.log_line(f"inbound presence unsubscribe from {ronaldo.jid}")
    ana.person.sees(ronaldo.jid, "unavailable")
    ronaldo.person.say(ana.jid, "this comes after all that")
    ana.person.reads("this comes after all that")
    assert stored(ronaldo) == stored(ana) == {}
    assert ana.jid in ronaldo.person.fetch_list("")
    assert "true" in ronaldo.control("shell", STORE_ALL.format(laptop=ronaldo))
    assert stored(ronaldo) == {}


def test_a_storage_that_takes_single_contacts_gets_none(ronaldo: Laptop) -> None:
    assert "Result: removed, kept" in ronaldo.control(
        "shell", " ".join(STORE_TWO.format(laptop=ronaldo).split())
    )


@pytest.mark.parametrize("renamed", [True, False])
def test_who_is_taken_up_is_a_new_contact_who_agreed_to_nothing(
    ronaldo: Laptop, ana: Laptop, renamed: bool
) -> None:
    come_near(ronaldo, ana)
    ana.person.hesitate()
    if renamed:
        ronaldo.person.enter(ana.jid, name="Ana of next door")
        is_stored(ronaldo, {ana.jid: "none"})
        ana.person.sees(ronaldo.jid, "unavailable")
    ronaldo.person.subscribe(ana.jid)
    ana.log_line(f"inbound presence subscribe from {ronaldo.jid}")
    ronaldo.person.say(ana.jid, "may I?")
    ana.person.reads("may I?")
    assert stored(ronaldo) == {ana.jid: "none"}
    assert stored(ana) == {}
    assert ronaldo.jid in ana.person.fetch_list("")
    ana.person.tell(ronaldo.jid, "subscribed")
    is_stored(ronaldo, {ana.jid: "to"})
    is_stored(ana, {ronaldo.jid: "from"})
    ronaldo.person.sees(ana.jid, "available")
    ana.person.subscribe(ronaldo.jid)
    is_stored(ronaldo, {ana.jid: "both"})
    is_stored(ana, {ronaldo.jid: "both"})
    ana.person.sees(ronaldo.jid, "available")


def test_who_came_before_the_login_is_listed(ronaldo: Laptop, ana: Laptop) -> None:
    ronaldo.meets(ana, jid=ana.jid)
    ronaldo.log_line(f"{ana.domain} is in range")
    assert ronaldo.person.jid == ronaldo.jid
    lists(ronaldo, ana.jid)


def test_who_left_before_the_login_is_not(ronaldo: Laptop, ana: Laptop) -> None:
    assert ana.person.jid == ana.jid
    ronaldo.meets(ana, jid=ana.jid)
    ana.meets(ronaldo, jid=ronaldo.jid)
    ronaldo.log_line(f"inbound presence probe from {ana.jid}")
    part(ronaldo, ana)
    ronaldo.log_line(f"{ana.domain} is out of range")
    assert ronaldo.person.jid == ronaldo.jid
    lists(ronaldo)


def test_who_has_the_list_already_is_told_who_is_near(ronaldo: Laptop, ana: Laptop) -> None:
    come_near(ronaldo, ana)
    version = re.search(r'ver="(\w+)"', ronaldo.person.fetch_list(""))
    assert version
    assert ana.jid in ronaldo.person.fetch_list(version[1])


def test_who_is_named_late_is_listed_and_greeted(ronaldo: Laptop, ana: Laptop) -> None:
    for laptop in (ronaldo, ana):
        assert laptop.person.jid == laptop.jid
    meet(ronaldo, ana)
    ronaldo.person.say(ana.jid, "who are you?")
    ana.person.reads("who are you?")
    ronaldo.meets(ana, jid=ana.jid)
    ana.log_line(f"inbound presence probe from {ronaldo.jid}")  # of whom nothing is known there yet
    ana.meets(ronaldo, jid=ronaldo.jid)
    ronaldo.person.sees(ana.jid, "available")
    ana.person.sees(ronaldo.jid, "available")
    ronaldo.log_out()
    ronaldo.person.sees(ana.jid, "available")


def test_without_the_setting_the_group_is_gone(ronaldo: Laptop, ana: Laptop) -> None:
    come_near(ronaldo, ana)
    config = ronaldo.home / "prosody.cfg.lua"
    config.write_text(config.read_text().replace(SETTING, ""))
    ronaldo.control("shell", "config", "reload")
    ronaldo.control("shell", "module", "reload", "meshwatch")
    lists(ronaldo)
