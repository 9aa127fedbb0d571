"""Meshwatchd's socket with a table that somebody else writes: real lines, at chosen instants."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meshwatch import protocol
from meshwatch.feed import Feed
from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Change,
    Claim,
    Key,
    Neighbor,
    Presence,
    Readings,
    Reason,
    Row,
    Service,
)
from meshwatch.server import Server

DEADLINE_S = 10
IFINDEX = 10


def neighbor(
    address: str,
    link_local: str,
    domain: str | None,
    *,
    presence: Presence = Presence.PRESENT,
    jid: str | None = None,
    nick: str | None = None,
    disputed: bool = False,
    fingerprint: str | None = None,
) -> Neighbor:
    """A neighbor with an XMPP server, as it looks when its name has been asked for, or not yet."""
    now = time.monotonic_ns()
    claims = []
    if domain:
        txt = (("domain", domain), *((("tlsfp", fingerprint),) if fingerprint else ()))
        services = (Service("_xmpp-server._tcp", domain.partition(".")[0], domain, 5269, txt),)
        claims = [
            Claim(claimant="names", uid=0, jid=jid, nick=nick, claimed_ns=now, services=services)
        ]
    scoped = Address(f"{link_local}%mesh0", AddressScope.LINK, AddressProof.KERNEL)
    return Neighbor(
        ifindex=IFINDEX,
        interface="mesh0",
        address=address,
        presence=presence,
        reason=Reason.ESTABLISHED,
        since_ns=now,
        first_heard_ns=now,
        addresses=(scoped,),
        jid=jid,
        nick=nick,
        disputed=disputed,
        claims=tuple(claims),
        readings=Readings(last_heard_ns=now, reach=1),
    )


class Told:
    """A feed and its server in a thread; whoever holds this says who comes and goes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self._rows: dict[Key, Row] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._serving: tuple[Feed, Server] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def start(self) -> None:
        """Begin to serve, as a daemon does that was started again."""
        wall_offset_ns = time.time_ns() - time.monotonic_ns()
        hello = protocol.version(
            release="0.1.0", boot="0" * 32, started_unix_ms=time.time_ns() // 1_000_000
        )

        async def serve() -> None:
            feed = Feed(lambda: tuple(self._rows.values()))
            server = Server(feed, self.directory, lambda: wall_offset_ns, hello)
            await server.start()
            feed.open()
            self._serving = feed, server

        self._do(serve())

    def stop(self) -> None:
        """Hang up on everybody and be gone, as a daemon that ends."""
        if self._serving is None:
            return
        _, server = self._serving
        self._serving = None

        async def close() -> None:
            await server.close()

        self._do(close())

    def _publish(self, change: Callable[[], Change | None]) -> float:
        told_at = time.monotonic()

        async def publish() -> None:
            made = change()
            if made is not None and self._serving is not None:
                self._serving[0].publish([made])

        self._do(publish())
        return told_at

    def say(self, row: Neighbor) -> float:
        """This neighbor is there now, or is so now; when that was told, on the monotonic clock."""

        def change() -> Change:
            old = self._rows.get(row.key)
            self._rows[row.key] = row
            return Change(row.key, old, row)

        return self._publish(change)

    def gone(self, row: Neighbor) -> float:
        """This neighbor left; when that was told, on the monotonic clock."""

        def change() -> Change | None:
            old = self._rows.pop(row.key, None)
            return Change(row.key, old, None, reason=Reason.SILENT) if old else None

        return self._publish(change)
