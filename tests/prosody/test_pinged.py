"""Where a stream has no acknowledgements, the answer to a ping is one, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop, meet, part
from tools.lab.server import befriend

UNMANAGED = "smacks_enabled_s2s = false"
PLUGINS = Path(__file__).parent / "plugins"


def stubborn(room: Room, how: str, more: str = "") -> Laptop:
    """Ana, whose server does not do as others do; see plugins/mod_stubborn.lua."""
    enabled = '"meshwatch", "stubborn"'
    return room.laptop("ana", enabled=enabled, plugins=PLUGINS, more=f'stubborn = "{how}"\n{more}')


def test_who_leaves_before_the_stream_has_settled_gets_the_message_on_return(room: Room) -> None:
    ronaldo, ana = room.laptop("ronaldo"), room.laptop("ana", more=UNMANAGED)
    meet(ronaldo, ana)
    befriend(ronaldo, ana)
    part(ronaldo, ana)
    ronaldo.person.say(ana.jid, "are you there?")
    ronaldo.holds(1)
    ronaldo.log_out()
    ronaldo.kill()
    ronaldo.start()  # with a new log
    ana.station.enter()
    ana.meets(ronaldo)  # who does not know, so that the stream is hers
    ronaldo.log_line("Incoming s2s connection ana.laptop.example->ronaldo.laptop.example complete")
    ana.station.leave()
    ronaldo.log_line("is asked whether it answers")
    assert ronaldo.held() == 1
    ronaldo.meets(ana)
    part(ronaldo, ana)
    meet(ronaldo, ana)
    ana.person.reads("are you there?")
    assert ana.person.bodies() == ["are you there?"]
    ronaldo.holds(0)


@pytest.mark.parametrize("ours", [UNMANAGED, ""])
def test_one_end_has_switched_acknowledgements_off(room: Room, ours: str) -> None:
    ronaldo = room.laptop("ronaldo", more=ours)
    ana = room.laptop("ana", more="" if ours else UNMANAGED)
    meet(ronaldo, ana)
    befriend(ronaldo, ana)
    (ronaldo if ours else ana).log_line("smacks_enabled_s2s is false")
    texts = [f"number {number}" for number in range(70)]  # more than one ping vouches for
    for text in texts:
        ronaldo.person.say(ana.jid, text)
    ana.person.reads(texts[-1])
    ronaldo.holds(0)
    ana.station.leave()
    ronaldo.person.say(ana.jid, "before anybody knows that you are gone")
    ronaldo.holds(1)
    part(ronaldo, ana)
    meet(ronaldo, ana)
    ana.person.reads("before anybody knows that you are gone")
    assert ana.person.bodies() == [*texts, "before anybody knows that you are gone"]
    ronaldo.holds(0)


@pytest.mark.parametrize(
    ("how", "more"),
    [
        ("refuses acknowledgements", ""),
        ("does not hear of acknowledgements", ""),
        ("pings are errors", UNMANAGED),
    ],
)
def test_a_server_that_does_not_acknowledge_is_talked_to(room: Room, how: str, more: str) -> None:
    ronaldo, ana = room.laptop("ronaldo"), stubborn(room, how, more)
    assert ana.person.jid == ana.jid
    ronaldo.person.say(ana.jid, "hello")
    ana.meets(ronaldo)
    ronaldo.meets(ana)
    ana.person.reads("hello")
    ronaldo.holds(0)
    assert ana.person.bodies() == ["hello"]


def test_a_server_that_answers_nothing_is_sent_nothing(room: Room) -> None:
    ronaldo = room.laptop("ronaldo", more="meshwatch_answer_seconds = 1")
    ana = stubborn(room, "never answers", UNMANAGED)
    assert ana.person.jid == ana.jid
    ronaldo.person.say(ana.jid, "hello")
    ana.meets(ronaldo)
    ronaldo.meets(ana)
    ronaldo.log_line("does not answer, so what is for it stays held")
    assert ronaldo.held() == 1
    assert ana.person.bodies() == []
    ana.control("shell", "module", "unload", "stubborn", ana.domain)
    ana.person.reads("hello")
    ronaldo.holds(0)
    assert ana.person.bodies() == ["hello"]
