"""Claims, by literal bytes and times: what becomes an observation, what is dropped and told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.claims import BURST, COMPLAINT_NS, PERIOD_NS, Claims, Drop, Sender
from meshwatch.observations import Poked, PokesPromised
from meshwatch.protocol import claims as form

S = 10**9
SENDER = Sender(4711, 1000)
POKING = b'{"class":"poking","interface":"mesh0","lifetime_s":600}'
POKED = b'{"class":"poked","interface":"mesh0","address":"02:00:00:00:00:01"}'


def ours() -> Claims:
    return Claims({"mesh0": 3}.get)


def test_a_claim_becomes_an_observation() -> None:
    claims = ours()
    assert claims.receive(POKED, SENDER, S) == Poked(3, "02:00:00:00:00:01")
    assert claims.dropped == {}
    assert claims.complaint(S) is None


def test_a_promise_becomes_an_observation() -> None:
    assert ours().receive(POKING, SENDER, S) == PokesPromised(3, 600 * S)
    assert form.encode(form.Poking("mesh0", 600)) == POKING


def test_what_the_client_writes_is_what_the_daemon_reads() -> None:
    assert form.encode(form.Poked("mesh0", "02:00:00:00:00:01")) == POKED


def test_keys_of_later_versions_are_ignored() -> None:
    assert ours().receive(POKED[:-1] + b',"count":3,"by":{"x":[]}}', SENDER, S) is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Drop.MALFORMED),
        (b"poked", Drop.MALFORMED),
        (b"null", Drop.MALFORMED),
        (b'["poked"]', Drop.MALFORMED),
        (b'{"class":1}', Drop.MALFORMED),
        (b'{"class":"poked"}', Drop.MALFORMED),
        (b'{"class":"pok\xff"}', Drop.MALFORMED),
        (b'{"class":"\\ud800"}', Drop.MALFORMED),
        (POKED + POKED, Drop.MALFORMED),
        (POKED.replace(b'"mesh0"', b"3"), Drop.MALFORMED),
        (POKED.replace(b"mesh0", b""), Drop.MALFORMED),
        (POKED.replace(b"mesh0", b"m" * 16), Drop.MALFORMED),
        (POKED.replace(b":01", b":0"), Drop.MALFORMED),
        (POKED.replace(b":01", b":0A"), Drop.MALFORMED),
        (POKED.replace(b":01", b":01\\n"), Drop.MALFORMED),
        (POKED.ljust(form.MAX_CLAIM + 1), Drop.MALFORMED),
        (b"[" * form.MAX_CLAIM, Drop.MALFORMED),
        (POKING.replace(b"600", b"-1"), Drop.MALFORMED),
        (POKING.replace(b"600", b"3601"), Drop.MALFORMED),
        (POKING.replace(b"mesh0", b"mesh1"), Drop.UNKNOWN_INTERFACE),
        (b'{"class":"poked","by":' + b"[" * 4000, Drop.MALFORMED),
        (b'{"class":"named","name":"anna"}', Drop.UNKNOWN_CLASS),
        (POKED.replace(b"poked", b"named"), Drop.UNKNOWN_CLASS),
        (POKED.replace(b"mesh0", b"mesh1"), Drop.UNKNOWN_INTERFACE),
        (POKED.replace(b"mesh0", b"\\u0000\\n\xf0\x9f\x92\xa9"), Drop.UNKNOWN_INTERFACE),
    ],
)  # fmt: skip
def test_what_is_dropped_is_counted(data: bytes, why: Drop) -> None:
    claims = ours()
    assert claims.receive(data, SENDER, S) is None
    assert claims.dropped == {why: 1}


def test_a_claim_may_be_as_long_as_is_said() -> None:
    assert ours().receive(POKED.ljust(form.MAX_CLAIM), SENDER, S) is not None


@given(st.binary(max_size=200) | st.text().map(lambda text: POKED + text.encode(errors="replace")))
def test_whatever_is_sent_is_a_claim_or_a_drop(data: bytes) -> None:
    claims = ours()
    claim = claims.receive(data, SENDER, S)
    assert (claim is None) == (claims.dropped.total() == 1)


def test_a_burst_and_then_a_hundred_a_second() -> None:
    claims = ours()
    assert (BURST, S // PERIOD_NS) == (200, 100)
    burst = [claims.receive(POKED, SENDER, S) for _ in range(BURST + 50)]
    assert burst.count(None) == 50
    assert claims.dropped == {Drop.TOO_MANY: 50}
    second = [claims.receive(POKED, SENDER, S + tick * S // 1000) for tick in range(1, 1001)]
    assert len(second) - second.count(None) == 100


def test_what_is_malformed_costs_as_much() -> None:
    claims = ours()
    for _ in range(BURST):
        claims.receive(b"", SENDER, S)
    assert claims.receive(POKED, SENDER, S) is None
    assert claims.dropped == {Drop.MALFORMED: BURST, Drop.TOO_MANY: 1}


def test_drops_are_told_at_once_and_then_once_a_minute() -> None:
    claims = ours()
    claims.receive(b"", SENDER, S)
    assert claims.complaint(S) == "dropped: 1 malformed; the last by process 4711 of user 1000"
    claims.receive(b"", SENDER, 2 * S)
    claims.receive(POKED.replace(b"mesh0", b"mesh1"), Sender(5, 0), 3 * S)
    assert claims.complaint(S + COMPLAINT_NS - 1) is None
    assert claims.complaint(S + COMPLAINT_NS) == (
        "dropped: 1 malformed, 1 about an interface unknown here; the last by process 5 of user 0"
    )
    assert claims.complaint(S + 3 * COMPLAINT_NS) is None
