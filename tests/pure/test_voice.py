"""A neighbor whose beacons fail, and whose radio acknowledges, is there while it sends anything."""

from __future__ import annotations

from meshwatch.model import Evidence, Plink, Proof
from meshwatch.observations import ProbeAnswered, ProbeWanted, StationSeen
from tests.pure.scenarios import MESH0, PEER, station
from tests.pure.tapped import EVERY_S, Air


class Collisions(Air):
    """After a minute no beacon of PEER gets through any more; all that we send it does."""

    def __init__(self) -> None:
        super().__init__()
        self._packets = 100
        self._life_s = 0.0
        self.began_s = self.met()
        self._life_s = self.began_s
        self.look(self.began_s)

    def look(self, at: float, plink: Plink = Plink.ESTAB, **fields: int) -> list[str]:
        life_s = max(self._life_s, self.last_s)
        inactive_ms = round((at - life_s) * 1000)
        seen = station(
            plink, inactive_ms=inactive_ms, rx_packets=self._packets, llid=1, plid=2, **fields
        )
        return self.at(at, StationSeen(MESH0, PEER, seen))

    def frame(self) -> None:
        """PEER sends a data frame to us now."""
        self._life_s = self.now_s
        self._packets += 1

    def foreign_beacon(self) -> None:
        """PEER sends a beacon of something else: counted by the kernel, but no sign of life."""
        self._packets += 1

    def run(self, seconds: float) -> list[str]:
        """Time passes; each second somebody looks, and each probe is acknowledged."""
        news: list[str] = []
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            step_s = min(0.1, end_s - self.now_s)
            news += self.wait(self.now_s + step_s)
            if any(isinstance(question, ProbeWanted) for _, question in self.asked):
                self._life_s = self.now_s  # to the kernel, that is life
                news += self.at(self.now_s, ProbeAnswered(MESH0, PEER, True))
            self.asked = []
            if round(self.now_s * 10) % 10 == 0:
                news += self.look(self.now_s)
        return news


def test_who_acknowledges_and_sends_nothing_has_left_the_mesh() -> None:
    air = Collisions()
    assert air.run(7 * EVERY_S) == []
    assert air.run(6 * EVERY_S) == ["removed silent"]


def test_its_departure_rests_on_the_time_without_frames_from_it() -> None:
    air = Collisions()
    while air.run(0.1) == []:
        pass
    change = air.removals[-1]
    silence_ms = round((air.now_s - air.began_s) * 1000)
    assert change.evidence is not None
    assert abs((change.evidence.silence_ms or 0) - silence_ms) <= 100
    assert change.evidence.missed is not None and change.evidence.missed >= 8
    assert change.evidence == Evidence(
        proof=Proof.PROBE,
        silence_ms=change.evidence.silence_ms,
        missed=change.evidence.missed,
    )


def test_who_sends_now_and_then_is_there() -> None:
    air = Collisions()
    for _ in range(100):
        assert air.run(3) == []
        air.frame()


def test_a_frame_brings_it_back() -> None:
    air = Collisions()
    assert air.run(20) == ["removed silent"]
    news = []
    for _ in range(10):
        air.frame()
        news += air.run(0.2)
    assert news == ["present returned"]


def test_what_the_kernel_counts_and_does_not_take_for_life_brings_nobody_back() -> None:
    """It counts the beacons of any network that uses the address."""
    air = Collisions()
    news = []
    for _ in range(200):
        air.foreign_beacon()
        news += air.run(0.1)
    assert news == ["removed silent"]
