"""What a client claims, as other clients see it; through the real sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshwatch.claims import Claims, Drop
from meshwatch.client import (
    Changed,
    DaemonAbsent,
    Following,
    Neighbor,
    Service,
    claim,
    claim_async,
    follow,
)
from meshwatch.letterbox import Letterbox
from tests.socket.world import World, address, serving, synchronised, until

SERVICE = Service(
    type="_xmpp-server._tcp", instance="ana", port=5269, txt={"domain": "ana.example"}
)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[tuple[World, Claims, Following, Neighbor]]:
    """A daemon's table and sockets, with one neighbor, and a client that follows them."""
    async with serving(directory) as made:
        claims = Claims({"mesh0": 3}.get, made.table.takes)
        box = Letterbox(claims, lambda observations: made.observe(*observations))
        made.come([1])
        box.start(directory)
        try:
            async with follow(directory) as daemon:
                await synchronised(daemon)
                (neighbor,) = daemon.neighbors.values()
                yield made, claims, daemon, neighbor
        finally:
            box.close()


async def changed(daemon: Following) -> Neighbor:
    while True:
        event = await daemon.receive()
        if isinstance(event, Changed):
            return event.neighbor


@pytest.mark.parametrize("waiting", [False, True])
def test_what_one_claims_all_see(tmp_path: Path, waiting: bool) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (_, claims, daemon, neighbor):
            if waiting:
                await claim_async(
                    neighbor, "me", name="ana.local", services=[SERVICE], runtime_directory=tmp_path
                )
            else:
                claim(
                    neighbor, "me", name="ana.local", services=[SERVICE], runtime_directory=tmp_path
                )
            told = await changed(daemon)
            (said,) = told.claims
            assert (told.address, told.name) == (address(1), "ana.local")
            assert (said.claimant, said.uid, said.verified) == ("me", os.getuid(), False)
            assert said.services == (SERVICE,)
            claim(neighbor, "me", lifetime_s=0, runtime_directory=tmp_path)
            told = await changed(daemon)
            assert (told.name, told.claims) == (None, ())
            assert claims.dropped == {}

    asyncio.run(scenario())


def test_claims_about_nobody_and_one_too_many_are_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (made, claims, _, neighbor):
            made.go([1])
            claim(neighbor, "me", name="ana.local", runtime_directory=tmp_path)
            await until(lambda: claims.dropped == {Drop.NOT_TAKEN: 1})
            made.come([1])
            for number in range(4):
                claim(neighbor, f"me{number}", nick=str(number), runtime_directory=tmp_path)
            await until(lambda: len(only(made).claims) == 4)
            claim(neighbor, "me4", nick="4", runtime_directory=tmp_path)
            await until(lambda: claims.dropped == {Drop.NOT_TAKEN: 2})
            assert [each.nick for each in only(made).claims] == ["0", "1", "2", "3"]

    def only(made: World) -> Neighbor:
        (row,) = made.neighbors().values()
        return row

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        {"name": "a\nb"},
        {"name": ""},
        {"lifetime_s": -1},
        {"jid": "j" * 256},
        {"services": [Service(type="ssh", instance="a", port=22)]},
        {"services": [Service(type="_a._tcp", instance="\udcff", port=22)]},
        {"services": [Service(type="_a._tcp", instance="a", port=1, txt={"k": "v" * 255})] * 16},
    ],
)
def test_what_would_be_dropped_is_a_value_error(tmp_path: Path, said: dict[str, object]) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (_, claims, _, neighbor):
            with pytest.raises(ValueError):
                claim(neighbor, "me", runtime_directory=tmp_path, **said)  # type: ignore[arg-type]
            assert claims.dropped == {}

    asyncio.run(scenario())


def test_without_a_daemon_that_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (_, _, _, neighbor):
            pass
        with pytest.raises(DaemonAbsent, match=r"claims\.sock"):
            claim(neighbor, "me", runtime_directory=tmp_path)
        with pytest.raises(DaemonAbsent):
            await claim_async(neighbor, "me", runtime_directory=tmp_path)

    asyncio.run(scenario())
