"""A netlink exchange without the socket: requests, multipart answers, torn dumps, failures.

Rules (netlink(7), include/uapi/linux/netlink.h):

* A request is known by its sequence number; its answers carry the same one. What is in flight
  is what ``sent`` was told, not what was meant to be sent: a replay tells what was recorded.
* A socket runs one dump at a time (the kernel answers EBUSY to a second one), so one request is
  in flight at a time, and the next waits.
* A dump ends in NLMSG_DONE, which may carry an error; any request may end in NLMSG_ERROR.
* NLM_F_DUMP_INTR on any part, the end included: what is dumped changed meanwhile, and entries
  may be missing or doubled. Such a dump is *torn*: true in what it says, silent about the rest.
* A request that was not answered for two seconds is given up, and late answers to it are
  ignored: whoever asked looks again.
* A message that cannot be read may be one of any dump under way, so that it tears them all.
* Requests fail now and then (an interface vanished, memory is short), and dumps are torn. A source
  of which the same look fails or is torn three times in a row says that it fails, and says so
  again when it works.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from meshwatch.observations import SourceState

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4
NLM_F_MULTI = 0x2
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300

TRIES_BEFORE_FAILURE = 3
INTERRUPTED = "dumps are interrupted"

# A station dump of 99 peers takes 7 ms on an emulated machine.
ANSWER_TIMEOUT_NS = 2_000_000_000

_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
_SEQ_OFFSET = 8

Buffer = bytes | bytearray | memoryview
Asked = TypeVar("Asked")


class Header(NamedTuple):
    """``struct nlmsghdr``."""

    length: int
    type: int
    flags: int
    seq: int
    portid: int


def header(message: Buffer) -> Header | None:
    """The header of the message at the start of ``message``; None if it is not whole."""
    if len(message) < _HEADER.size:
        return None
    found = Header._make(_HEADER.unpack_from(message))
    return found if _HEADER.size <= found.length <= len(message) else None


def split(datagram: Buffer) -> Iterator[tuple[Header, memoryview] | None]:
    """The messages of a datagram, each with its header; None and an end where one is not whole."""
    rest = memoryview(datagram)
    while rest:
        found = header(rest)
        if found is None:
            yield None
            return
        yield found, rest[: found.length]
        rest = rest[(found.length + 3) & ~3 :]


def error_of(message: Buffer) -> int:
    """The positive errno in an NLMSG_ERROR or NLMSG_DONE; 0 = none."""
    if len(message) < _HEADER.size + _ERROR.size:
        return 0
    code: int = _ERROR.unpack_from(message, _HEADER.size)[0]
    return -code if code < 0 else 0


@dataclass(slots=True)
class Request(Generic[Asked]):
    """A request in flight, and what its asker knows of it."""

    seq: int
    dump: bool
    asked: Asked
    heard_ns: int  # when it was sent, or its newest answer came
    torn: str = ""  # why entries may be missing or doubled; "" = none is
    error: int = 0  # errno it ended with

    @property
    def failure(self) -> str:
        """Why the answer is of no use, of one that is none or not complete."""
        if self.error:
            return errno.errorcode.get(self.error, f"errno {self.error}")
        return self.torn or "no answer"


class Exchange(Generic[Asked]):
    """Requests and their answers, by sequence number; of ``Asked`` it knows nothing.

    Conversations that speak the same protocol count from different numbers: a recording does not
    tell whose socket an answer came from. ``unreadable`` counts the messages that could not be
    read.
    """

    def __init__(self, first: int = 1) -> None:
        self.unreadable = 0
        self._seq = first - 1
        self._in_flight: dict[int, Request[Asked]] = {}

    @property
    def in_flight(self) -> tuple[Request[Asked], ...]:
        """The unanswered requests, oldest first; more than one only in a replay."""
        return tuple(self._in_flight.values())

    def stamp(self, message: bytes) -> bytes:
        """The message with the next sequence number, which is never 0: events have that one."""
        self._seq = self._seq % 0xFFFFFFFF + 1
        return message[:_SEQ_OFFSET] + struct.pack("=I", self._seq) + message[_SEQ_OFFSET + 4 :]

    def sent(self, seq: int, flags: int, asked: Asked, now: int) -> None:
        """A request left with this sequence number and these flags."""
        dump = flags & NLM_F_DUMP == NLM_F_DUMP
        self._in_flight[seq] = Request(seq, dump, asked, heard_ns=now)

    def part(self, seq: int, flags: int, now: int) -> Request[Asked] | None:
        """A message of an answer came; None if nothing in flight asked for it."""
        request = self._in_flight.get(seq)
        if request is not None:
            request.heard_ns = now
            _interrupt(request, flags)
        return request

    def end(self, seq: int, flags: int = 0, error: int = 0) -> Request[Asked] | None:
        """The answer is complete, or failed with ``error``: nothing more comes of it."""
        request = self._in_flight.pop(seq, None)
        if request is not None:
            _interrupt(request, flags)
            request.error = error
        return request

    def tear(self, why: str) -> None:
        """A message could not be read: whatever is being dumped may miss an entry."""
        self.unreadable += 1
        for request in self._in_flight.values():
            request.torn = request.torn or f"unreadable message: {why}"

    def summary(self) -> str:
        """What could not be read, for the log; "" = nothing."""
        return f"messages that could not be read: {self.unreadable}" if self.unreadable else ""

    def expired(self, now: int) -> list[Request[Asked]]:
        """Give up what was not answered in time."""
        late = [r for r in self._in_flight.values() if r.heard_ns + ANSWER_TIMEOUT_NS <= now]
        for request in late:
            del self._in_flight[request.seq]
        return late

    def deadline(self) -> int | None:
        """When the next request expires."""
        return min((r.heard_ns + ANSWER_TIMEOUT_NS for r in self._in_flight.values()), default=None)

    def forget(self) -> None:
        """Drop everything in flight; answers still to come are ignored."""
        self._in_flight.clear()


def _interrupt(request: Request[Asked], flags: int) -> None:
    if flags & NLM_F_DUMP_INTR and not request.torn:
        request.torn = INTERRUPTED


class Health:
    """Whether a source works, as far as its requests are answered."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tries: dict[Hashable, int] = {}
        self._failing: dict[Hashable, str] = {}
        self._said: str | None = None

    @property
    def failure(self) -> str | None:
        """What was said last."""
        return self._said

    @property
    def well(self) -> bool:
        """No look failed that did not succeed since."""
        return not self._tries

    def failed(self, subject: Hashable, what: str, why: str) -> list[SourceState]:
        """A look at ``subject``, called ``what``, failed or was torn."""
        self._tries[subject] = self._tries.get(subject, 0) + 1
        if self._tries[subject] < TRIES_BEFORE_FAILURE:
            return []
        self._failing[subject] = f"{what}: {why}"
        return self.say(next(iter(self._failing.values())))

    def succeeded(self, subject: Hashable) -> list[SourceState]:
        """A look at ``subject`` was answered, and completely."""
        self.forget(subject)
        return self.say(next(iter(self._failing.values()), None))

    def say(self, failure: str | None) -> list[SourceState]:
        """Report a failure, or its end, if it is news."""
        if failure == self._said:
            return []
        self._said = failure
        return [SourceState(self._source, failure)]

    def forget(self, subject: Hashable) -> None:
        """There is no such subject any more; what this changes is said with the next success."""
        self._tries.pop(subject, None)
        self._failing.pop(subject, None)

    def forget_all(self) -> None:
        """Begin again, without a word."""
        self._tries.clear()
        self._failing.clear()
