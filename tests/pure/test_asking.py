"""Who is asked when, by literal times; which answers count; and the laws of the accounts."""

from __future__ import annotations

import itertools
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from meshwatch import names
from meshwatch.asking import (
    AGAIN_NS,
    BURST,
    BURST_OF_ALL,
    LIFETIME_S,
    MOST_ANSWERS,
    TRIES,
    Asking,
    Drop,
    Elsewhere,
    Learned,
    Source,
    claim,
)
from meshwatch.client import Neighbor, Readings
from meshwatch.model import Presence, Proximity
from meshwatch.names import Facts, Service
from meshwatch.protocol import Address, claims
from meshwatch.services import SERVICES
from tests.pure.test_names import ANA, AVAHI, damaged

MS = 10**6
S = 10**9
IP = "fe80::ff:fe00:1"


def neighbor(
    number: int = 1,
    presence: Presence = Presence.PRESENT,
    *,
    since_unix_ms: int = 0,
    plid: int = 1,
    ifindex: int = 3,
    addresses: tuple[str, ...] = (),
) -> Neighbor:
    return Neighbor(
        ifindex=ifindex,
        interface="mesh0",
        address=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        presence=presence,
        reason="established",
        since_unix_ms=since_unix_ms,
        first_heard_unix_ms=0,
        proximity=Proximity.DIRECT,
        plid=plid,
        addresses=tuple(Address(address=ip, scope="", proof="") for ip in addresses),
        bouncing=False,
        readings=Readings(last_heard_unix_ms=0, reach="0000"),
    )


def asking() -> Asking:
    """Its identifiers are 1, 2, 3..."""
    numbers = itertools.count(1)
    return Asking(lambda: next(numbers) & 0xFFFF)


def asked(who: Asking, until: int) -> list[int]:
    """When questions are due up to this time."""
    times = []
    while (deadline := who.deadline()) is not None and deadline <= until:
        times += [deadline] * len(who.due(deadline))
    return times


def at(ip: str, ifindex: int, port: int = 5353) -> Source:
    return Source(ip, port, ifindex)


def answer(identifier: int) -> bytes:
    return identifier.to_bytes(2) + AVAHI[2:]


def test_a_neighbor_that_does_not_answer_is_asked_in_growing_gaps_and_then_left_alone() -> None:
    who = asking()
    who.told(neighbor(), 0)
    gaps = [0, *(50 * MS << n for n in range(TRIES - 1))]
    times = list(itertools.accumulate(gaps))
    assert asked(who, AGAIN_NS) == times
    assert 51 * S < times[-1] < 52 * S
    assert who.deadline() == times[-1] + AGAIN_NS


def test_each_question_is_a_new_one_to_the_address_of_the_neighbor() -> None:
    who = asking()
    who.told(neighbor(), 0)
    (first,) = who.due(0)
    (second,) = who.due(50 * MS)
    assert first.datagram == names.question(1, SERVICES, IP)
    assert second.datagram == names.question(2, SERVICES, IP)
    assert (first.ip, first.neighbor.ifindex) == (IP, 3)


def test_it_is_asked_at_the_addresses_that_the_daemon_knows_of() -> None:
    who = asking()
    one, two = "fe80::1", "fe80::2"
    who.told(neighbor(addresses=(f"{one}%mesh0", f"{two}%mesh0", "fd00::1")), 0)
    assert [who.due(now)[0].ip for now in (0, 50 * MS, 150 * MS)] == [one, two, one]
    assert who.received(answer(1), at("fe80::3", 3), 0) is None
    assert who.received(answer(1), at("fd00::1", 0), 0) is not None  # avahi does that
    assert who.received(answer(1), at(two, 3), 0) is not None


def test_an_answer_to_an_earlier_series_comes_too_late() -> None:
    who = asking()
    who.told(neighbor(addresses=(f"{IP}%mesh0",)), 0)
    who.due(0)
    who.told(neighbor(addresses=(f"{IP}%mesh0",), plid=2), S)
    who.due(S)
    assert who.received(answer(1), at(IP, 3), S) is None
    assert who.received(answer(2), at(IP, 3), S) is not None


def test_another_address_is_asked_at_once() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    who.told(neighbor(addresses=(f"{IP}%mesh0", "fd00::1")), 10 * MS)
    assert who.deadline() == 50 * MS  # that is where it was asked
    who.told(neighbor(addresses=("fe80::7%mesh0",)), 20 * MS)
    assert [question.ip for question in who.due(20 * MS)] == ["fe80::7"]


