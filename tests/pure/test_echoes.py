"""Who is asked for addresses, when, and which answers count."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.echo_packet import Echo, decode, encode
from meshwatch.echoes import Echoes
from meshwatch.model import AddressProof
from meshwatch.observations import (
    AddressFailed,
    AddressSeen,
    AddressWanted,
    LinkSeen,
    Observation,
    OwnAddresses,
    Question,
    Wire,
)
from tests.pure.turns import MS, Turns

MESH0, ALL_NODES = 8, "ff02::1"
OURS, A, B = "02:00:00:00:00:ff", "02:00:00:00:00:0a", "02:00:00:00:00:0b"
OWN = "fe80::1:2:3:4"  # not made of the hardware address
OWN_LOCAL = "fd12::ff:fe00:ff"
LL_A, LOCAL_A, LOCAL_B = "fe80::f6d:dbfb:d78c:5691", "fd12::ff:fe00:a", "fd12::ff:fe00:b"
TOKEN = bytes(range(10))
TRIES_MS = [0, 50, 100, 200, 400, 800, 1600]


class Talk(Turns):
    """A conversation on mesh0, and what it sent."""

    def __init__(self, *own: str) -> None:
        super().__init__(conversation := Echoes(Wire(MESH0, "mesh0", OURS), TOKEN))
        self.echoes = conversation
        self.tell(OwnAddresses(MESH0, own))

    def tell(self, *hints: Observation | Question) -> None:
        for hint in hints:
            self.echoes.notice(hint, round(self.now_ms * MS))

    def want(self, *addresses: str) -> None:
        self.tell(*(AddressWanted(MESH0, address) for address in addresses))

    def requests(self) -> list[Echo]:
        """Those of the last turn."""
        found = [decode(request) for request in self.asked]
        return [echo for echo in found if echo is not None]

    def run(self, until_ms: float) -> list[tuple[float, Echo]]:
        """Make every turn that is due; what was sent, and when."""
        sent = []
        while (due := self.deadline_ms()) is not None and due <= until_ms:
            self.at(max(due, self.now_ms))
            sent += [(self.now_ms, echo) for echo in self.requests()]
        self.at(until_ms)
        return sent


def reply(request: Echo, source: str = LL_A, sender: str | None = None) -> Echo:
    """How a station answers."""
    return request._replace(
        receiver=request.sender,
        sender=sender or request.receiver,
        destination=request.source,
        source=source,
        reply=True,
    )


def seen(ip: str, address: str = A, proof: AddressProof = AddressProof.ECHO) -> AddressSeen:
    return AddressSeen(MESH0, address, ip, proof)


def times(sent: Iterable[tuple[float, Echo]], ip: str = ALL_NODES) -> list[float]:
    return [ms for ms, echo in sent if echo.destination == ip]


def test_one_station_is_asked_and_answers() -> None:
    talk = Talk(OWN)
    talk.want(A)
    assert talk.deadline_ms() == 0
    talk.at(0)
    (request,) = talk.requests()
    assert request == Echo(A, OURS, ALL_NODES, OWN, 0x0001, 1, TOKEN[2:])
    assert talk.at(1, encode(reply(request))) == [seen(LL_A)]
    assert talk.deadline_ms() is None
    assert talk.at(2, encode(reply(request))) == []
    assert talk.echoes.stray == 1


def test_seven_requests_and_then_silence() -> None:
    talk = Talk(OWN)
    talk.want(A)
    sent = talk.run(60_000)
    assert times(sent) == TRIES_MS
    assert [echo.sequence for _, echo in sent] == [1, 2, 3, 4, 5, 6, 7]


def test_a_late_answer_is_an_answer() -> None:
    talk = Talk(OWN)
    talk.want(A)
    (*_, (_, last)) = talk.run(5_000)
    assert talk.at(6_000, encode(reply(last))) == [seen(LL_A)]


def test_who_comes_again_and_again_is_asked_every_ten_seconds() -> None:
    talk = Talk(OWN)
    sent = []
    for ms in range(0, 20_000, 500):
        sent += talk.run(ms)
        talk.want(A)
    sent += talk.run(60_000)
    assert times(sent) == [begin + ms for begin in (0, 10_000, 20_000) for ms in TRIES_MS]


def test_all_together_draw_on_one_account() -> None:
    talk = Talk(OWN)
    talk.want(*(f"02:00:00:00:01:{number:02x}" for number in range(250)))
    sent = talk.run(100_000)
    at = times(sent)
    assert len([ms for ms in at if ms == 0]) == 100
    assert len({echo.receiver for _, echo in sent[:250]}) == 250
    assert len(at) == 250 * 7
    for begin in range(0, 100_000, 1000):
        assert len([ms for ms in at if begin < ms <= begin + 1000]) <= 20


def test_what_the_kernel_knows_is_not_asked() -> None:
    talk = Talk(OWN)
    talk.want(A, B)
    talk.tell(seen(LL_A, A, AddressProof.KERNEL), seen("10.0.0.2", B, AddressProof.KERNEL))
    talk.at(0)
    assert [echo.receiver for echo in talk.requests()] == [B]


def test_without_an_address_of_ours_the_question_waits() -> None:
    talk = Talk()
    talk.want(A)
    assert talk.deadline_ms() is None
    talk.at(1500)
    talk.tell(OwnAddresses(MESH0 + 1, (OWN,)))
    assert talk.deadline_ms() is None
    talk.tell(OwnAddresses(MESH0, (OWN,)))
    assert times(talk.run(60_000)) == [1500 + ms for ms in TRIES_MS]


def test_after_a_minute_nobody_wants_to_know_any_more() -> None:
    talk = Talk()
    talk.want(A)
    talk.at(60_001)
    talk.tell(OwnAddresses(MESH0, (OWN,)))
    assert talk.run(90_000) == []


def test_an_address_that_goes_takes_the_requests_with_it() -> None:
    talk = Talk(OWN)
    talk.want(A)
    talk.at(0)
    talk.tell(OwnAddresses(MESH0, ()))
    assert talk.run(60_000) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": B},
        {"receiver": B},
        {"source": "fd12::99"},
        {"source": "ff02::1"},
        {"source": "::"},
        {"destination": "fe80::9"},
        {"identifier": 2},
        {"data": b""},
        {"sequence": 0},
        {"sequence": 2},
        {"reply": False},
    ],
    ids=str,
)
def test_what_is_no_answer(wrong: dict[str, object]) -> None:
    talk = Talk(OWN)
    talk.want(A)
    talk.at(0)
    (request,) = talk.requests()
    assert talk.at(1, encode(reply(request)._replace(**wrong))) == []  # type: ignore[arg-type]
    assert talk.echoes.stray == 1
    assert talk.at(2, encode(reply(request))) == [seen(LL_A)]


def test_what_cannot_be_read_is_counted() -> None:
    talk = Talk(OWN)
    talk.want(A)
    talk.at(0)
    (request,) = talk.requests()
    damaged = bytearray(encode(reply(request)))
    damaged[-1] ^= 1
    assert talk.at(1, bytes(damaged), b"") == []
    assert talk.echoes.summary() == "packets that could not be read: 2"


def test_nobody_is_asked_about_another_interface() -> None:
    talk = Talk(OWN)
    talk.tell(AddressWanted(MESH0 + 1, A))
    assert talk.deadline_ms() is None


# ---- unique local addresses ---------------------------------------------------------------------


def test_a_station_is_asked_at_the_unique_local_address_that_it_would_have() -> None:
    talk = Talk(OWN_LOCAL, OWN)
    talk.want(A)
    talk.at(0)
    to_all, to_one = talk.requests()
    assert (to_all.destination, to_all.source) == (ALL_NODES, OWN)
    assert (to_one.destination, to_one.source) == (LOCAL_A, OWN_LOCAL)
    answers = encode(reply(to_all)), encode(reply(to_one, LOCAL_A))
    assert talk.at(1, *answers) == [seen(LL_A), seen(LOCAL_A)]
    assert talk.deadline_ms() is None


def test_who_answers_or_is_known_to_the_kernel_is_asked_for_the_other_address() -> None:
    talk = Talk(OWN_LOCAL, OWN)
    talk.tell(seen(LL_A, A, AddressProof.KERNEL))
    assert times(talk.run(5_000), LOCAL_A) == TRIES_MS
    talk.tell(seen(LL_A, A, AddressProof.KERNEL))
    assert talk.run(500_000) == []
    talk.tell(seen(LL_A, A, AddressProof.KERNEL))
    assert times(talk.run(700_000), LOCAL_A) == [600_000 + ms for ms in TRIES_MS]


def test_one_that_is_known_is_asked_again_when_it_failed() -> None:
    talk = Talk(OWN_LOCAL, OWN)
    talk.tell(seen(LOCAL_A), seen(LL_A))
    assert talk.deadline_ms() is None
    talk.tell(AddressFailed(MESH0, LOCAL_A))
    talk.want(A)
    talk.at(0)
    assert [echo.destination for echo in talk.requests()] == [ALL_NODES, LOCAL_A]


def test_one_that_the_table_wants_to_know_again_is_asked_again() -> None:
    talk = Talk(OWN_LOCAL, OWN)
    talk.tell(seen(LOCAL_A), seen(LL_A))
    talk.want(A)
    talk.at(0)
    assert [echo.destination for echo in talk.requests()] == [ALL_NODES, LOCAL_A]


def test_without_a_link_everything_is_forgotten() -> None:
    talk = Talk(OWN_LOCAL, OWN)
    talk.tell(seen(LOCAL_A), seen(LL_A))
    talk.want(B)
    talk.tell(LinkSeen(MESH0, "mesh0", up=True, running=True))
    assert talk.deadline_ms() == 0
    talk.tell(LinkSeen(MESH0, "mesh0", up=True, running=False))
    assert talk.deadline_ms() is None
    talk.tell(seen(LL_A))
    talk.at(0)
    assert [echo.destination for echo in talk.requests()] == [LOCAL_A]


def test_when_we_get_ours_everybody_met_is_asked() -> None:
    talk = Talk(OWN)
    talk.tell(seen(LL_A, A), seen("fe80::b", B))
    assert talk.deadline_ms() is None
    talk.tell(OwnAddresses(MESH0, (OWN_LOCAL, OWN)))
    talk.at(0)
    assert [echo.destination for echo in talk.requests()] == [LOCAL_A, LOCAL_B]


def test_a_random_unique_local_address_is_not_everybodys_rule() -> None:
    talk = Talk("fd12::1234", "2001:db8::ff:fe00:ff", OWN)
    talk.want(A)
    talk.at(0)
    assert [echo.destination for echo in talk.requests()] == [ALL_NODES]


# ---- replay -------------------------------------------------------------------------------------


def test_in_a_replay_what_was_sent_is_what_was_recorded() -> None:
    live, replayed = Talk(OWN), Echoes(Wire(MESH0, "mesh0", OURS))
    live.want(A)
    live.at(0)
    replayed.sent(live.asked[0], 0)
    answer = encode(reply(live.requests()[0]))
    assert list(replayed.receive(answer, 0)) == live.at(0, answer) == [seen(LL_A)]


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    talk = Talk(OWN)
    talk.want(A)
    for number, piece in enumerate(pieces):
        talk.at(number, piece)
        talk.echoes.sent(piece, number)
