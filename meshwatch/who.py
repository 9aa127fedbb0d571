"""Who a neighbor may be and where it is to be reached: what is published of it beside its link."""

from __future__ import annotations

from typing import NamedTuple

from meshwatch.model import Address, Claim, Clash, Presence


class Who(NamedTuple):
    """As it goes into the row; made anew only when something of it changes."""

    verified: tuple[Address, ...] = ()
    usable: tuple[Address, ...] = ()  # and the derived one, while no link-local one is verified
    name: str | None = None
    nick: str | None = None
    jid: str | None = None
    disputed: bool = False
    claims: tuple[Claim, ...] = ()
    clash: Clash | None = None

    def addresses(self, presence: Presence) -> tuple[Address, ...]:
        """Those of a neighbor with this presence: nothing is derived of one without a link."""
        return self.verified if presence is Presence.HEARD else self.usable


NOBODY = Who()
