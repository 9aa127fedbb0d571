"""What local programs say of one neighbor: a claim for each program, until its lifetime ends."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from meshwatch.model import Claim
from meshwatch.observations import ClaimMade

MOST_CLAIMS = 8  # of one neighbor
MOST_OF_ONE_USER = 4


class _Claimant(NamedTuple):
    uid: int
    name: str


class _Held(NamedTuple):
    claim: Claim
    expires_ns: int


class Claimed:
    """All claims of one neighbor since it came."""

    __slots__ = ("_held", "_names", "renamed")

    def __init__(self) -> None:
        self.renamed = False  # one claimant said two names, one after the other
        self._held: dict[_Claimant, _Held] = {}
        self._names: dict[_Claimant, str] = {}  # the last that each said, forgotten late

    def takes(self, uid: int, claimant: str) -> bool:
        """There is room for a claim of this claimant."""
        others = self._held.keys() - {_Claimant(uid, claimant)}
        of_this_user = sum(each.uid == uid for each in others)
        return len(others) < MOST_CLAIMS and of_this_user < MOST_OF_ONE_USER

    def make(self, made: ClaimMade, now: int) -> None:
        """Take a claim instead of the claimant's last one, or withdraw that."""
        claimant = _Claimant(made.uid, made.claimant)
        if made.lifetime_ns <= 0:
            self._held.pop(claimant, None)
            return
        if not self.takes(*claimant):
            return
        claim = Claim(
            claimant=made.claimant,
            uid=made.uid,
            name=made.name,
            nick=made.nick,
            jid=made.jid,
            fingerprint=made.fingerprint,
            verified=made.verified,
            claimed_ns=now,
            services=made.services,
        )
        old = self._held.get(claimant)
        if old is not None and replace(old.claim, claimed_ns=now) == claim:
            claim = old.claim  # said once more
        self._held[claimant] = _Held(claim, now + made.lifetime_ns)
        if claim.name is not None:
            self._note_name(claimant, folded(claim.name))

    def expire(self, now: int) -> None:
        """Forget what is older than its claimant wanted."""
        self._held = {who: held for who, held in self._held.items() if held.expires_ns > now}

    @property
    def expires_ns(self) -> int | None:
        """When the next claim ends."""
        return min((held.expires_ns for held in self._held.values()), default=None)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The newest first."""
        claims = [held.claim for held in self._held.values()]
        return tuple(sorted(claims, key=lambda each: (-each.claimed_ns, each.claimant, each.uid)))

    @property
    def names(self) -> frozenset[str]:
        """All names that are claimed, to be compared."""
        names = [held.claim.name for held in self._held.values()]
        return frozenset(folded(name) for name in names if name is not None)

    def _note_name(self, claimant: _Claimant, name: str) -> None:
        before = self._names.pop(claimant, name)
        self.renamed = self.renamed or before != name
        if len(self._names) >= MOST_CLAIMS:
            del self._names[next(iter(self._names))]
        self._names[claimant] = name


def folded(name: str) -> str:
    """A host name to be compared: case does not count (RFC 4343), nor does a final dot."""
    return name.casefold().removesuffix(".")


def best(claims: tuple[Claim, ...], word: str) -> str | None:
    """What to show: of the newest claim that its claimant calls verified, else of the newest."""
    said = [each for each in claims if getattr(each, word) is not None]
    chosen = next((each for each in said if each.verified), said[0] if said else None)
    told: str | None = getattr(chosen, word) if chosen else None
    return told
