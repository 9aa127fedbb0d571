"""Moves bytes between one kernel source's channels and its conversation; decides nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from meshwatch.observations import Deaf, Observation, Question, Tapped
from meshwatch.records import Drained

log = logging.getLogger(__name__)

# A jump of CLOCK_BOOTTIME against CLOCK_MONOTONIC larger than this was a suspend.
SUSPEND_NS = 500_000_000

# A turn that comes so much later than it should finds that we were stopped, or starved.
STARVED_NS = 500_000_000

# Datagrams handed on before timers and other sources get their turn again.
DRAINS_PER_TURN = 16


class Conversation(Protocol):
    """What a kernel source is asked and what its answers mean; knows no socket and no clock."""

    @property
    def name(self) -> str:
        """The source's name in ``source`` rows."""

    def begin(self, now: int) -> None:
        """Forget what was under way and look at everything."""

    def receive(self, data: memoryview, now: int) -> Iterable[Observation]:
        """One datagram arrived."""

    def notice(self, hint: Observation | Question, now: int) -> None:
        """Another source observed this, or the table asks."""

    def outgoing(self) -> Sequence[bytes]:
        """Requests to be sent now."""

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent."""

    def deadline(self) -> int | None:
        """When ``wake`` has something to do, or None."""

    def wake(self, now: int) -> Iterable[Observation]:
        """Do what is due."""

    def lost(self, now: int) -> Iterable[Observation]:
        """Something went by unheard: throw away what was under way and look again."""

    def summary(self) -> str:
        """What was of no use, for the log; "" = nothing."""


class Channel(Protocol):
    """A socket of the kernel's: of netlink, or a packet socket on an interface."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def protocol(self) -> int:
        """The netlink protocol."""

    @property
    def monitor(self) -> Tapped | None:
        """The interface whose frames are heard; None for netlink."""

    def fileno(self) -> int:
        """The descriptor, to wait on."""

    def drain(self) -> Drained:
        """What the kernel has to say at the moment, without blocking; the rest is had at once if
        there is ``more``, or when the others were heard."""

    def send(self, message: bytes, /) -> None:
        """Send one request or frame; OSError if the kernel does not take it."""

    def close(self) -> None:
        """Close the socket."""


class Tee(Protocol):
    """Takes a copy of everything received and sent (a recording)."""

    def received(self, protocol: int, data: memoryview, now: int) -> None:
        """One datagram from the kernel, of this netlink protocol."""

    def sent(self, protocol: int, request: bytes, now: int) -> None:
        """One request to the kernel."""

    def lost(self, protocol: int, now: int) -> None:
        """Datagrams of this netlink protocol were lost here."""

    def received_frame(self, monitor: Tapped, frame: memoryview, now: int) -> None:
        """One frame that this interface heard."""

    def sent_frame(self, monitor: Tapped, frame: bytes, now: int) -> None:
        """One frame handed to this interface."""

    def lost_frames(self, monitor: Tapped, now: int) -> None:
        """Frames of this interface were lost here."""


