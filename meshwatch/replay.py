"""Gives a recording to conversations and table again, in its own time.

A live pump and a player make the same turn: hear, do what is due, look at the clock. But a
player's clock is the recording's, and it stops at every packet and at every deadline between
two packets, exactly. So the same file always makes the same changes, however fast it is played.
What the conversations would ask is ignored: what was asked stands in the recording. A tap's
frames bear the time of their reception, as they did live; they are played on the first turn that
is not before it. Live, a tap hears what has come before it gives anything up, however late that
is; so a tap's own clock is that of its frames here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from meshwatch.capture import CapturedNl80211, CapturedRtnetlink
from meshwatch.echoes import Echoes
from meshwatch.frames import Frames
from meshwatch.model import Change
from meshwatch.neighborhood import Neighborhood
from meshwatch.nl80211 import Nl80211
from meshwatch.observations import (
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Monitor,
    Observation,
    OwnAddresses,
    Question,
    Tapped,
)
from meshwatch.paths import Paths
from meshwatch.recording import LOST_FRAMES, Packet, Recording
from meshwatch.rtnetlink import Rtnetlink
from meshwatch.table import Table

NETLINK_ROUTE, NETLINK_GENERIC = 0, 16


class Conversation(Protocol):
    """As much of a conversation as a player needs."""

    def begin(self, now: int) -> None:
        """Forget what was under way."""

    def receive(self, data: bytes, now: int) -> Iterable[Observation]:
        """One datagram arrived."""

    def notice(self, hint: Observation | Question, now: int) -> None:
        """Another source observed this, or the table wants to know it."""

    def outgoing(self) -> Sequence[bytes]:
        """Requests to be sent now."""

    def sent(self, request: bytes, now: int) -> None:
        """This request was sent."""

    def deadline(self) -> int | None:
        """When ``wake`` has something to do."""

    def wake(self, now: int) -> Iterable[Observation]:
        """Do what is due."""


#: By netlink protocol.
Conversations = dict[int, list[Conversation]]


def conversations(recording: Recording, family: int = 0) -> Conversations:
    """The conversations with netlink that a recording is one side of; see :func:`captured`."""
    return ours(recording.interfaces) if recording.ours else captured(family)


def ours(interfaces: frozenset[str] | None = None) -> Conversations:
    """The conversations of a daemon, restricted to interfaces of these names."""
    return {
        NETLINK_GENERIC: [Nl80211(interfaces), Paths()],
        NETLINK_ROUTE: [Rtnetlink(), Neighborhood()],
    }


def captured(family: int = 0) -> Conversations:
    """Those that listen to other programs', to which ``family`` is nl80211, if that is known."""
    return {NETLINK_GENERIC: [CapturedNl80211(family)], NETLINK_ROUTE: [CapturedRtnetlink()]}


class Player:
    """Plays packets to conversations (by netlink protocol) and their observations to a table.

    Ask :meth:`deadline`, wait for that time or not, :meth:`step`, publish the changes; or iterate
    over ``(now, changes)`` as fast as possible. All conversations of a protocol hear its packets,
    and know by sequence numbers whose answer is whose; packets of other protocols are passed
    over. Each interface with frames gets a conversation of its own with its first. The end of
    the packets is the end of time.
    """

    def __init__(
        self,
        packets: Iterable[Packet],
        conversations: Mapping[int, Sequence[Conversation]],
        table: Table,
    ) -> None:
        self.now: int | None = None
        self._packets = iter(packets)
        self._packet: Packet | None = None
        self._conversations = conversations
        self._taps: dict[Tapped, Frames | Echoes] = {}
        self._interfaces: dict[int, InterfaceSeen] = {}  # as last seen
        self._own: dict[int, OwnAddresses] = {}
        self._table = table

    def __iter__(self) -> Iterator[tuple[int, list[Change]]]:
        while (now := self.deadline()) is not None:
            yield now, self.step()

    def deadline(self) -> int | None:
        """The time of the next step on the recording's clock; None: it is over.

        Raises MalformedCapture where the file is damaged, and None is next.
        """
        if self._packet is None:
            self._packet = next(self._packets, None)
        if self._packet is None:
            return None
        if self.now is None:
            return self._packet.time_ns
        # What is due by now was done on the last turn, as far as it can be.
        dues = [c.deadline() for c in self._netlink()] + [self._table.deadline()]
        times = [due for due in dues if due is not None and due > self.now]
        return min([max(self._packet.time_ns, self.now), *times])

    def step(self) -> list[Change]:
        """Play what happens at :meth:`deadline`, if anything; what changed by it."""
        now = self.deadline()
        packet = self._packet
        if now is None or packet is None:
            return []
        if self.now is None:
            for conversation in self._everyone():
                conversation.begin(now)
        self.now = now
        changes: list[Change] = []
        if packet.time_ns <= now:
            self._packet = None
            if packet.monitor is not None:
                changes += self._play_frame(packet, self._tap(packet.monitor, now), now)
            for hearer in self._conversations.get(packet.protocol, ()):
                changes += self._play(packet, hearer, now)
        for conversation in self._netlink():
            changes += self._hand_on(conversation, conversation.wake(now), now)
        changes += self._table.tick(now)
        for question in self._table.questions():
            for conversation in self._everyone():
                conversation.notice(question, now)
        for conversation in self._everyone():
            conversation.outgoing()
        return changes

    def _netlink(self) -> list[Conversation]:
        return [*chain(*self._conversations.values())]

    def _everyone(self) -> list[Conversation]:
        return [*self._netlink(), *self._taps.values()]

    def _play(self, packet: Packet, hearer: Conversation, now: int) -> list[Change]:
        if packet.outgoing:
            hearer.sent(packet.data, now)
            return []
        return self._hand_on(hearer, hearer.receive(packet.data, now), now)

    def _play_frame(self, packet: Packet, tap: Frames | Echoes, now: int) -> list[Change]:
        if packet.outgoing:
            tap.sent(packet.data, packet.time_ns)
            return []
        if packet.data == LOST_FRAMES:
            return self._hand_on(tap, tap.lost(packet.time_ns), now)
        changes = self._hand_on(tap, tap.wake(packet.time_ns), now)
        return changes + self._hand_on(tap, tap.receive(packet.data, packet.time_ns), now)

    def _tap(self, monitor: Tapped, now: int) -> Frames | Echoes:
        if monitor not in self._taps:
            tap = Frames(monitor) if isinstance(monitor, Monitor) else Echoes(monitor)
            self._taps[monitor] = tap
            tap.begin(now)
            known: list[Observation] = [*self._interfaces.values(), *self._own.values()]
            for observation in known:
                tap.notice(observation, now)
        return self._taps[monitor]

    def _hand_on(
        self, source: Conversation, observations: Iterable[Observation], now: int
    ) -> list[Change]:
        changes: list[Change] = []
        for observation in observations:
            changes += self._table.observe(observation, now)
            self._remember(observation)
            for conversation in self._everyone():
                if conversation is not source:
                    conversation.notice(observation, now)
        return changes

    def _remember(self, observation: Observation) -> None:
        """Who comes later has to know the interfaces, too."""
        match observation:
            case InterfaceSeen():
                self._interfaces[observation.ifindex] = observation
            case InterfaceDeleted(ifindex):
                self._interfaces.pop(ifindex, None)
                self._own.pop(ifindex, None)
            case OwnAddresses(ifindex):
                self._own[ifindex] = observation
            case InterfacesSwept():
                for ifindex in self._interfaces.keys() - observation.ifindexes:
                    del self._interfaces[ifindex]
