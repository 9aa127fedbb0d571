"""meshwatch agent asks real responders, and a letterbox gets what they say."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meshwatch.model import Address, AddressProof, AddressScope, Presence
from meshwatch.observations import ClaimMade
from tests.process.agents import agent, daemon, play
from tests.process.air import IFINDEX, NEIGHBOR, Air
from tests.process.responders import Offer, avahi, zeroconf
from tests.pure.test_names import AVAHI

NAMES = ("--no-poke", "--no-hooks")
AT_THE_NEIGHBOR = "fe80::ff:fe00:1"
FINGERPRINT = "sha256:" + "ab" * 32
PRESENCE: Offer = ("_presence._tcp", "ana@laptop", 5298, {"nick": "Ana", "jid": "ana@ana.example"})
SERVER: Offer = (
    "_xmpp-server._tcp",
    "ana",
    5269,
    {"domain": "ana.laptop.example", "tlsfp": FINGERPRINT},
)
PRINTER: Offer = ("_ipp._tcp", "Paper", 631, {})
WHAT_ANA_SAYS = {
    "class": "claim",
    "interface": "mesh0",
    "address": NEIGHBOR,
    "claimant": "names",
    "name": "ana.local",
    "nick": "Ana",
    "jid": "ana@ana.example",
    "fingerprint": FINGERPRINT,
    "services": [
        {
            "type": "_presence._tcp",
            "instance": "ana@laptop",
            "host": "ana.local",
            "port": 5298,
            "txt": {"nick": "Ana", "jid": "ana@ana.example"},
        },
        {
            "type": "_xmpp-server._tcp",
            "instance": "ana",
            "host": "ana.local",
            "port": 5269,
            "txt": {"domain": "ana.laptop.example", "tlsfp": FINGERPRINT},
        },
    ],
    "lifetime_s": 3600,
}


# A responder that says how it was asked, and answers: from another port, with another identifier,
# what cannot be read, and only when asked again what it knows.
CROOKED = f"""
import socket, struct
AVAHI = bytes.fromhex({AVAHI.hex()!r})
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as port, socket.socket(
    socket.AF_INET6, socket.SOCK_DGRAM
) as other:
    port.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    port.bind(("{AT_THE_NEIGHBOR}", 5353, 0, socket.if_nametoindex("far")))
    print("listening", flush=True)
    for again in (False, True):
        question, [(_, _, limit)], _, asker = port.recvmsg(1500, 64)
        print(struct.unpack("i", limit)[0], asker[1] == 5353, flush=True)
        answer = question[:2] + AVAHI[2:]
        if again:
            port.sendto(answer, asker)
        else:
            other.sendto(answer, asker)
            port.sendto(bytes([question[0] ^ 1]) + answer[1:], asker)
            port.sendto(answer[:50], asker)
