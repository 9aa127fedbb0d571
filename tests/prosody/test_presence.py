"""Contacts of neighbors are online while their laptop is in range, and not a moment longer."""

from __future__ import annotations

from msgspec.structs import replace

from meshwatch.model import Presence, Proximity, Reason
from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop, meet, part
from tools.lab.replaying import PART, PART_OURS, PART_THEIRS, Replaying
from tools.lab.server import befriend


def test_departure_shows_contacts_offline_and_return_online(room: Room) -> None:
    ronaldo, ana = room.friends()
    for _ in range(3):
        part(ronaldo, ana)
        ronaldo.person.sees(ana.jid, "unavailable", seconds=5)
        ana.person.sees(ronaldo.jid, "unavailable", seconds=5)
        meet(ronaldo, ana)
        ronaldo.person.sees(ana.jid, "available", seconds=5)
        ana.person.sees(ronaldo.jid, "available", seconds=5)


def test_who_was_met_before_needs_no_name_to_come_and_go(room: Room) -> None:
    ronaldo, ana = room.friends()
    for _ in range(2):
        part(ronaldo, ana)
        ronaldo.person.sees(ana.jid, "unavailable", seconds=5)
        ana.person.sees(ronaldo.jid, "unavailable", seconds=5)
        ana.station.enter()
        ronaldo.meets(ana, named=False)
        ana.meets(ronaldo, named=False)
        ronaldo.person.sees(ana.jid, "available", seconds=5)
        ana.person.sees(ronaldo.jid, "available", seconds=5)
    stream = ronaldo.control("shell", "s2s", "show")
    ronaldo.meets(ana)
    ana.meets(ronaldo)
    ronaldo.person.say(ana.jid, "now I know your name")
    ana.person.reads("now I know your name")
    assert ronaldo.control("shell", "s2s", "show") == stream


def test_who_is_quiet_is_still_there_near_or_beyond_radio_range(room: Room) -> None:
    ronaldo, ana = room.friends()
    stream = ronaldo.control("shell", "s2s", "show")
    near = ronaldo.row(ana)
    beyond = replace(near, proximity=Proximity.MESH, reason=Reason.PATH)
    for row in (near, beyond):
        for presence in (Presence.PRESENT, Presence.QUIET):
            ronaldo.told.say(replace(row, presence=presence))
            ronaldo.person.say(ana.jid, f"{row.proximity} and {presence}")
            ana.person.reads(f"{row.proximity} and {presence}", seconds=5)
    assert ronaldo.control("shell", "s2s", "show") == stream
    assert "unavailable" not in [e.get("type") for e in after_ready(ronaldo)]


def test_a_path_that_was_not_used_for_a_while_may_be_tried(room: Room) -> None:
    ronaldo, ana = room.friends()
    part(ronaldo, ana)
    ronaldo.person.say(ana.jid, "over a path that nobody used of late")
    ronaldo.holds(1)
    ana.station.enter()
    beyond = replace(ronaldo.row(ana), proximity=Proximity.MESH, presence=Presence.QUIET)
    ronaldo.told.say(beyond)
    ana.person.reads("over a path that nobody used of late")
    ronaldo.told.say(replace(beyond, presence=Presence.HEARD))
    ronaldo.person.sees(ana.jid, "unavailable", seconds=5)


def test_a_new_daemon_that_tells_the_same_changes_nothing(room: Room) -> None:
    ronaldo, ana = room.friends()
    stream = ronaldo.control("shell", "s2s", "show")
    assert ana.domain in stream
    ronaldo.told.stop()
    ronaldo.log_line("closed by meshwatchd")
    ronaldo.told.start()
    ronaldo.person.say(ana.jid, "still here")
    ana.person.reads("still here")
    assert ronaldo.control("shell", "s2s", "show") == stream
    assert "unavailable" not in [e.get("type") for e in after_ready(ronaldo)]


def test_who_is_missing_from_a_new_daemons_snapshot_has_left(room: Room) -> None:
    ronaldo, ana = room.friends()
    ronaldo.told.stop()
    ana.station.leave()
    ronaldo.loses(ana)
    ronaldo.told.start()
    ronaldo.person.sees(ana.jid, "unavailable", seconds=10)


def test_a_stream_that_no_table_vouches_for_must_answer(room: Room) -> None:
    ronaldo, ana = room.friends()
    ronaldo.loses(ana)  # which is not true
    ronaldo.person.sees(ana.jid, "unavailable")
    ronaldo.person.sees(ana.jid, "available")  # ana's server tried again, and its key is known
    ana.station.leave()
    ronaldo.person.sees(ana.jid, "unavailable", seconds=25)
    ronaldo.log_line("no answer")


# What our server itself tells its users of who has left.
WITNESS = """> prosody.hosts["{host}"].events.add_handler("presence/bare", function(event)
    local kind, to = event.stanza.attr.type or "available", event.stanza.attr.to or "all"
    require "util.logger".init("witness")("info", "%s to %s", kind, to)
end, 1000)"""


def test_of_whom_a_neighbor_makes_up_nothing_is_remembered(room: Room) -> None:
    ronaldo, ana = room.friends()
    ronaldo.control("shell", " ".join(WITNESS.format(host=ronaldo.domain).split()))
    made_up = f"nobody@{ronaldo.domain}"
    ana.person.tell(made_up)
    ronaldo.log_line(f"available to {made_up}")
    part(ronaldo, ana)
    ronaldo.log_line(f"{ana.domain} is out of range")
    log = (ronaldo.home / "prosody.log").read_text()
    assert f"unavailable to {ronaldo.jid}" in log
    assert f"unavailable to {made_up}" not in log


def test_a_reloaded_module_goes_on_where_it_was(room: Room) -> None:
    ronaldo, ana = room.friends()
    stream = ronaldo.control("shell", "s2s", "show")
    assert "error" not in ronaldo.control("shell", "module", "reload", "meshwatch").lower()
    ronaldo.person.say(ana.jid, "still here")
    ana.person.reads("still here")
    assert ronaldo.control("shell", "s2s", "show") == stream
    part(ronaldo, ana)
    ronaldo.person.sees(ana.jid, "unavailable", seconds=5)
    meet(ronaldo, ana)
    ronaldo.person.sees(ana.jid, "available", seconds=5)


def test_a_real_daemon_tells_departure_and_return(room: Room) -> None:
    server = f'meshwatch_servers = {{ ["{PART_THEIRS}"] = "ana.laptop.example" }}'
    ronaldo = room.laptop("ronaldo", PART_OURS, more=server)
    ana = room.laptop("ana", PART_THEIRS)
    meet(ronaldo, ana)
    befriend(ronaldo, ana)
    ronaldo.told.stop()
    with Replaying(ronaldo, PART) as daemon:
        daemon.told(PART_THEIRS, "heard")
        ronaldo.person.sees(ana.jid, "unavailable", seconds=5)
        ana.loses(ronaldo)
        ronaldo.person.say(ana.jid, "see you soon")
        daemon.told(PART_THEIRS, "present")
        ana.meets(ronaldo)
        ana.person.reads("see you soon", seconds=5)


def after_ready(laptop: Laptop) -> list[dict[str, object]]:
    """What the person was shown since both were friends."""
    events = laptop.person.events
    last_roster = max(i for i, e in enumerate(events) if e["event"] == "roster")
    return events[last_roster:]
