"""Who is on the air and who is peered with whom, derived from frames alone.

The rules. Clauses are IEEE Std 802.11-2016's.

1. A *station* is whoever has sent a mesh beacon or a peering frame. Every frame that names its
   sender is a sign of its life. Acknowledgements name nobody; but a radio that captures its own
   traffic shows of whom it got one, which is a sign of life, too.
2. A station is *silent* when it sends nothing for n of its beacon intervals (n is an argument).
   The silence begins with its last frame. Its interval is the one that most of its beacons
   claimed so far, 1000 TU before the first one.
3. A peering frame *arrived* if its sender got an acknowledgement. A radio that captures its own
   traffic shows its own frames with their result, and others' frames only if they arrived. In a
   capture with neither, everything arrived.
4. Each of two stations has its own *side* of their link (14.3.4). It is established when the
   station has sent a Confirm, has got the other's Confirm, and both name the same two link ids.
   A link is established when both sides are.
5. A side ends when its station sends a Close, or gets one from the other, whatever ids it names:
   that is how mesh_plink_get_event() in Linux's net/mac80211/mesh_plink.c takes it. It also ends
   when its station sends an Open with another link id: it was restarted and forgot the link.
6. A side is *unknown* until its station sends an Open or Confirm to the other, sends or gets a
   Close, or counts no peers at all in a beacon: links may be older than the capture.
7. In a simulated air a frame counts for an observer only if it was within reach then.
8. A side that its user closed without a word (`plink_action block`) ends when that was done, which
   has to be told beside the frames.

What frames cannot tell is who really sent them. A forged beacon is a sign of life; a forged Close
ends a link indeed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from tools.harness.blocks import Block
from tools.harness.capture import Frame
from tools.harness.dissect import Beacon, Peering, Said, dissect
from tools.harness.layers import CLOSE, CONFIRM, OPEN
from tools.harness.reach import Reach

TU_NS = 1_024_000
USUAL_INTERVAL_TU = 1000
# An acknowledgement follows within microseconds; an emulated machine may need a while to show it.
ACKNOWLEDGED_WITHIN_NS = 100_000_000


class Ids(NamedTuple):
    """The two ids of a link, as one of its sides says them."""

    llid: int
    plid: int


class Side:
    """What one station can know of its link with another.

    ``changes`` are the times at which it became established (with its ids) or ended (None); so did
    perhaps, with the first Close, one that is older than the capture.
    ``known_ns`` is when its state became known, None until then.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[int, Ids | None]] = []
        self.known_ns: int | None = None
        self._said: Ids | None = None
        self._got: Ids | None = None

    def opens(self, llid: int, now: int) -> None:
        """Its station sent an Open."""
        self._know(now)
        if self._said is not None and self._said.llid != llid:
            self._end(now)

    def confirms(self, ids: Ids, now: int) -> None:
        """Its station sent a Confirm."""
        self._know(now)
        self._said = ids
        self._judge(now)

    def confirmed(self, ids: Ids, now: int) -> None:
        """The other's Confirm arrived; ``ids`` as this side says them."""
        self._got = ids
        self._judge(now)

    def closed(self, now: int) -> None:
        """Its station sent a Close, or got one."""
        if self.known_ns is None:
            self.changes.append((now, None))
        self._know(now)
        self._end(now)

    def at(self, time_ns: int) -> Ids | None:
        """The ids of the established link at this time, None if there was none."""
        ids = None
        for since_ns, changed in self.changes:
            if since_ns <= time_ns:
                ids = changed
        return ids

    def _know(self, now: int) -> None:
        if self.known_ns is None:
            self.known_ns = now

    def _judge(self, now: int) -> None:
        if self._said == self._got and (not self.changes or self.changes[-1][1] != self._said):
            self.changes.append((now, self._said))

    def _end(self, now: int) -> None:
        self._said = self._got = None
        if self.changes and self.changes[-1][1] is not None:
            self.changes.append((now, None))


class Station:
    """One transmitter. ``lives`` are the times of its frames, ascending."""

    def __init__(self) -> None:
        self.lives: list[int] = []
        self.mesh = False  # it sent a mesh beacon or a peering frame
        self.mesh_id: bytes | None = None
        self.alone_ns: int | None = None  # its first beacon that counted no peers
        self._claims: Counter[int] = Counter()
        self._intervals: list[tuple[int, int]] = []

    def beacons(self, beacon: Beacon, now: int) -> None:
        """It sent a mesh beacon."""
        self.mesh, self.mesh_id = True, beacon.mesh_id
        if beacon.peerings == 0 and self.alone_ns is None:
            self.alone_ns = now
        self._claims[beacon.interval_tu or USUAL_INTERVAL_TU] += 1
        interval_ns = self._claims.most_common(1)[0][0] * TU_NS
        if not self._intervals or self._intervals[-1][1] != interval_ns:
            self._intervals.append((now, interval_ns))

    def interval_ns(self, time_ns: int) -> int:
        """Its beacon interval as of this time."""
        interval_ns = USUAL_INTERVAL_TU * TU_NS
        for since_ns, changed_ns in self._intervals:
            if since_ns <= time_ns:
                interval_ns = changed_ns
        return interval_ns