"""


class Letters:
    """What comes to claims.sock, as it comes."""

    def __init__(self, box: socket.socket) -> None:
        self._box = box

    async def next(self) -> dict[str, Any]:
        data = await asyncio.get_running_loop().sock_recv(self._box, 4097)
        claim: dict[str, Any] = json.loads(data)
        claim.setdefault("services", []).sort(key=lambda service: str(service["type"]))
        return claim

    async def full(self, claim: dict[str, Any]) -> None:
        """Await this claim; a responder that starts may say less before."""
        while (came := await self.next()) != claim:
            assert came["name"] == claim["name"]


@asynccontextmanager
async def letters(directory: Path) -> AsyncIterator[Letters]:
    """In place of the letterbox of a daemon."""
    path = directory / "claims.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
        box.setblocking(False)
        box.bind(str(path))
        yield Letters(box)


@pytest.mark.parametrize("responder", ["avahi", "zeroconf"])
def test_a_neighbor_that_arrives_is_asked_and_what_it_says_is_claimed(
    tmp_path: Path, responder: str
) -> None:
    async def scene(air: Air) -> None:
        offers = (PRESENCE, SERVER, PRINTER)
        there = (
            avahi(air, tmp_path, "ana", *offers)
            if responder == "avahi"
            else zeroconf(air, "ana", AT_THE_NEIGHBOR, *offers)
        )
        async with there, daemon(tmp_path) as serving, letters(tmp_path) as box:
            async with agent(tmp_path, air, *NAMES) as running:
                await running.says("following meshwatchd")
                serving.tell(Presence.PRESENT)
                await box.full(WHAT_ANA_SAYS)
                serving.tell(Presence.QUIET)
                serving.tell(Presence.PRESENT)
                await box.full(WHAT_ANA_SAYS)
                assert await running.end() == 0
            assert "dropped: none" in running.log

    play(scene)


def test_the_daemon_takes_what_is_claimed(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with (
            zeroconf(air, "ana", AT_THE_NEIGHBOR, PRESENCE),
            daemon(tmp_path) as serving,
            agent(tmp_path, air, *NAMES) as running,
        ):
            await running.says("following meshwatchd")
            serving.tell(Presence.PRESENT)
            (claim,) = await serving.claims(1)
            assert isinstance(claim, ClaimMade)
            assert (claim.ifindex, claim.address) == (IFINDEX, NEIGHBOR)
            assert (claim.claimant, claim.name, claim.nick) == ("names", "ana.local", "Ana")
            assert serving.taken.dropped == {}

    play(scene)


def test_another_daemon_is_told_what_the_one_before_knew(tmp_path: Path) -> None:
    """The neighbor is asked again, though its presence is no news."""

    async def scene(air: Air) -> None:
        async with (
            zeroconf(air, "ana", AT_THE_NEIGHBOR, PRESENCE),
            agent(tmp_path, air, *NAMES) as running,
        ):
            for _ in range(2):
                async with daemon(tmp_path) as serving:
                    serving.tell(Presence.PRESENT)
                    await running.says("following meshwatchd")
                    (claim,) = await serving.claims(1)
                    assert isinstance(claim, ClaimMade)
                await running.says("lost meshwatchd")

    play(scene)


def test_a_responder_that_answers_from_another_address(tmp_path: Path) -> None:
    """As avahi does; the kernel is made to look for it, and once the daemon knows it, it counts."""

    async def scene(air: Air) -> None:
        for ip, device in (("fd00::1", "far"), ("fd00::2", "mesh0")):
            add = await air.spawn(["ip", "address", "add", f"{ip}/64", "dev", device, "nodad"])
            assert await add.wait() == 0
        async with (
            avahi(air, tmp_path, "ana", PRESENCE),
            daemon(tmp_path) as serving,
            agent(tmp_path, air, *NAMES) as running,
        ):
            await running.says("following meshwatchd")
            serving.tell(Presence.PRESENT)
            assert await air.arrived() == "0 fd00::1 far"
            known = Address("fd00::1", AddressScope.UNIQUE_LOCAL, AddressProof.KERNEL)
            serving.tell(Presence.PRESENT, addresses=(known,))
            name = None
            while name is None:  # a responder that starts may say less before
                (claim,) = await serving.claims(1)
                assert isinstance(claim, ClaimMade)
                name = claim.name
            assert name == "ana.local"

    play(scene)


def test_how_it_asks_and_what_it_does_not_take(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        responder = await air.spawn([sys.executable, "-c", CROOKED])
        assert responder.stdout is not None
        assert await responder.stdout.readline() == b"listening\n"
        async with daemon(tmp_path) as serving, letters(tmp_path) as box:
            async with agent(tmp_path, air, *NAMES) as running:
                await running.says("following meshwatchd")
                serving.tell(Presence.PRESENT)
                assert await responder.stdout.readline() == b"255 False\n"
                await box.full(WHAT_ANA_SAYS)
                assert await responder.wait() == 0
                assert await running.end() == 0
            assert " 1 answers taken, dropped: 2 unasked, 1 unreadable" in running.log

    play(scene)


def test_other_services_are_asked_for(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with (
            zeroconf(air, "ben", AT_THE_NEIGHBOR, PRINTER),
            daemon(tmp_path) as serving,
            letters(tmp_path) as box,
            agent(tmp_path, air, *NAMES, "--service", "_ipp._tcp") as running,
        ):
            await running.says("following meshwatchd")
            serving.tell(Presence.PRESENT)
            claim = await box.next()
            printer = {"type": "_ipp._tcp", "instance": "Paper", "host": "ben.local"}
            assert claim["services"] == [printer | {"port": 631}]
            assert claim["name"] == "ben.local"

    play(scene)
