"""What is asked for the caches of mDNS and when, by literal times; zeroconf reads the questions."""

from __future__ import annotations

import zeroconf

from meshwatch.client import Neighbor, Readings
from meshwatch.model import Presence, Proximity
from meshwatch.protocol import Claim, Service
from meshwatch.reconfirm import DEPARTED_NS, Question, Reconfirm

MS, S = 10**6, 10**9
PRESENCE = "_presence._tcp"


def service(instance: str, host: str) -> Service:
    return Service(type=PRESENCE, instance=instance, host=host, port=5298)


ANA = service("ana@laptop.1", "ana.local")


def neighbor(
    number: int = 1,
    *services: Service,
    presence: Presence = Presence.PRESENT,
    ifindex: int = 3,
) -> Neighbor:
    claim = Claim(claimant="names", uid=1, claimed_unix_ms=0, verified=False, services=services)
    return Neighbor(
        ifindex=ifindex,
        interface=f"mesh{ifindex}",
        address=f"02:00:00:00:00:{number:02x}",
        presence=presence,
        reason="established",
        since_unix_ms=0,
        first_heard_unix_ms=0,
        proximity=Proximity.DIRECT,
        claims=(claim,) if services else (),
        bouncing=False,
        readings=Readings(last_heard_unix_ms=0, reach="0000"),
    )


def asked(questions: list[Question]) -> list[tuple[str, int]]:
    """Names and types of one message."""
    (question,) = questions
    message = zeroconf.DNSIncoming(question.datagram, now=1.0)
    assert message.valid and message.is_query()
    assert not message.answers()
    return [(each.name, each.type) for each in message.questions]


def test_who_comes_makes_a_question_and_a_second_one() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.told(neighbor(), 0)
    assert reconfirm.due(99 * MS) == []
    assert reconfirm.deadline() == 100 * MS
    assert asked(reconfirm.due(100 * MS)) == [("_presence._tcp.local.", 12)]
    assert asked(reconfirm.due(1100 * MS)) == [("_presence._tcp.local.", 12)]
    assert reconfirm.deadline() is None


def test_those_who_come_in_together_share_it() -> None:
    reconfirm = Reconfirm([PRESENCE])
    for number in range(40):
        reconfirm.told(neighbor(number), number * MS)
    assert len(reconfirm.due(100 * MS)) == 1
    assert len(reconfirm.due(1100 * MS)) == 1
    assert reconfirm.deadline() is None


def test_each_interface_has_its_own() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.told(neighbor(1, ifindex=3), 0)
    reconfirm.told(neighbor(1, ifindex=4), 0)
    questions = reconfirm.due(100 * MS)
    assert [(each.ifindex, each.interface) for each in questions] == [(3, "mesh3"), (4, "mesh4")]


def test_who_leaves_is_asked_for_twice_five_times_with_all_its_records() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor(1, ANA)], 0)
    assert reconfirm.deadline() is None
    reconfirm.gone(neighbor(1, ANA), 10 * S)
    assert DEPARTED_NS[:6] == (0, 1050 * MS, 2100 * MS, 3150 * MS, 4200 * MS, 8 * S)
    for later_ns in DEPARTED_NS:
        assert reconfirm.deadline() == 10 * S + later_ns
        # The instance is one label, whatever dots it has; zeroconf shows them as they are.
        assert asked(reconfirm.due(10 * S + later_ns)) == [
            ("_presence._tcp.local.", 12),
            ("ana@laptop.1._presence._tcp.local.", 33),
            ("ana.local.", 28),
        ]
    assert reconfirm.deadline() is None


def test_who_is_merely_heard_left_and_who_is_quiet_did_not() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor(1, ANA)], 0)
    reconfirm.told(neighbor(1, ANA, presence=Presence.QUIET), S)
    assert reconfirm.deadline() is None
    reconfirm.told(neighbor(1, ANA, presence=Presence.HEARD), 2 * S)
    assert reconfirm.deadline() == 2 * S
    reconfirm.gone(neighbor(1, ANA, presence=Presence.HEARD), 3 * S)
    assert len(reconfirm.due(10 * S)) == 1


def test_who_returns_is_not_asked_for_any_more() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor(1, ANA)], 0)
    reconfirm.gone(neighbor(1, ANA), 0)
    reconfirm.due(0)
    reconfirm.told(neighbor(1), S)
    questions = []
    while (deadline := reconfirm.deadline()) is not None:
        questions += reconfirm.due(deadline)
    assert [asked([each]) for each in questions] == [[("_presence._tcp.local.", 12)]] * 2


def test_who_said_nothing_of_itself_is_in_no_cache() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor()], 0)
    reconfirm.gone(neighbor(), 0)
    assert reconfirm.deadline() is None


def test_a_class_that_leaves_is_asked_for_in_few_frames() -> None:
    services = [service(f"pupil{n}@laptop{n}", f"laptop{n}.local") for n in range(40)]
    neighbors = [neighbor(number, service) for number, service in enumerate(services)]
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin(neighbors, 0)
    for each in neighbors:
        reconfirm.gone(each, 0)
    questions = []
    while (deadline := reconfirm.deadline()) is not None:
        questions += reconfirm.due(deadline)
    assert len(questions) == 2 * len(DEPARTED_NS)
    assert all(len(each.datagram) < 1500 - 48 for each in questions)  # Ethernet's, IPv6 and UDP
    about = [name for each in questions for name, _ in asked([each])]
    assert {f"laptop{n}.local." for n in range(40)} < set(about)


def test_names_that_dns_does_not_have_are_left_out() -> None:
    long = service("ä" * 32, "a..b")
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor(1, long)], 0)
    reconfirm.gone(neighbor(1, long), 0)
    assert asked(reconfirm.due(0)) == [("_presence._tcp.local.", 12)]


def test_who_left_while_the_daemon_was_away_is_asked_for() -> None:
    """Whether that is told, or the table is merely without it, as after a recording."""
    told, missing = Reconfirm([PRESENCE]), Reconfirm([PRESENCE])
    for reconfirm in (told, missing):
        reconfirm.begin([neighbor(1, ANA), neighbor(2)], 0)
    told.gone(neighbor(1), 10 * S)
    for reconfirm in (told, missing):
        reconfirm.begin([neighbor(2)], 10 * S)
        assert ("ana.local.", 28) in asked(reconfirm.due(10 * S))
        assert reconfirm.deadline() == 10 * S + DEPARTED_NS[1]


def test_what_a_new_daemon_was_not_told_yet_is_in_the_caches_all_the_same() -> None:
    reconfirm = Reconfirm([PRESENCE])
    reconfirm.begin([neighbor(1, ANA)], 0)
    reconfirm.begin([neighbor(1)], S)
    reconfirm.told(neighbor(1, presence=Presence.QUIET), 2 * S)
    reconfirm.gone(neighbor(1), 3 * S)
    assert ("ana.local.", 28) in asked(reconfirm.due(3 * S))
