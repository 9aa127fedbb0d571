"""Copies what the pumps hear and say into a recording; a full disk ends it, not the daemon."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from meshwatch import __version__
from meshwatch.observations import Tapped
from meshwatch.recording import RecordingFailed, Writer

log = logging.getLogger(__name__)


class Tee:
    """A recording that may fail; ``on_failure`` is told why, once.

    ``interfaces`` are the only ones that are looked at, if not all are. Raises RecordingFailed
    when the file cannot be begun.
    """

    def __init__(
        self,
        path: Path,
        wall_offset_ns: int,
        interfaces: Collection[str] | None,
        on_failure: Callable[[str], None],
    ) -> None:
        self._on_failure = on_failure
        self._writer: Writer | None = Writer(
            path,
            release=__version__,
            kernel=os.uname().release,
            wall_offset_ns=wall_offset_ns,
            interfaces=interfaces,
        )

    def received(self, protocol: int, data: memoryview, now: int) -> None:
        """One datagram from the kernel."""
        self._try(lambda writer: writer.received(protocol, data, now))

    def sent(self, protocol: int, request: bytes, now: int) -> None:
        """One request to the kernel."""
        self._try(lambda writer: writer.sent(protocol, request, now))

    def lost(self, protocol: int, now: int) -> None:
        """Datagrams were lost here."""
        self._try(lambda writer: writer.lost(protocol, now))

    def received_frame(self, monitor: Tapped, frame: memoryview, now: int) -> None:
        """One frame that an interface heard at ``now``."""
        self._try(lambda writer: writer.received_frame(monitor, frame, now))

    def sent_frame(self, monitor: Tapped, frame: bytes, now: int) -> None:
        """One frame handed to an interface."""
        self._try(lambda writer: writer.sent_frame(monitor, frame, now))

    def lost_frames(self, monitor: Tapped, now: int) -> None:
        """Frames of an interface were lost here."""
        self._try(lambda writer: writer.lost_frames(monitor, now))

    def close(self) -> None:
        """End the recording."""
        self._try(Writer.close)
        self._writer = None

    def _try(self, write: Callable[[Writer], None]) -> None:
        if self._writer is None:
            return
        try:
            write(self._writer)
        except RecordingFailed as error:
            writer, self._writer = self._writer, None
            with suppress(RecordingFailed):
                writer.close()
            log.error("the recording ended: %s", error)
            self._on_failure(f"the recording ended: {error}")