def test_an_identifier_in_use_is_not_used_twice() -> None:
    who = Asking(lambda: 0xFFFF)
    who.told(neighbor(), 0)
    who.told(neighbor(2), 0)
    identifiers = [names.identifier_of(each.datagram) for each in who.due(0)]
    assert identifiers == [0xFFFF, 0]


def test_after_an_answer_there_are_two_more_questions_and_then_one_every_twenty_minutes() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    assert who.received(answer(1), at(IP, 3), 5 * MS) == Learned(neighbor(), ANA)
    assert who.deadline() == 2 * S + 5 * MS
    for number, gap_ns in ((2, 10 * S), (3, 1200 * S), (4, 1200 * S)):
        now = who.deadline()
        assert now is not None
        assert len(who.due(now)) == 1
        assert who.received(answer(number), at(IP, 3), now) == Learned(neighbor(), ANA)
        assert who.deadline() == now + gap_ns
    assert LIFETIME_S * S == 3 * 1200 * S


def test_a_second_datagram_of_an_answer_adds_to_the_first() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    whole = names.read(answer(1))
    assert whole is not None
    half = bytearray(answer(1))
    half[7] = 1  # of eight records
    learned = who.received(bytes(half), at(IP, 3), 5 * MS)
    assert isinstance(learned, Learned)
    assert learned.facts == Facts(name="ana.local")
    assert who.received(answer(1), at(IP, 3), 6 * MS) == Learned(neighbor(), ANA)
    assert who.deadline() == 2 * S + 5 * MS


def test_an_answer_to_an_earlier_try_counts() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    who.due(50 * MS)
    assert who.received(answer(1), at(IP, 3), 60 * MS) == Learned(neighbor(), ANA)


def test_answers_that_nobody_asked_for_are_dropped() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.told(neighbor(2), 0)
    who.due(0)
    assert who.received(answer(99), at(IP, 3), 0) is None  # another identifier
    assert who.received(answer(1), at("fe80::bad", 3), 0) is None  # from elsewhere
    assert who.received(answer(1), at(IP, 4), 0) is None  # over another interface
    assert who.received(answer(2), at(IP, 3), 0) is None  # another neighbor's identifier
    assert who.received(answer(1), at(IP, 3, 5354), 0) is None  # no responder
    assert who.received(b"", at(IP, 3), 0) is None
    assert who.dropped == {Drop.UNASKED: 6}
    assert who.received(answer(1), at(IP, 3), 0) is not None


def test_an_answer_from_an_address_unknown_to_us_is_a_hint_once() -> None:
    """When the daemon knows whose it is, the answer to the next question counts."""
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    assert who.received(answer(1), at("fd00::1", 0), 0) == Elsewhere(neighbor(), "fd00::1")
    assert who.received(answer(1), at("fd00::2", 0), 0) is None
    assert who.dropped == {Drop.UNASKED: 2}
    known = neighbor(addresses=(f"{IP}%mesh0", "fd00::1"))
    who.told(known, 10 * MS)
    assert who.deadline() == 50 * MS
    who.due(50 * MS)
    assert who.received(answer(2), at("fd00::1", 0), 51 * MS) == Learned(known, ANA)


def test_what_cannot_be_read_is_dropped_and_the_questions_go_on() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    assert who.received(answer(1)[:20], at(IP, 3), 0) is None
    assert who.dropped == {Drop.UNREADABLE: 1}
    assert who.deadline() == 50 * MS


def test_a_flood_of_answers_is_cut_off() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    for _ in range(MOST_ANSWERS):
        assert who.received(answer(1), at(IP, 3), 0) is not None
    assert who.received(answer(1), at(IP, 3), 0) is None
    assert who.dropped == {Drop.TOO_MANY: 1}


def test_news_of_no_concern_changes_nothing() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    who.told(msgspec.structs.replace(neighbor(), gate=True), 10 * MS)
    assert who.deadline() == 50 * MS
    learned = who.received(answer(1), at(IP, 3), 20 * MS)
    assert isinstance(learned, Learned)
    assert learned.neighbor.gate is True