class Air:
    """The frames of one capture, understood by the rules above."""

    def __init__(
        self, frames: Iterable[Frame], reach: Reach | None = None, blocks: Iterable[Block] = ()
    ) -> None:
        self.reach = reach
        self.stations: dict[str, Station] = defaultdict(Station)
        self.sides: dict[tuple[str, str], Side] = defaultdict(Side)
        self._awaiting: dict[str, list[Said]] = defaultdict(list)
        said = [one for frame in frames if (one := dissect(frame)) is not None]
        # Two processors of a guest may hand over their frames in another order than they came.
        said.sort(key=lambda one: one.time_ns)
        self.begin_ns, self.end_ns = (said[0].time_ns, said[-1].time_ns) if said else (0, 0)
        self._ours = {one.sender for one in said if one.by_us}
        self._acknowledged = not self._ours and any(one.acknowledges for one in said)
        happened: list[Said | Block] = [*said, *blocks]
        happened.sort(key=lambda one: one.time_ns)
        for event in happened:
            if isinstance(event, Block):
                self.sides[event.station, event.other].closed(event.time_ns)
            else:
                self._hear(event)

    def peered(self, one: str, other: str, time_ns: int) -> bool:
        """Whether the link between the two was established at this time: both sides of it."""
        return None not in (self.side(one, other).at(time_ns), self.side(other, one).at(time_ns))

    def side(self, station: str, other: str) -> Side:
        """A station's side of its link with the other."""
        return self.sides.get((station, other)) or Side()

    def known_ns(self, station: str, other: str) -> int | None:
        """From when on it is known whether the station's side is established."""
        times = [self.side(station, other).known_ns]
        if station in self.stations:
            times.append(self.stations[station].alone_ns)
        return min((time for time in times if time is not None), default=None)

    def lives(self, station: str, observer: str) -> list[int]:
        """When the observer could hear the station send something."""
        times = self.stations[station].lives if station in self.stations else []
        if self.reach is None:
            return times
        return [time_ns for time_ns in times if self.reach.hears(observer, station, time_ns)]

    def _hear(self, one: Said) -> None:
        if one.sender is None:
            if one.acknowledges:
                self._acknowledge(one)
            return
        station = self.stations[one.sender]
        station.lives.append(one.time_ns)
        if isinstance(one.body, Beacon):
            station.beacons(one.body, one.time_ns)
        if isinstance(one.body, Peering) and not one.group:
            station.mesh = True
            self._sent(one, one.body)
        if self._acknowledged:
            if not one.group:
                self._awaiting[one.sender].append(one)
        elif not one.failed:
            if one.by_us and not one.group:
                self.stations[one.receiver].lives.append(one.time_ns)
            self._arrived(one, one.time_ns)

    def _acknowledge(self, acknowledgement: Said) -> None:
        """The newest frame of its receiver arrived: two may be under way from two processors."""
        waiting = self._awaiting[acknowledgement.receiver]
        horizon_ns = acknowledgement.time_ns - ACKNOWLEDGED_WITHIN_NS
        waiting[:] = [one for one in waiting if one.time_ns > horizon_ns]
        if waiting:
            newest = waiting.pop()
            self._arrived(newest, newest.time_ns)

    def _sent(self, one: Said, body: Peering) -> None:
        assert one.sender is not None
        side = self.sides[one.sender, one.receiver]
        if body.action == OPEN:
            side.opens(body.llid, one.time_ns)
        elif body.action == CONFIRM and body.plid is not None:
            side.confirms(Ids(body.llid, body.plid), one.time_ns)
        elif body.action == CLOSE:
            side.closed(one.time_ns)

    def _arrived(self, one: Said, now: int) -> None:
        if not isinstance(one.body, Peering) or one.group or one.sender is None:
            return
        side = self.sides[one.receiver, one.sender]
        if one.body.action == CONFIRM and one.body.plid is not None:
            side.confirmed(Ids(one.body.plid, one.body.llid), now)
        elif one.body.action == CLOSE:
            side.closed(now)
