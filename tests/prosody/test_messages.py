"""What is written to a neighbor arrives once, in order, whatever happens between."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop, meet, part
from tools.lab.person import PASSWORD, Person


def say(laptop: Laptop, other: Laptop, texts: list[str]) -> None:
    """Write these messages, one after the other."""
    for text in texts:
        laptop.person.say(other.jid, text)


def numbered(word: str, count: int = 5) -> list[str]:
    """Some messages that can be told apart."""
    return [f"{word} {number}" for number in range(count)]


def test_messages_to_an_absent_neighbor_wait_and_survive_a_killed_server(room: Room) -> None:
    ronaldo, ana = room.friends()
    part(ronaldo, ana)
    ronaldo.person.sees(ana.jid, "unavailable")
    texts = numbered("held")
    say(ronaldo, ana, texts)
    ronaldo.holds(len(texts))
    ronaldo.kill()
    ronaldo.log_out()
    ronaldo.start()
    meet(ronaldo, ana)
    ana.person.reads(texts[-1])
    assert ana.person.bodies() == texts
    ronaldo.holds(0)


def test_messages_written_before_anybody_knows_are_neither_lost_nor_doubled(room: Room) -> None:
    ronaldo, ana = room.friends()
    written = []
    for cycle in range(3):
        ana.station.leave()
        texts = numbered(f"edge {cycle}")
        say(ronaldo, ana, texts)
        ronaldo.holds(len(texts))
        part(ronaldo, ana)
        ronaldo.person.sees(ana.jid, "unavailable")
        meet(ronaldo, ana)
        ana.person.reads(texts[-1])
        written += texts
    assert ana.person.bodies() == written
    ronaldo.holds(0)


def test_a_message_whose_acknowledgement_was_lost_is_not_shown_twice(room: Room) -> None:
    ronaldo, ana = room.friends()
    ana.station.unheard_by(ronaldo.station)
    ronaldo.person.say(ana.jid, "heard once")
    ana.person.reads("heard once")
    ana.kill()  # remembers what it has taken
    ana.log_out()
    part(ronaldo, ana)
    assert ronaldo.held() == 1
    ana.station.heard_by(ronaldo.station)
    ana.start()
    meet(ronaldo, ana)
    ronaldo.person.say(ana.jid, "and then")
    ana.person.reads("and then")
    assert ana.person.bodies() == ["and then"]
    ronaldo.holds(0)


@pytest.mark.parametrize("skew_s", [-1.0, 1.0])
def test_one_learns_a_second_before_the_other(room: Room, skew_s: float) -> None:
    one, other = room.laptop("ronaldo"), room.laptop("ana")
    first, second = (one, other) if skew_s > 0 else (other, one)
    one.person.say(other.jid, "before we ever met")
    other.person.say(one.jid, "me too")
    one.holds(1)
    meet(first, second, abs(skew_s))
    other.person.reads("before we ever met")
    one.person.reads("me too")
    part(first, second, abs(skew_s))
    say(one, other, ["away"])
    meet(first, second, abs(skew_s))
    other.person.reads("away")
    assert other.person.bodies() == ["before we ever met", "away"]
    assert one.person.bodies() == ["me too"]
    assert one.person.errors() == other.person.errors() == []


def test_flapping_loses_nothing(room: Room) -> None:
    ronaldo, ana = room.friends()
    written = []
    for cycle in range(10):
        written.append(f"flap {cycle}")
        say(ronaldo, ana, written[-1:])
        part(ronaldo, ana)
        meet(ronaldo, ana)
    ana.person.reads(written[-1])
    assert ana.person.bodies() == written
    ronaldo.holds(0)
    presences = [e["type"] for e in ronaldo.person.events if e["event"] == "presence"]
    if presences[-1] != "available":
        ronaldo.person.sees(ana.jid, "available")


def test_a_server_that_is_killed_with_messages_under_way_loses_none(room: Room) -> None:
    ronaldo, ana = room.friends()
    ana.station.leave()
    texts = numbered("under way")
    say(ronaldo, ana, texts)
    ronaldo.holds(len(texts))
    ronaldo.kill()
    ronaldo.log_out()
    ana.station.enter()
    ronaldo.start()
    ana.person.reads(texts[-1])
    assert ana.person.bodies() == texts


def test_a_server_that_is_down_is_tried_again(room: Room) -> None:
    ronaldo, ana = room.friends()
    ana.log_out()
    ana.kill()
    ronaldo.person.say(ana.jid, "when you are back")
    ronaldo.holds(1)
    ronaldo.log_line("connection refused")
    ana.start()
    ronaldo.holds(0)
    ana.person.reads("when you are back")


def test_a_message_that_waited_too_long_comes_back(room: Room) -> None:
    ronaldo = room.laptop("ronaldo", more=f"meshwatch_hold_days = {2 / 86400}")
    ronaldo.person.say("nobody@nowhere.laptop.example", "are you there?")
    error = ronaldo.person.wait(lambda e: e["event"] == "message" and e["type"] == "error")
    assert "did not come into range in time" in error["text"]
    ronaldo.holds(0)


def test_a_writer_who_is_away_is_told_at_the_next_login(room: Room) -> None:
    ronaldo = room.laptop("ronaldo", more=f"meshwatch_hold_days = {2 / 86400}")
    ronaldo.person.say("nobody@nowhere.laptop.example", "are you there?")
    ronaldo.holds(1)
    ronaldo.log_out()
    ronaldo.holds(0)
    ronaldo.kill()  # an error that waits is on the disk
    ronaldo.start()
    error = ronaldo.person.wait(lambda e: e["event"] == "message" and e["type"] == "error")
    assert error["by"] == "nobody@nowhere.laptop.example"
    assert "did not come into range in time" in error["text"]
    ronaldo.log_out()
    ronaldo.person.say(ronaldo.jid, "once is enough")
    ronaldo.person.reads("once is enough")
    assert ronaldo.person.errors() == []


def test_a_clock_that_was_in_1970_expires_nothing(room: Room) -> None:
    ronaldo, ana = room.laptop("ronaldo"), room.laptop("ana")
    ronaldo.person.say(ana.jid, "the battery of my clock is empty")
    ronaldo.holds(1)
    ronaldo.log_out()
    ronaldo.kill()
    back_to_1970(ronaldo)
    ronaldo.start()
    meet(ronaldo, ana)
    came = ana.person.reads("the battery of my clock is empty")
    written = datetime.fromisoformat(came["written"])
    assert abs(datetime.now(UTC) - written) < timedelta(hours=1)
    ronaldo.holds(0)


def back_to_1970(laptop: Laptop) -> None:
    """Make the files of a stopped server as if its clock had begun at zero an hour ago."""
    (held,) = (laptop.home / "data/meshwatch/outbox").glob("*/*/*.xml")
    number, _, rest = held.name.split(".", 2)
    held.rename(held.with_name(f"{number}.3590.{rest}"))
    clock = laptop.home / "data/meshwatch/clock"
    clock.touch()
    os.utime(clock, (3600, 3600))


def test_more_than_fits_comes_back_at_once(room: Room) -> None:
    ronaldo = room.laptop("ronaldo", more="meshwatch_hold_messages = 2")
    say_and_fail(ronaldo, "ana@ana.laptop.example", numbered("full", 2))
    assert ronaldo.held() == 1


def say_and_fail(laptop: Laptop, to: str, texts: list[str]) -> None:
    """Write these messages, of which the last comes back for want of room."""
    for text in texts:
        laptop.person.say(to, text)
    error = laptop.person.wait(lambda e: e["event"] == "message" and e["type"] == "error")
    assert "too many messages" in error["text"]


def test_one_writer_and_one_domain_leave_room_for_others(room: Room) -> None:
    ronaldo = room.laptop("ronaldo", more="meshwatch_hold_messages = 4")
    ronaldo.control("register", "rosa", ronaldo.domain, PASSWORD)
    say_and_fail(ronaldo, "ana@ana.laptop.example", numbered("mine", 3))
    assert ronaldo.held() == 2
    rosa = Person(ronaldo.station, f"rosa@{ronaldo.domain}")
    try:
        rosa.say("ana@ana.laptop.example", "there is no more room for Ana")
        error = rosa.wait(lambda e: e["event"] == "message" and e["type"] == "error")
        assert "too many messages" in error["text"]
        rosa.say("eva@eva.laptop.example", "but for others")
        ronaldo.holds(3)
    finally:
        rosa.close()


def test_who_asks_not_to_be_stored_is_not(room: Room) -> None:
    ronaldo = room.laptop("ronaldo")
    ronaldo.person.say("ana@ana.laptop.example", "not in an archive", hint="no-permanent-store")
    ronaldo.holds(1)  # XEP-0334: "happy for it to be stored temporarily"
    ronaldo.person.say("ana@ana.laptop.example", "not at all", hint="no-store")
    error = ronaldo.person.wait(lambda e: e["event"] == "message" and e["type"] == "error")
    assert error["text"] == "not in radio range"
    assert ronaldo.held() == 1


def test_a_request_that_is_repeated_at_each_login_is_held_once(room: Room) -> None:
    ronaldo = room.laptop("ronaldo")
    ronaldo.person.subscribe("ana@ana.laptop.example")
    ronaldo.holds(1)
    ronaldo.log_out()
    ronaldo.person.say("ana@ana.laptop.example", "after the second login")
    ronaldo.holds(2)


def test_other_domains_go_the_ordinary_way(room: Room) -> None:
    ronaldo = room.laptop("ronaldo")
    ronaldo.person.say("somebody@elsewhere.example", "over the Internet")
    ronaldo.log_line("Resolve _xmpps-server._tcp.elsewhere.example IN SRV")
    assert ronaldo.held() == 0
