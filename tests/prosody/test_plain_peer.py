"""A neighbor whose Prosody has no module: it talks with one that has, and comes and goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.prosody.conftest import Room
from tools.lab.alone import MODULES, give_address, name_nobody, tell_names
from tools.lab.laptop import Laptop

OURS, THEIRS = "fd00::1", "fd00::2"


@pytest.fixture
def pair(room: Room) -> Iterator[tuple[Laptop, Laptop]]:
    """Ronaldo has the module; Ana, who has not, finds his domain in a file and dials back."""
    # Back in range she dials back over the stream of before, which is dead, and does not try again:
    # Ronaldo's server has to.
    ronaldo = room.laptop("ronaldo", more="s2s_timeout = 5")
    ana = room.laptop("ana", enabled=MODULES, secure=False)
    give_address(ronaldo.station, OURS)
    give_address(ana.station, THEIRS)
    names = name_nobody(ana.station)
    ana.kill()
    tell_names(ana.home, {ronaldo.domain: OURS, ana.domain: THEIRS})
    ana.start()
    ronaldo.meets(ana)
    yield ronaldo, ana
    names.kill()
    names.wait()


def test_it_is_talked_to_and_answers(pair: tuple[Laptop, Laptop]) -> None:
    ronaldo, ana = pair
    assert ana.person.jid == ana.jid
    ronaldo.person.say(ana.jid, "hello")
    ana.person.reads("hello")
    ana.person.say(ronaldo.jid, "hello yourself")
    ronaldo.person.reads("hello yourself")
    ronaldo.holds(0)


def test_messages_wait_while_it_is_away(pair: tuple[Laptop, Laptop]) -> None:
    ronaldo, ana = pair
    assert ana.person.jid == ana.jid
    ronaldo.person.say(ana.jid, "before")
    ana.person.reads("before")
    ronaldo.holds(0)
    ana.station.leave()
    texts = [f"held {number}" for number in range(3)]
    ronaldo.person.say(ana.jid, texts[0])  # before anybody knows
    ronaldo.holds(1)
    ronaldo.loses(ana)
    ronaldo.log_line("is out of range")
    for text in texts[1:]:
        ronaldo.person.say(ana.jid, text)
    ronaldo.holds(len(texts))
    ana.station.enter()
    ronaldo.meets(ana)
    ana.person.reads(texts[-1])
    assert ana.person.bodies() == ["before", *texts]
    ronaldo.holds(0)