class Pump:
    """Serves one conversation: waits for bytes or its deadline and makes a turn at each."""

    def __init__(
        self,
        conversation: Conversation,
        hand_on: Callable[[Pump, list[Observation], int], None],
        tee: Tee | None = None,
    ) -> None:
        self.conversation = conversation
        self._hand_on = hand_on
        self._tee = tee
        self._listening: list[Channel] = []
        self._speaking: Channel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._more: asyncio.Handle | None = None
        self._due_ns: int | None = None
        self._slept_ns = _slept_ns()
        self._warned: set[str] = set()

    def open(self, channels: Sequence[Channel], speaking: Channel) -> None:
        """Serve these channels, heard in this order; requests go out on ``speaking``, one of them.

        The pump owns the channels and closes them.
        """
        loop = asyncio.get_running_loop()
        self._listening = list(channels)
        self._speaking = speaking
        for channel in self._listening:
            loop.add_reader(channel.fileno(), self.turn)
        self.conversation.begin(time.monotonic_ns())
        self.turn()

    def close(self) -> None:
        """Stop serving and close the channels; the log tells what was of no use."""
        if summary := self.conversation.summary():
            log.info("%s: %s", self.conversation.name, summary)
        loop = asyncio.get_running_loop()
        for channel in self._listening:
            loop.remove_reader(channel.fileno())
            channel.close()
        self._listening = []
        self._speaking = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._more is not None:
            self._more.cancel()
            self._more = None

    @property
    def goes_on(self) -> bool:
        """Whether there is more to ask, of which the answer is had at once."""
        return self._more is not None

    def observed(self, observations: list[Observation]) -> None:
        """Hand on what was observed of the source itself."""
        self._hand_on(self, observations, time.monotonic_ns())

    def notice(self, hints: Iterable[Observation | Question], now: int) -> None:
        """Offer what another source observed or the table asks, and act on what follows."""
        for hint in hints:
            self.conversation.notice(hint, now)
        deadline = self.conversation.deadline()
        if deadline is not None and deadline <= time.monotonic_ns():
            self.turn()  # a timer would come after all sockets
            return
        self._speak(now)
        self._set_timer()

    def turn(self) -> None:
        """Hear everything, do what is due, say what is to be said.

        Deadlines are served on every turn, not only when the timer rings: a busy socket
        would otherwise starve them.
        """
        if self.goes_on:
            return  # in its own time
        now = time.monotonic_ns()
        observations: list[Observation] = []
        slept_ns = _slept_ns()
        if slept_ns - self._slept_ns > SUSPEND_NS and self._listening:
            span_s = (slept_ns - self._slept_ns) / 1e9
            log.info("%s: awake after %.1f s of sleep", self.conversation.name, span_s)
            observations.extend(self._lost(self._listening[0], now))
        self._slept_ns = slept_ns
        if self._due_ns is not None and now - self._due_ns > STARVED_NS:
            observations.append(Deaf("daemon", self._due_ns))
        for channel in self._listening:
            observations.extend(self._hear(channel))
        now = time.monotonic_ns()
        observations.extend(self.conversation.wake(now))
        # The kernel answers before ``send`` returns (net/netlink/af_netlink.c): to listen at
        # once saves a turn of the loop for each request.
        goes_on = False
        while not goes_on and self._speaking is not None and self._speak(now):
            observations.extend(self._hear(self._speaking))
            goes_on = bool(observations)
        self._set_timer()
        if observations:
            self._hand_on(self, observations, now)
        if goes_on:  # when what was handed on is told
            self._more = asyncio.get_running_loop().call_soon(self._go_on)

    def _hear(self, channel: Channel) -> Iterable[Observation]:
        for _ in range(DRAINS_PER_TURN):
            drained = channel.drain()
            now = time.monotonic_ns()
            times_ns = drained.times_ns or (now,) * len(drained.datagrams)
            for datagram, received_ns in zip(drained.datagrams, times_ns, strict=True):
                if self._tee is not None and channel.monitor is not None:
                    self._tee.received_frame(channel.monitor, datagram, received_ns)
                elif self._tee is not None:
                    self._tee.received(channel.protocol, datagram, received_ns)
                yield from self.conversation.receive(datagram, received_ns)
            if not self._heard_all(channel, drained):
                yield from self._lost(channel, now)
            if not drained.more:
                break

    def _heard_all(self, channel: Channel, drained: Drained) -> bool:
        """Whether nothing of the kernel's went by unheard; the log tells what was amiss."""
        if drained.aliens:
            self._warn_once(f"{channel.name}: dropping what another program sends to the socket")
        # A frame that is too long is anybody's, and a tap whose interface went down says so by an
        # error; what netlink cut off is the kernel's.
        netlink = channel.monitor is None
        overrun = drained.overrun or (netlink and drained.truncated > 0)
        if overrun:
            log.warning("%s: the kernel's messages overran the socket", channel.name)
        failed = netlink and drained.error != 0
        if failed:
            self._warn_once(f"{channel.name}: cannot be heard: {os.strerror(drained.error)}")
        return not overrun and not failed

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s", what)

    def _lost(self, channel: Channel, now: int) -> Iterable[Observation]:
        if self._tee is not None and channel.monitor is not None:
            self._tee.lost_frames(channel.monitor, now)
        elif self._tee is not None:
            self._tee.lost(channel.protocol, now)
        return self.conversation.lost(now)

    def _speak(self, now: int) -> bool:
        """Send what is to be sent; whether that was anything."""
        channel = self._speaking
        if channel is None:
            return False
        requests = self.conversation.outgoing()
        for request in requests:
            try:
                channel.send(request)
            except OSError as error:
                # The conversation asks again when no answer comes.
                log.warning("%s: a request could not be sent: %s", channel.name, error)
            if self._tee is not None and channel.monitor is not None:
                self._tee.sent_frame(channel.monitor, request, now)
            elif self._tee is not None:
                self._tee.sent(channel.protocol, request, now)
            self.conversation.sent(request, now)
        return bool(requests)

    def _set_timer(self) -> None:
        deadline = self.conversation.deadline()
        if self._timer is not None:
            if deadline == self._due_ns:
                return
            self._timer.cancel()
            self._timer = None
        self._due_ns = deadline
        if deadline is not None and self._speaking is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline / 1e9, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.turn()

    def _go_on(self) -> None:
        self._more = None
        self.turn()


def _slept_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
