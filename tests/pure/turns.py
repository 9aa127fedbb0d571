"""Makes turns of a conversation at given times, as a pump does, and keeps what it asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from meshwatch.observations import Observation

MS = 1_000_000


class Conversation(Protocol):
    """As much of a conversation as turns need."""

    def receive(self, data: bytes, now: int) -> Iterable[Observation]: ...
    def wake(self, now: int) -> Iterable[Observation]: ...
    def outgoing(self) -> Sequence[bytes]: ...
    def sent(self, request: bytes, now: int) -> None: ...
    def deadline(self) -> int | None: ...
    def lost(self, now: int) -> Iterable[Observation]: ...


class Turns:
    """A conversation and the time."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.now_ms = 0.0
        self.asked: list[bytes] = []  # on the last turn

    def at(self, ms: float, *datagrams: bytes) -> list[Observation]:
        """A turn at this time: hear these, do what is due, send what is to be sent."""
        assert ms >= self.now_ms
        self.now_ms = ms
        now = round(ms * MS)
        seen: list[Observation] = []
        for datagram in datagrams:
            seen.extend(self.conversation.receive(datagram, now))
        seen.extend(self.conversation.wake(now))
        self.asked = list(self.conversation.outgoing())
        for request in self.asked:
            self.conversation.sent(request, now)
        return seen

    def until_asked(self) -> list[Observation]:
        """Turns at the conversation's deadlines, if need be, until it has asked something."""
        seen: list[Observation] = []
        while not self.asked:
            due = self.deadline_ms()
            assert due is not None
            seen += self.at(max(due, self.now_ms))
        return seen

    def deadline_ms(self) -> float | None:
        """When the conversation wants its next turn."""
        deadline = self.conversation.deadline()
        return None if deadline is None else deadline / MS
