"""Hears what somebody says line by line, or looks what they do, and waits for one thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

DEADLINE_S = 30
LOOK_INTERVAL_S = 0.02
Event = dict[str, Any]


def until(
    condition: Callable[[], bool], seconds: float = DEADLINE_S, every_s: float = LOOK_INTERVAL_S
) -> None:
    """Wait for what nobody tells of, but files show."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        pause.wait(every_s)


class Listener:
    """A thread that reads; each event has ``at``, a time on the monotonic clock in s."""

    def __init__(self, who: str, lines: Iterable[str], understand: Callable[[str], Event]) -> None:
        self.who = who
        self.events: list[Event] = []
        self._lines = lines
        self._understand = understand
        self._more = threading.Condition()
        self._passed = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._lines:
            event = self._understand(line)
            with self._more:
                self.events.append(event)
                self._more.notify_all()

    def wait(self, wanted: Callable[[Event], bool], seconds: float = DEADLINE_S) -> Event:
        """The next event that is wanted; others before it are passed over."""
        with self._more:
            place = self._place(self._passed, wanted, seconds)
            self._passed = place + 1
            return self.events[place]

    def find(
        self, wanted: Callable[[Event], bool], since: float, seconds: float = DEADLINE_S
    ) -> Event:
        """The first event since then that is wanted, also if it was passed over already."""
        with self._more:
            place = self._place(0, lambda e: e["at"] >= since and wanted(e), seconds)
            return self.events[place]

    def _place(self, start: int, wanted: Callable[[Event], bool], seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while True:
            for place in range(start, len(self.events)):
                if wanted(self.events[place]):
                    return place
            start = len(self.events)
            if not self._more.wait(max(deadline - time.monotonic(), 0)):
                shown = self.events[-5:]
                raise TimeoutError(f"{self.who} did not say that; last was {shown}")

    def join(self) -> None:
        """Wait for the end of what is said."""
        self._reader.join()
