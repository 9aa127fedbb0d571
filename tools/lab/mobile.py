"""What every machine of the lab is, whether its air is a bridge or a radio's."""

from __future__ import annotations

from typing import Protocol


class Mobile(Protocol):
    """A machine with mesh0, which can be carried into radio range and out of it."""

    address: str  # hardware address of mesh0
    link_local: str

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command, to be run on this machine."""

    def enter(self) -> None:
        """Come into radio range."""

    def leave(self) -> None:
        """Go out of radio range; no program is told."""
