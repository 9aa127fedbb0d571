"""Exit statuses of meshwatch(1)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the status says."""

    OK = 0
    NOBODY = 1  # there is no neighbor, or none that matches
    USAGE = 2
    NO_DAEMON = 3
    PROTOCOL = 4
    REFUSED = 5  # an act that was not done
