"""What a pump makes of sockets that fail, or that strangers write to: it tells, and looks again."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from meshwatch import codec, kernel
from meshwatch.kernel import Channel
from meshwatch.netlink import Buffer
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import Deaf, LinkSeen, Observation, Question, Settled
from meshwatch.pump import Pump
from meshwatch.rtnetlink import Rtnetlink
from tests.pure import kernel_bytes as k

PATIENCE_S = 10.0


class Watch:
    """Serves a conversation with rtnetlink, and keeps what it observes."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self._told = asyncio.Event()
        self.pump = Pump(Rtnetlink(), self._hand_on)

    def _hand_on(self, pump: Pump, observations: list[Observation], now: int) -> None:
        self.seen += observations
        self._told.set()

    async def until(self, is_so: Callable[[list[Observation]], bool]) -> None:
        """Until what was observed is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so(self.seen):
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def watching(*also: Channel) -> AsyncIterator[Watch]:
    """Links are known; these sockets are listened to besides."""
    watch = Watch()
    events, requests = await kernel.open_rtnetlink()
    watch.pump.open([requests, events, *also], requests)
    try:
        await watch.until(lambda seen: Settled("rtnetlink") in seen)
        yield watch
    finally:
        watch.pump.close()


def deaf(count: int) -> Callable[[list[Observation]], bool]:
    """It was deaf so often, and has looked at all links since."""

    def is_so(seen: list[Observation]) -> bool:
        last = max((n for n, o in enumerate(seen) if isinstance(o, Deaf)), default=0)
        looked = any(isinstance(o, LinkSeen) for o in seen[last:])
        return sum(isinstance(o, Deaf) for o in seen) >= count and looked

    return is_so


def test_a_socket_that_fails_is_told_of_once_and_everything_is_looked_at_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody can make a netlink socket fail at will; a datagram that is refused, any other."""

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            failing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            failing.connect(nobody.getsockname())
        async with watching(Channel("events", failing)) as watch:
            for count in (1, 2):
                failing.send(b"?")
                await watch.until(deaf(count))

    asyncio.run(main())
    assert caplog.messages == ["events: cannot be heard: Connection refused"]


def test_what_another_program_sends_is_told_of_once_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A conversation would take this for an overrun, were it the kernel's."""
    told: list[Observation] = []

    async def main() -> None:
        channel = await kernel.open_nlctrl()
        with socket.socket(fileno=os.dup(channel.fileno())) as same:
            address = same.getsockname()
        pump = Pump(Nl80211(), lambda _, observations, now: told.extend(observations))
        pump.open([channel], channel)
        told.clear()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, channel.protocol) as alien:
            for _ in range(2):
                alien.sendto(k.overrun(), address)
                pump.turn()
        pump.close()

    asyncio.run(main())
    assert caplog.messages == ["nlctrl: dropping what another program sends to the socket"]
    assert told == []


def test_in_the_end_the_log_tells_what_could_not_be_read(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with watching() as watch:
            list(watch.pump.conversation.receive(memoryview(b"\1\2\3"), 0))
            assert caplog.messages == []

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert caplog.messages == ["rtnetlink: messages that could not be read: 1"]


def test_what_an_answer_tells_goes_out_before_the_next_thing_is_asked() -> None:
    """On a slow machine a dump takes its time, and there is one for each interface."""
    order: list[str] = []
    told = asyncio.Event()

    class TwoQuestions(Rtnetlink):
        """Asks for all links, twice."""

        def __init__(self) -> None:
            super().__init__()
            self._left = [codec.get_links(), codec.get_links()]

        def outgoing(self) -> list[bytes]:
            if not self._left:
                return []
            order.append("asked")
            return [self._left.pop()]

        def receive(self, data: Buffer, now: int) -> list[Observation]:
            return [Settled("rtnetlink")]

    async def main() -> None:
        def hand_on(pump: Pump, observations: list[Observation], now: int) -> None:
            asyncio.get_running_loop().call_soon(tell)

        def tell() -> None:
            order.append("told")
            if order.count("told") == 2:
                told.set()

        events, requests = await kernel.open_rtnetlink()
        pump = Pump(TwoQuestions(), hand_on)
        pump.open([requests, events], requests)
        async with asyncio.timeout(PATIENCE_S):
            await told.wait()
        pump.close()

    asyncio.run(main())
    assert order[:4] == ["asked", "told", "asked", "told"]


def test_what_is_due_at_once_because_of_a_hint_does_not_wait_for_other_sockets() -> None:
    woken: list[int] = []

    class Hasty(Rtnetlink):
        """Has something to do as soon as it gets a hint."""

        due_ns: int | None = None

        def notice(self, hint: Observation | Question, now: int) -> None:
            self.due_ns = now

        def deadline(self) -> int | None:
            return self.due_ns

        def wake(self, now: int) -> list[Observation]:
            if self.due_ns is not None:
                woken.append(self.due_ns)
                self.due_ns = None
            return []

    async def main() -> None:
        pump = Pump(Hasty(), lambda *_: None)
        pump.notice([Settled("nl80211")], 4711)
        assert woken == [4711]

    asyncio.run(main())