def test_a_return_and_a_restart_are_arrivals() -> None:
    who = asking()
    who.told(neighbor(), 0)
    who.due(0)
    who.received(answer(1), at(IP, 3), 0)
    who.told(neighbor(presence=Presence.QUIET, since_unix_ms=5000), 5 * S)
    assert who.deadline() is None
    assert who.received(answer(1), at(IP, 3), 5 * S) is None  # its time is over
    who.told(neighbor(since_unix_ms=7000), 7 * S)
    assert who.deadline() == 7 * S
    assert len(who.due(7 * S)) == 1
    assert who.received(answer(2), at(IP, 3), 7 * S) is not None
    assert who.deadline() == 9 * S  # as after the first answer
    who.told(neighbor(since_unix_ms=7000, plid=2), 8 * S)
    assert who.deadline() == 8 * S


def test_who_is_only_heard_or_gone_is_not_asked() -> None:
    who = asking()
    who.told(neighbor(presence=Presence.HEARD), 0)
    assert who.deadline() is None
    who.told(neighbor(), 0)
    who.told(neighbor(presence=Presence.HEARD), 0)
    assert (who.deadline(), who.due(0)) == (None, [])
    who.told(neighbor(), 0)
    who.due(0)
    who.gone(neighbor())
    assert who.received(answer(1), at(IP, 3), 0) is None
    who.told(neighbor(), 0)
    who.clear()
    assert who.deadline() is None


def test_an_account_of_each_and_one_of_all() -> None:
    who = asking()
    for number in range(1, BURST_OF_ALL + 11):
        who.told(neighbor(number), 0)
    assert len(who.due(0)) == BURST_OF_ALL
    deadline = who.deadline()
    assert deadline == 50 * MS  # twenty a second
    one = asking()
    for number in range(60):
        one.told(neighbor(since_unix_ms=number), number)
        one.due(number)
    assert one.deadline() is not None
    assert one.deadline() == 5 * S  # the burst is spent, one more in five seconds


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(Presence), st.integers(0, 3 * S))))
def test_whatever_happens_nobody_is_asked_more_than_his_account(
    happenings: list[tuple[int, Presence, int]],
) -> None:
    who = asking()
    now = 0
    sent: dict[str, list[int]] = {}
    for number, presence, gap in happenings:
        now += gap
        who.told(neighbor(number, presence, since_unix_ms=now), now)
        for question in who.due(now):
            sent.setdefault(question.neighbor.address, []).append(now)
    for times in sent.values():
        for first, begin in enumerate(times):
            for count, end in enumerate(times[first:], 1):
                assert count <= BURST + (end - begin) // (5 * S) + 1


def test_claim() -> None:
    said = json.loads(claim(Learned(neighbor(), ANA)))
    assert said.pop("services")[1] == {
        "type": "_xmpp-server._tcp",
        "instance": "ana",
        "host": "ana.local",
        "port": 5269,
        "txt": {"domain": "ana.laptop.example", "tlsfp": "sha256:" + "ab" * 32},
    }
    assert said == {
        "class": "claim",
        "interface": "mesh0",
        "address": "02:00:00:00:00:01",
        "claimant": "names",
        "name": "ana.local",
        "nick": "Ana",
        "jid": "ana@ana.example",
        "fingerprint": "sha256:" + "ab" * 32,
        "lifetime_s": 3600,
    }


def test_what_is_unknown_is_not_claimed() -> None:
    assert json.loads(claim(Learned(neighbor(), Facts(name="ana.local")))).keys() == {
        *("class", "interface", "address", "claimant", "name", "lifetime_s"),
    }


def test_a_claim_fits_into_a_datagram() -> None:
    txt = tuple((f"key{number}", "v" * 250) for number in range(16))
    services = tuple(Service("_ipp._tcp", f"{n}", "ana.local", 631, txt) for n in range(16))
    datagram = claim(Learned(neighbor(), Facts(name="ana.local", services=services)))
    assert claims.MAX_CLAIM - 300 < len(datagram) <= claims.MAX_CLAIM
    (service,) = json.loads(datagram)["services"]
    assert 10 < len(service["txt"]) < 16
    assert isinstance(claims.decode(datagram), claims.Claim)


@given(damaged())
def test_whatever_was_answered_the_claim_is_one_that_the_daemon_takes(datagram: bytes) -> None:
    if (records := names.read(datagram)) is not None:
        said = claims.decode(claim(Learned(neighbor(), names.facts(records, SERVICES, IP))))
        assert isinstance(said, claims.Claim)
