"""A domain belongs to the certificate that was met first; others are refused."""

from __future__ import annotations

from tests.prosody.conftest import Room
from tests.prosody.pinned import fingerprint, pins, pins_file
from tools.lab.laptop import meet, part

# As another module of Prosody's would hear of it.
WITNESS = """> prosody.events.add_handler("meshwatch-impostor", function(event)
    require "util.logger".init("witness")("info", "%s at %s: %s, not %s",
        event.domain, event.neighbor.mac, event.shown, event.pinned)
end)"""


def test_an_impostor_gets_nothing_and_the_message_is_kept(room: Room) -> None:
    ronaldo, ana = room.friends()
    false_ana = room.laptop("ana")
    ronaldo.control("shell", " ".join(WITNESS.split()))
    part(ronaldo, ana)
    ronaldo.person.say(ana.jid, "for the real one")
    ronaldo.holds(1)
    for attempt in range(2):
        false_ana.person.say(ronaldo.jid, f"I am Ana, really {attempt}")
        ronaldo.meets(false_ana)
        false_ana.meets(ronaldo)
        ronaldo.log_line("the certificate differs from the pinned one")
        false_ana.log_line("the certificate differs from the pinned one")
        who = f"{ana.domain} at {false_ana.station.address}"
        ronaldo.log_line(f"{who}: {fingerprint(false_ana)}, not {fingerprint(ana)}")
        part(ronaldo, false_ana)
        false_ana.station.enter()
    ronaldo.meets(false_ana)
    meet(ronaldo, ana)
    ana.person.reads("for the real one")
    assert ronaldo.person.bodies() == []
    assert false_ana.person.bodies() == []
    assert ronaldo.person.errors() == []


def test_who_says_nothing_gets_only_what_its_key_was_pinned_for(room: Room) -> None:
    ronaldo, ana = room.friends()
    part(ronaldo, ana)
    ana.kill()
    ana.log_out()
    ana.make_certificate()
    ana.start()
    ronaldo.person.say(ana.jid, "for the real one")
    ronaldo.holds(1)
    ana.station.enter()
    ronaldo.meets(ana, named=False)
    ronaldo.log_line("the certificate differs from the pinned one")
    ronaldo.control("shell", "meshwatch", "forget", ana.domain)
    ronaldo.log_line("no neighbor with this address serves the domain")
    assert ronaldo.held() == 1
    ronaldo.meets(ana)
    ana.meets(ronaldo)
    ana.person.reads("for the real one")


def test_two_who_claim_an_unknown_domain_are_both_refused(room: Room) -> None:
    ronaldo, ana, false_ana = (room.laptop(user) for user in ("ronaldo", "ana", "ana"))
    ronaldo.meets(ana)
    ronaldo.meets(false_ana)
    ronaldo.person.say(ana.jid, "who are you?")
    ronaldo.log_line("more than one neighbor claims the domain")
    assert not pins_file(ronaldo).exists()
    ronaldo.loses(false_ana)
    ana.meets(ronaldo)
    ana.person.reads("who are you?")


def test_the_operator_lists_and_forgets_pins(room: Room) -> None:
    ronaldo, ana = room.friends()
    fingerprint = pins(ronaldo)[ana.domain]["sha256"]
    listed = ronaldo.control("shell", "meshwatch", "pins")
    assert ana.domain in listed
    assert fingerprint in listed
    assert "connected" in ronaldo.control("shell", "meshwatch", "neighbors")
    part(ronaldo, ana)
    ana.kill()
    ana.log_out()
    ana.make_certificate()
    ana.start()
    ronaldo.person.say(ana.jid, "after the new key")
    ronaldo.holds(1)
    assert ana.domain in ronaldo.control("shell", "meshwatch", "held")
    meet(ronaldo, ana)
    ronaldo.log_line("the certificate differs from the pinned one")
    assert "forgotten" in ronaldo.control("shell", "meshwatch", "forget", ana.domain)
    ana.person.reads("after the new key")
    assert pins(ronaldo)[ana.domain]["sha256"] != fingerprint
    assert "no such pin" in ronaldo.control("shell", "meshwatch", "forget", "b.laptop.example")
