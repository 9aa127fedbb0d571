"""Who is poked when: neighbors that fell silent, a few times each, within an account."""

from __future__ import annotations

from meshwatch.account import Account
from meshwatch.client import Neighbor, NeighborKey
from meshwatch.eui64 import LINK_LOCAL, derived
from meshwatch.model import Presence, Proof, Proximity

MOST_POKES = 3  # for one silence
BURST, PERIOD_NS = 3, 60_000_000_000  # for each neighbor
BURST_OF_ALL, PERIOD_OF_ALL_NS = 30, 1_000_000_000

TU_NS = 1_024_000  # time unit of IEEE 802.11: 1024 us
# A path that is not known is asked for in a broadcast, which gets lost, and after 100 TU again
# (net/mac80211/mesh_hwmp.c): closer together, all three would depend on the one.
LEAST_GAP_NS, MOST_GAP_NS = 40_000_000, 250_000_000

# A silence that somebody counted, and nobody asked about yet.
_PASSIVE = frozenset({Proof.LOOK, Proof.BEACON})


class _Silence:
    """One silence of a neighbor, and what is still to be done about it."""

    def __init__(self, neighbor: Neighbor, now: int) -> None:
        self.neighbor = neighbor
        self.left = MOST_POKES
        self.due_ns = now


class Schedule:
    """Makes pokes of what the daemon tells; ``now`` is in nanoseconds on CLOCK_MONOTONIC.

    A neighbor in radio range that becomes quiet because it was not heard is poked at once, and
    again after a gap, as long as it stays quiet. When an account is empty, that was the last poke
    of this silence: nobody waits for the account to fill.
    """

    def __init__(self) -> None:
        self._silences: dict[NeighborKey, _Silence] = {}
        self._done: set[NeighborKey] = set()  # still quiet, and poked as often as may be
        # One that comes and goes keeps its account; a full one is as good as none.
        self._accounts: dict[NeighborKey, Account] = {}
        self._account_of_all = Account(BURST_OF_ALL, PERIOD_OF_ALL_NS)

    def told(self, neighbor: Neighbor, now: int) -> None:
        """The neighbor came or changed."""
        key = _key(neighbor)
        if neighbor.presence is not Presence.QUIET:
            self.gone(neighbor)
        elif _unheard(neighbor) and key not in self._done and key not in self._silences:
            self._silences[key] = _Silence(neighbor, now)

    def gone(self, neighbor: Neighbor) -> None:
        """The neighbor left the table, or is not quiet any more."""
        key = _key(neighbor)
        self._done.discard(key)
        self._silences.pop(key, None)

    def clear(self) -> None:
        """The daemon went away: nobody would be told what the pokes draw."""
        self._done.clear()
        self._silences.clear()

    def due(self, now: int) -> list[Neighbor]:
        """Whom to poke now; that is paid for, and counts as done."""
        pokes = []
        for key, silence in list(self._silences.items()):
            if silence.due_ns > now:
                continue
            if self._spend(key, now):
                pokes.append(silence.neighbor)
                silence.left -= 1
                gap = gap_ns(silence.neighbor.readings.beacon_interval_tu)
                # What a poke is late by does not put off the last, if it is little.
                silence.due_ns = max(silence.due_ns + gap, now + gap * 3 // 4)
            else:
                silence.left = 0
            if not silence.left:
                del self._silences[key]
                self._done.add(key)
        return pokes

    def deadline(self) -> int | None:
        """When somebody is due next, or None."""
        return min((silence.due_ns for silence in self._silences.values()), default=None)

    def _spend(self, key: NeighborKey, now: int) -> bool:
        known = self._accounts.items()
        self._accounts = {key: account for key, account in known if account.full_ns() > now}
        account = self._accounts.get(key) or Account(BURST, PERIOD_NS)
        if max(account.ready_ns(), self._account_of_all.ready_ns()) > now:
            return False
        account.spend(now)
        self._account_of_all.spend(now)
        self._accounts[key] = account
        return True


def gap_ns(beacon_interval_tu: int | None) -> int:
    """Time between two pokes: a quarter of the beacon interval within bounds, and the least
    without one."""
    quarter_ns = (beacon_interval_tu or 0) * TU_NS // 4
    return max(LEAST_GAP_NS, min(quarter_ns, MOST_GAP_NS))


def link_local(address: str) -> str:
    """The IPv6 address that a station with this hardware address most likely has."""
    return derived(LINK_LOCAL, address)


def _unheard(neighbor: Neighbor) -> bool:
    evidence = neighbor.evidence
    return (
        neighbor.proximity == Proximity.DIRECT
        and evidence is not None
        and evidence.proof in _PASSIVE
    )


def _key(neighbor: Neighbor) -> NeighborKey:
    return NeighborKey(neighbor.ifindex, neighbor.address)
