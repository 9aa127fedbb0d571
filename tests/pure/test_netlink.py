"""Requests and their answers: sequence numbers, multipart, torn dumps, timeouts, failures."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.netlink import ANSWER_TIMEOUT_NS, Exchange, Health, Request, error_of, header, split
from meshwatch.observations import SourceState
from tests.pure import kernel_bytes as k


def asking(seq: int = 1, *, dump: bool = True) -> Exchange[str]:
    """One request is in flight."""
    exchange: Exchange[str] = Exchange()
    exchange.sent(seq, 0x301 if dump else 0x1, "what", now=0)
    return exchange


def test_sequence_numbers_count_and_are_never_zero() -> None:
    exchange: Exchange[str] = Exchange()
    blank = k.message(18, b"payload.", flags=1, seq=0)
    first, second = exchange.stamp(blank), exchange.stamp(blank)
    assert [k.head(message) for message in (first, second)] == [(18, 1, 1), (18, 1, 2)]
    assert first[16:] == blank[16:]


def test_only_what_was_sent_is_in_flight() -> None:
    exchange: Exchange[str] = Exchange()
    exchange.stamp(k.message(18))
    assert not exchange.in_flight
    assert exchange.deadline() is None
    exchange.sent(77, 0x301, "recorded", now=5)
    assert [(r.seq, r.dump, r.asked) for r in exchange.in_flight] == [(77, True, "recorded")]


def test_an_answer_ends_once() -> None:
    exchange = asking(3)
    assert exchange.part(4, 2, now=1) is None
    assert exchange.part(3, 2, now=1) is not None
    ended = exchange.end(3)
    assert ended is not None
    assert (ended.asked, ended.torn, ended.error) == ("what", "", 0)
    assert exchange.end(3) is None
    assert exchange.part(3, 2, now=2) is None


def test_an_error_ends_it() -> None:
    ended = asking().end(1, error=errno.ENODEV)
    assert ended is not None
    assert ended.error == errno.ENODEV


@pytest.mark.parametrize("where", ["part", "end", "tear"])
def test_a_torn_dump_stays_torn(where: str) -> None:
    exchange = asking()
    exchange.part(1, k.MULTI | (k.DUMP_INTR if where == "part" else 0), now=1)
    if where == "tear":
        exchange.tear("cut off")
    exchange.part(1, k.MULTI, now=2)
    ended = exchange.end(1, k.MULTI | (k.DUMP_INTR if where == "end" else 0))
    assert ended is not None
    why = "unreadable message: cut off" if where == "tear" else "dumps are interrupted"
    assert (ended.torn, ended.failure) == (why, why)


def test_what_tore_it_first_is_told() -> None:
    exchange = asking()
    for why in ("cut off", "too long"):
        exchange.tear(why)
        exchange.part(1, k.MULTI | k.DUMP_INTR, now=1)
    ended = exchange.end(1)
    assert ended is not None
    assert ended.torn == "unreadable message: cut off"


def test_messages_that_cannot_be_read_are_counted() -> None:
    exchange = asking()
    assert exchange.summary() == ""
    exchange.tear("cut off")
    exchange.forget()
    exchange.tear("cut off")
    assert exchange.summary() == "messages that could not be read: 2"


@pytest.mark.parametrize(
    ("error", "torn", "why"),
    [(errno.EBUSY, "torn", "EBUSY"), (9999, "", "errno 9999"), (0, "", "no answer")],
)
def test_why_an_answer_is_of_no_use(error: int, torn: str, why: str) -> None:
    request = Request(seq=1, dump=True, asked="what", heard_ns=0, torn=torn, error=error)
    assert request.failure == why


def test_silence_for_two_seconds_gives_up() -> None:
    exchange = asking()
    assert exchange.deadline() == ANSWER_TIMEOUT_NS
    exchange.part(1, 2, now=1000)
    assert exchange.deadline() == 1000 + ANSWER_TIMEOUT_NS
    assert exchange.expired(999 + ANSWER_TIMEOUT_NS) == []
    assert [r.asked for r in exchange.expired(1000 + ANSWER_TIMEOUT_NS)] == ["what"]
    assert exchange.end(1) is None
    assert exchange.deadline() is None


def test_what_is_forgotten_is_not_answered() -> None:
    exchange = asking()
    exchange.forget()
    assert exchange.end(1) is None


def test_a_datagram_is_split_into_messages() -> None:
    datagram = k.message(16, b"abc", seq=1) + k.done(1) + k.refused(2, errno.EBUSY)
    parts = [part for part in split(datagram) if part is not None]
    assert [(head.type, head.seq) for head, _ in parts] == [(16, 1), (3, 1), (2, 2)]
    assert bytes(parts[0][1][16:]) == b"abc"
    assert [error_of(body) for _, body in parts] == [0, 0, errno.EBUSY]


@pytest.mark.parametrize("end", [b"\1", k.done(1)[:-1], b"\x0f\0\0\0" + bytes(12)])
def test_what_is_not_whole_is_said_so(end: bytes) -> None:
    assert header(end) is None
    parts = list(split(k.done(1) + end))
    assert len(parts) == 2
    assert parts[0] is not None
    assert parts[1] is None


@given(st.binary(max_size=300))
def test_any_bytes_can_be_split(data: bytes) -> None:
    for part in split(data):
        if part is not None:
            error_of(part[1])


def test_the_third_failure_in_a_row_is_said_once_and_its_end_too() -> None:
    health = Health("source")
    assert [health.failed("a", "look at a", "EBUSY") for _ in range(2)] == [[], []]
    assert health.succeeded("b") == []
    assert health.failed("a", "look at a", "EBUSY") == [SourceState("source", "look at a: EBUSY")]
    assert health.failed("a", "look at a", "EBUSY") == []
    assert health.succeeded("b") == []
    assert health.succeeded("a") == [SourceState("source", None)]
    assert health.failure is None


def test_failures_between_successes_are_not_a_failing_source() -> None:
    health = Health("source")
    for _ in range(10):
        assert health.failed("a", "look at a", "no answer") == []
        assert health.succeeded("a") == []


def test_what_no_longer_exists_does_not_fail() -> None:
    health = Health("source")
    for _ in range(3):
        health.failed("a", "look at a", "no answer")
    assert health.failure == "look at a: no answer"
    health.forget("a")
    assert health.succeeded("b") == [SourceState("source", None)]
