"""The language of claims.sock: what a local program may say of a neighbor, one JSON object a
datagram (meshwatchd(8), CLAIMS)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

MAX_CLAIM = 4096  # bytes of a datagram


class Poked(Struct, frozen=True, gc=False, tag_field="class", tag="poked"):
    """A datagram was just sent to the neighbor, to draw a sign of life.

    ``interface`` is the name of our interface (at most 15 bytes, IFNAMSIZ of <linux/if.h>),
    ``address`` the neighbor's hardware address in lower case with colons.
    """

    interface: Annotated[str, Meta(min_length=1, max_length=15)]
    address: Annotated[str, Meta(pattern=r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")]


_encoder = msgspec.json.Encoder()


def encode(claim: Poked) -> bytes:
    """The datagram that makes a claim."""
    return _encoder.encode(claim)
