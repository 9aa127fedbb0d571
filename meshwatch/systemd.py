"""What systemd wants to hear: readiness (sd_notify(3)) and log priorities (sd-daemon(3))."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


def notify(state: str) -> None:
    """Tell the service manager, if one asked for it; nothing happens otherwise."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in {"/", "@"}:
        return
    address = "\0" + path[1:] if path[0] == "@" else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, suppress(OSError):
        manager.connect(address)
        manager.send(state.encode())


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        # Each line of a message is an entry of its own to the journal.
        return "\n".join(priority + line for line in super().format(record).splitlines())


def log_to_stderr(level: int) -> None:
    """Log to standard error, with priorities if the journal listens there."""
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("meshwatch", "meshwatchd"):
        logging.getLogger(name).setLevel(level)
