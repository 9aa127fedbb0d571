"""A story with a tap, and questions that are answered as the kernel would."""

from __future__ import annotations

from msgspec.structs import replace

from meshwatch.model import Plink
from meshwatch.observations import (
    AddressWanted,
    Beacon,
    BeaconSeen,
    LinkSeen,
    LookWanted,
    ProbeAnswered,
    ProbeWanted,
    Question,
    StationSeen,
)
from tests.pure.scenarios import MESH0, MS, PEER, SECOND, Story, station

OWN = "02:00:00:00:00:00"
BEACON = Beacon(
    interval_tu=1000, mesh_id=b"classroom", path_protocol=1, path_metric=1, congestion_control=0,
    synchronization=1, authentication=0, peers=1, gate=False, authentication_server=False,
    accepting=True, forwarding=True, privacy=False, signal_dbm=-40,
)  # fmt: skip
EVERY_S = 1.024


class Air(Story):
    """A story with a tap: PEER's beacons come, and questions are collected."""

    def __init__(self, *, tells: bool = True) -> None:
        """``tells``: the driver says what becomes of a frame, and PEER acknowledges the first."""
        super().__init__()
        self._tells = tells
        self.trials = 0
        self.last_s = 0.0
        self.now_s = 0.0
        self.asked: list[tuple[float, Question]] = []

    def beacon(self, at: float, beacon: Beacon = BEACON, address: str = PEER) -> list[str]:
        news = self.wait(at)
        if address == OWN:
            beacon = replace(beacon, signal_dbm=None)
        self.last_s = at if address == PEER else self.last_s
        return news + self.at(at, BeaconSeen(MESH0, address, round(at * 1000) * MS, beacon))

    def wait(self, until: float) -> list[str]:
        """Time passes; whatever is due is done, and looks are answered as the kernel would."""
        news: list[str] = []
        while (due := self.table.deadline()) is not None and due <= until * SECOND:
            self.now_s = max(self.now_s, due / SECOND)
            news += self.at(self.now_s)
            for question in self.table.questions():
                if isinstance(question, AddressWanted):
                    continue
                if self._tells and isinstance(question, ProbeWanted) and not self.trials:
                    self.trials += 1
                    news += self.at(self.now_s, ProbeAnswered(MESH0, PEER, True))
                    continue
                self.asked.append((round(self.now_s - self.last_s, 3), question))
                if isinstance(question, LookWanted):
                    news += self.look(self.now_s)
        self.now_s = until
        return news

    def look(self, at: float, plink: Plink = Plink.ESTAB, **fields: int) -> list[str]:
        """The kernel describes PEER, as its last beacon leaves it but for these fields."""
        linked = {"llid": 1, "plid": 2} if plink is Plink.ESTAB else {}
        fields = {"inactive_ms": round((at - self.last_s) * 1000), **linked, **fields}
        seen = station(plink, **fields)
        return self.at(at, StationSeen(MESH0, PEER, seen))

    def join(self, running: bool) -> list[str]:
        """Our interface joins a mesh or leaves it."""
        return self.at(self.now_s, LinkSeen(MESH0, "mesh0", True, running))

    def met(self, seconds: int = 60) -> float:
        """A good neighbor for so long; when its last beacon came."""
        self.beacon(1)
        self.beacon(2.024)
        self.look(2.03)
        for number in range(1, seconds):
            self.beacon(2.024 + number * EVERY_S)
        return self.last_s

    def refused(self, times: int) -> list[str]:
        """Probes, as long as they are wanted, are not acknowledged."""
        news = []
        for _ in range(times):
            while not any(isinstance(q, ProbeWanted) for _, q in self.asked):
                due = self.table.deadline()
                assert due is not None
                news += self.wait(due / SECOND)
            self.asked = []
            news += self.at(self.now_s + 0.005, ProbeAnswered(MESH0, PEER, False))
            self.now_s += 0.005
        return news
