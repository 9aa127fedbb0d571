"""Says what fails, once until it works again."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Complaints:
    """What fails at present, and was logged; by the place where it fails."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def fails(self, where: str, what: str, error: OSError) -> None:
        """Log it, unless it failed there the last time as well."""
        if where not in self._failing:
            self._failing.add(where)
            log.warning("%s %s: %s", what, where, error.strerror or error)

    def works(self, where: str) -> None:
        """The next failure there is worth a line again."""
        self._failing.discard(where)
