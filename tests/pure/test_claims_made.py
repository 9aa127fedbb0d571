"""What a local program may say of a neighbor: taken whole, or dropped and counted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.claims import Claims, Drop, Sender
from meshwatch.model import Service
from meshwatch.observations import ClaimMade
from meshwatch.protocol import claims as form

S = 10**9
SENDER = Sender(4711, 994)
SERVICE: dict[str, Any] = {
    "type": "_xmpp-server._tcp",
    "instance": "ana",
    "host": "ana.local",
    "port": 5269,
    "txt": {"domain": "ana.example"},
}
CLAIM: dict[str, Any] = {
    "class": "claim",
    "interface": "mesh0",
    "address": "02:00:00:00:00:01",
    "claimant": "names",
    "name": "ana.local",
    "nick": "Ana 🐟",
    "jid": "ana@ana.example",
    "fingerprint": "sha256:" + "9f" * 32,
    "verified": True,
    "services": [SERVICE, {"type": "_ssh._tcp", "instance": "a", "port": 22}],
    "lifetime_s": 3600,
}
LEAST = {key: CLAIM[key] for key in ("class", "interface", "address", "claimant", "lifetime_s")}


def said(claims: Claims, what: object) -> object:
    return claims.receive(msgspec.json.encode(what), SENDER, S)


def test_a_claim_becomes_an_observation() -> None:
    made = said(Claims({"mesh0": 3}.get), CLAIM)
    assert made == ClaimMade(
        ifindex=3,
        address="02:00:00:00:00:01",
        claimant="names",
        uid=994,
        name="ana.local",
        nick="Ana 🐟",
        jid="ana@ana.example",
        fingerprint="sha256:" + "9f" * 32,
        verified=True,
        services=(
            Service("_xmpp-server._tcp", "ana", "ana.local", 5269, (("domain", "ana.example"),)),
            Service("_ssh._tcp", "a", None, 22),
        ),
        lifetime_ns=3600 * S,
    )


def test_a_claim_may_say_nothing_or_be_withdrawn() -> None:
    made = said(Claims({"mesh0": 3}.get), LEAST | {"lifetime_s": 0})
    assert isinstance(made, ClaimMade)
    assert (made.name, made.verified, made.services, made.lifetime_ns) == (None, False, (), 0)


@pytest.mark.parametrize(
    "words",
    [
        {"claimant": "c" * 63, "name": "n" * 253, "nick": "n" * 63, "jid": "j" * 255},
        {"fingerprint": "f" * 128, "lifetime_s": 86_400},
        {"services": [SERVICE | {"txt": {}}] * 16},
        {"services": [SERVICE | {"txt": {f"key{n}": "" for n in range(16)}, "port": 65535}]},
        {"services": [SERVICE | {"txt": {"k" * 63: "v" * 255}, "instance": "i" * 63}]},
        {"services": [SERVICE | {"host": "h" * 253, "later": 1}], "later": [{}]},
    ],
)
def test_what_is_just_allowed(words: dict[str, Any]) -> None:
    assert isinstance(said(Claims({"mesh0": 3}.get), LEAST | words), ClaimMade)


@pytest.mark.parametrize(
    "words",
    [
        {"claimant": ""},
        {"claimant": "c" * 64},
        {"claimant": "c\n"},
        {"claimant": None},
        {"name": ""},
        {"name": "n" * 254},
        {"name": "a\u202eb"},
        {"name": ["ana"]},
        {"nick": "n" * 64},
        {"nick": "\x1b[2J"},
        {"jid": "j" * 256},
        {"jid": "\x7f"},
        {"fingerprint": "f" * 129},
        {"fingerprint": "\x00"},
        {"verified": "yes"},
        {"verified": 1},
        {"lifetime_s": -1},
        {"lifetime_s": 86_401},
        {"lifetime_s": 1.5},
        {"lifetime_s": None},
        {"address": "02:00:00:00:00:0G"},
        {"interface": "m" * 16},
        {"services": {}},
        {"services": [None]},
        {"services": [{"type": "_ssh._tcp", "port": 22}]},
        {"services": [SERVICE | {"txt": {}}] * 17},
        {"services": [SERVICE | {"type": "ssh"}]},
        {"services": [SERVICE | {"type": "_ssh._tcp\n"}]},
        {"services": [SERVICE | {"instance": "i" * 64}]},
        {"services": [SERVICE | {"instance": "\t"}]},
        {"services": [SERVICE | {"host": "h" * 254}]},
        {"services": [SERVICE | {"host": "\u0085"}]},
        {"services": [SERVICE | {"port": 65536}]},
        {"services": [SERVICE | {"port": -1}]},
        {"services": [SERVICE | {"txt": {"k": "v" * 256}}]},
        {"services": [SERVICE | {"txt": {"k" * 64: ""}}]},
        {"services": [SERVICE | {"txt": {"k\n": ""}}]},
        {"services": [SERVICE | {"txt": {"k": "\r"}}]},
        {"services": [SERVICE | {"txt": {"k": 1}}]},
        {"services": [SERVICE | {"txt": {f"key{n}": "" for n in range(17)}}]},
    ],
)
def test_what_is_not(words: dict[str, Any]) -> None:
    claims = Claims({"mesh0": 3}.get)
    assert said(claims, CLAIM | words) is None
    assert claims.dropped == {Drop.MALFORMED: 1}


def test_a_claim_that_the_table_does_not_take_is_counted() -> None:
    claims = Claims({"mesh0": 3}.get, lambda claim: claim.claimant == "names")
    assert said(claims, CLAIM) is not None
    assert said(claims, CLAIM | {"claimant": "others"}) is None
    assert said(claims, CLAIM | {"interface": "mesh1"}) is None
    assert claims.dropped == {Drop.NOT_TAKEN: 1, Drop.UNKNOWN_INTERFACE: 1}


WORD = st.text(max_size=300) | st.none() | st.integers() | st.booleans()


@given(st.dictionaries(st.sampled_from(list(CLAIM)), WORD), st.dictionaries(st.text(), WORD))
def test_what_is_taken_is_printable_and_bounded(
    words: dict[str, Any], others: dict[str, Any]
) -> None:
    claims = Claims({"mesh0": 3}.get)
    data = msgspec.json.encode(others | CLAIM | words)
    made = claims.receive(data, SENDER, S)
    assert (made is None) == (claims.dropped.total() == 1)
    if isinstance(made, ClaimMade):
        for text in (made.claimant, made.name, made.nick, made.jid, made.fingerprint):
            assert text is None or (text.isprintable() and 0 < len(text) <= 255)
        assert len(data) <= form.MAX_CLAIM


@given(st.text(), st.text())
def test_what_the_client_writes_is_what_the_daemon_reads(key: str, value: str) -> None:
    written = form.Claim(
        interface="mesh0",
        address="02:00:00:00:00:01",
        claimant="me",
        name="ana.local",
        services=(form.Service(type="_ssh._tcp", instance="a", port=1, txt={key: value}),),
        lifetime_s=1,
    )
    try:
        read = form.decode(form.encode(written))
    except ValueError:
        assert not (0 < len(key) <= 63 and len(value) <= 255 and (key + value).isprintable())
    else:
        assert read == written
