"""Tells a daemon what a program knows of a neighbor: ``claim`` for programs that block,
``claim_async`` for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict, Unpack

import msgspec
from msgspec.structs import asdict

from meshwatch.client.follow import RUNTIME_DIRECTORY, DaemonAbsent
from meshwatch.protocol import Neighbor, Service, claims

LIFETIME_S = 3600  # if nothing is said of it


class Said(TypedDict, total=False):
    """What may be said of a neighbor (meshwatchd(8), CLAIMS).

    It is forgotten after ``lifetime_s`` (an hour if not said, at most a day), or when the neighbor
    leaves the table; 0 withdraws it. Without ``verified`` it is not.
    """

    name: str | None
    nick: str | None
    jid: str | None
    fingerprint: str | None
    verified: bool
    services: Iterable[Service]
    lifetime_s: int


def claim(
    neighbor: Neighbor,
    claimant: str,
    *,
    runtime_directory: str | Path = RUNTIME_DIRECTORY,
    **said: Unpack[Said],
) -> None:
    """Say this of a neighbor, instead of what ``claimant`` said for this user before.

    Nobody answers: whether the daemon took it shows in the neighbor's ``claims``.

    Raises ValueError for what the daemon would drop, DaemonAbsent without a daemon,
    PermissionError if this user may not claim, and OSError, such as BlockingIOError while the
    daemon is flooded.
    """
    datagram = _datagram(neighbor, claimant, said)
    with _letterbox(runtime_directory) as (out, path):
        out.sendto(datagram, path)


async def claim_async(
    neighbor: Neighbor,
    claimant: str,
    *,
    runtime_directory: str | Path = RUNTIME_DIRECTORY,
    **said: Unpack[Said],
) -> None:
    """The same as :func:`claim`, but waits while the daemon is flooded."""
    datagram = _datagram(neighbor, claimant, said)
    loop = asyncio.get_running_loop()
    with _letterbox(runtime_directory) as (out, path):
        await loop.sock_connect(out, path)
        await loop.sock_sendall(out, datagram)


def _datagram(neighbor: Neighbor, claimant: str, said: Said) -> bytes:
    """As the daemon will read it."""
    words: dict[str, object] = {
        "class": "claim",
        "interface": neighbor.interface,
        "address": neighbor.address,
        "claimant": claimant,
        "lifetime_s": LIFETIME_S,
        **said,
        "services": [asdict(each) for each in said.get("services", ())],
    }
    datagram = claims.encode(msgspec.convert(words, claims.Claim))
    claims.decode(datagram)
    return datagram


@contextlib.contextmanager
def _letterbox(runtime_directory: str | Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(Path(runtime_directory) / "claims.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        try:
            yield out, path
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise DaemonAbsent(f"{path}: {error.strerror}") from error
