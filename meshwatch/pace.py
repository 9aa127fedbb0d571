"""When to look at something again: slowly by itself, soon after a hint, later after a failure.

The policy for the stations of one interface:

* every second, while the interface is up and running; every 250 ms for 10 s after a hint;
* after a hint at 10, 50, 150 and 300 ms, and never more often than every 40 ms: the kernel's
  event comes with the first beacon, the link is established some 20 ms later, without a word;
* a peer that is heard without a link to us (LISTEN and the states of peering) and just came,
  returned from silence or changed its state is worth 10 s of looking every 250 ms, once a
  minute: the rejoin of a known peer has no event either. A neighbor that stays so for good
  (its table is full, its mesh is another) costs those 10 s once;
* among many stations, one that is new or worth quick looks is looked at alone instead, until the
  next dump is due (:mod:`meshwatch.watched`);
* while frames of peering pass, looks that nothing hinted at wait for 200 ms: a look at many takes
  as long as a link does to come up, and that one is looked at alone;
* a beacon that the kernel offers to a user-space peering manager is a hint once a minute and
  neighbor: without a manager that takes it, every beacon is offered;
* a look at many costs more and is made less often: quick ones show at most a hundred stations a
  second, those after hints a thousand, and those of every second all there are. Forged beacons
  make as many station entries as their sender likes, each with an event and a spell of its own;
* after a failed look, or a torn one, later and later.
"""

from __future__ import annotations

from meshwatch.model import Plink
from meshwatch.observations import Station, StationField

MS_NS = 1_000_000
POLL_NS = 1000 * MS_NS
QUICK_NS = 250 * MS_NS
QUICK_SPAN_NS = 10_000 * MS_NS
BURST_NS = (10 * MS_NS, 50 * MS_NS, 150 * MS_NS, 300 * MS_NS)
GAP_NS = 40 * MS_NS
WAIT_NS = 200 * MS_NS
QUICK_EACH_NS, GAP_EACH_NS = 10 * MS_NS, 1 * MS_NS  # for each station that a look shows
RETRY_NS = 50 * MS_NS

# Three beacons missed, at the default mesh beacon interval of 1000 TU, are a silence.
SILENT_MS = 3072
SPELL_REST_NS = 60_000 * MS_NS

# Plain numbers: arithmetic with enumerations would cost more than decoding the station.
_SETTLED = (int(Plink.ESTAB), int(Plink.BLOCKED))
_DESCRIBED = int(StationField.PLINK | StationField.INACTIVE_MS)


class Pace:
    """When one thing is due to be looked at; at once when new."""

    def __init__(
        self,
        now: int,
        burst_ns: tuple[int, ...] = BURST_NS,
        quick_span_ns: int = QUICK_SPAN_NS,
        quick_ns: int = QUICK_NS,
        gap_ns: int = GAP_NS,
    ) -> None:
        self.period_ns: int | None = None  # None: only after a hint
        self._offsets_ns = burst_ns
        self._quick_span_ns = quick_span_ns
        self._quickest_ns = self._quick_ns = quick_ns
        self._least_gap_ns = self._gap_ns = gap_ns
        self._burst: list[int] = [now]
        self.taken_ns: int | None = None  # the last look
        self._quick_since_ns = self._quick_until_ns = now
        self._not_before_ns = now
        self._busy_until_ns = now
        self._tries = 0

    def due(self) -> int | None:
        """When to look next; None = when a hint comes."""
        times = self._burst[:1]
        if self.period_ns is not None and self.taken_ns is not None:
            quick_ns = min(self._quick_ns, self.period_ns)
            quick = max(self.taken_ns, self._quick_since_ns) + quick_ns
            is_quick = quick <= self._quick_until_ns
            regular = quick if is_quick else self.taken_ns + self.period_ns
            times.append(max(regular, min(self._busy_until_ns, regular + WAIT_NS)))
        return max(min(times), self._not_before_ns) if times else None

    def is_due(self, now: int) -> bool:
        """Whether to look now."""
        due = self.due()
        return due is not None and due <= now

    def take(self, now: int) -> None:
        """A look is made now."""
        self._burst = [time for time in self._burst if time > now]
        self.taken_ns = now
        self._not_before_ns = max(self._not_before_ns, now + self._gap_ns)

    def hint(self, now: int) -> None:
        """Something may have changed. Hints upon hints do not put off the look for the first."""
        burst = [now + offset for offset in self._offsets_ns]
        self._burst = [min([burst[0], *self._burst[:1]]), *burst[1:]]
        self.quicken(now)

    def want(self, now: int) -> None:
        """Look as soon as that may be; nothing is thought to have changed."""
        self._burst = [now, *self._burst]

    def wait(self, now: int) -> None:
        """Something else has to be looked at in the next moment."""
        self._busy_until_ns = now + WAIT_NS

    def quicken(self, now: int) -> None:
        """Something is going on."""
        if now > self._quick_until_ns:
            self._quick_since_ns = now
        self._quick_until_ns = now + self._quick_span_ns

    def retry(self, now: int, limit_ns: int) -> None:
        """The look was of no use: look again, twice as late each time, up to the limit."""
        self._not_before_ns = now + min(RETRY_NS << min(self._tries, 20), limit_ns)
        self._tries += 1
        self._burst = self._burst or [now]

    def succeeded(self, stations: int = 0) -> None:
        """The look was complete, and showed so many."""
        self._tries = 0
        self._quick_ns = max(self._quickest_ns, stations * QUICK_EACH_NS)
        self._gap_ns = max(self._least_gap_ns, stations * GAP_EACH_NS)


class Spells:
    """Which neighbors of an interface without a link to us are worth quick looks now."""

    def __init__(self) -> None:
        self._signs: dict[str, tuple[int, int, int]] = {}  # plink, inactive_ms, when seen
        self._begun: dict[str, int] = {}  # when a neighbor last was worth it
        self._candidates: dict[str, int] = {}

    def begins(self, address: str, station: Station, now: int) -> bool:
        """A look showed this station: whether that begins ten seconds of quick looks."""
        if station.present & _DESCRIBED != _DESCRIBED:
            return False
        plink, inactive_ms = station.plink, station.inactive_ms
        last = self._signs.get(address)
        self._signs[address] = plink, inactive_ms, now
        if plink in _SETTLED:
            return False
        if last is None:
            news = inactive_ms < SILENT_MS
        else:
            last_plink, last_inactive_ms, seen_ns = last
            heard = inactive_ms * MS_NS < now - seen_ns
            news = heard and (plink != last_plink or last_inactive_ms >= SILENT_MS)
        begun = self._begun.get(address)
        if not news or (begun is not None and now - begun < SPELL_REST_NS):
            return False
        self._begun[address] = now
        return True

    def is_new_candidate(self, address: str, now: int) -> bool:
        """A beacon of this neighbor was offered: whether for the first time in a minute."""
        last = self._candidates.get(address)
        if last is not None and now - last < SPELL_REST_NS:
            return False
        self._candidates.pop(address, None)  # the newest stand last
        self._candidates[address] = now
        oldest = next(iter(self._candidates))
        if now - self._candidates[oldest] >= SPELL_REST_NS:
            del self._candidates[oldest]
        return True

    def keep(self, addresses: frozenset[str]) -> None:
        """Forget all others."""
        if self._signs.keys() != addresses:
            self._signs = {a: sign for a, sign in self._signs.items() if a in addresses}
            self._begun = {a: begun for a, begun in self._begun.items() if a in addresses}
