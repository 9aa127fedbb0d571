"""The language of claims.sock: what a local program may say of a neighbor, one JSON object a
datagram (meshwatchd(8), CLAIMS)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

MAX_CLAIM = 4096  # bytes of a datagram


MAX_LIFETIME_S = 86_400

InterfaceName = Annotated[str, Meta(min_length=1, max_length=15)]
HardwareAddress = Annotated[str, Meta(pattern=r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")]
HostName = Annotated[str, Meta(min_length=1, max_length=253)]  # RFC 1035 2.3.4, as text
Label = Annotated[str, Meta(min_length=1, max_length=63)]


class Poked(Struct, frozen=True, gc=False, tag_field="class", tag="poked"):
    """A datagram was just sent to the neighbor, to draw a sign of life.

    ``interface`` is the name of our interface (at most 15 bytes, IFNAMSIZ of <linux/if.h>),
    ``address`` the neighbor's hardware address in lower case with colons.
    """

    interface: InterfaceName
    address: HardwareAddress


class Poking(Struct, frozen=True, gc=False, tag_field="class", tag="poking"):
    """Neighbors on this interface that fall silent will be poked, for so long; 0: no more."""

    interface: InterfaceName
    lifetime_s: Annotated[int, Meta(ge=0, le=3600)]


class Service(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A service that the neighbor offers (RFC 6763): its type such as ``_xmpp-server._tcp``, the
    name of the instance, where it runs, and what its TXT record says."""

    type: Annotated[str, Meta(pattern=r"\A_[A-Za-z0-9-]{1,15}\._(tcp|udp)\Z")]
    instance: Label
    host: HostName | None = None
    port: Annotated[int, Meta(ge=0, le=65535)]
    txt: Annotated[dict[Label, Annotated[str, Meta(max_length=255)]], Meta(max_length=16)] = field(
        default_factory=dict
    )


class Claim(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="class", tag="claim"):
    """What its claimant says of a neighbor, instead of what it said before.

    All texts are printable. ``verified`` says that the claimant verified this, by whatever means.
    After ``lifetime_s`` it is forgotten; 0 withdraws it.
    """

    interface: InterfaceName
    address: HardwareAddress
    claimant: Label
    name: HostName | None = None
    nick: Label | None = None
    jid: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    fingerprint: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    verified: bool = False
    services: Annotated[tuple[Service, ...], Meta(max_length=16)] = ()
    lifetime_s: Annotated[int, Meta(ge=0, le=MAX_LIFETIME_S)]


_encoder = msgspec.json.Encoder()


def encode(claim: Poked | Poking | Claim) -> bytes:
    """The datagram that makes a claim."""
    return _encoder.encode(claim)


_decoder: msgspec.json.Decoder[Poked | Poking | Claim] = msgspec.json.Decoder(
    Poked | Poking | Claim
)


def decode(data: bytes) -> Poked | Poking | Claim:
    """A datagram as a claim. Raises what msgspec does, ValueError for what it cannot check, and
    RecursionError."""
    if len(data) > MAX_CLAIM:
        raise ValueError(f"{len(data)} bytes, more than {MAX_CLAIM}")
    claim = _decoder.decode(data)
    if isinstance(claim, Claim):
        for text in _texts(claim):
            if not text.isprintable():
                raise ValueError(f"not printable: {text!r}")
    return claim


def _texts(claim: Claim) -> Iterator[str]:
    texts = (claim.claimant, claim.name, claim.nick, claim.jid, claim.fingerprint)
    yield from filter(None, texts)
    for service in claim.services:
        yield from filter(
            None, (service.instance, service.host, *service.txt, *service.txt.values())
        )
