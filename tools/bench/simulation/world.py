"""A mesh in virtual time around a real table: who sends what when, and what the table is told."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from meshwatch.model import Change, InterfaceType
from meshwatch.observations import (
    AwaySeen,
    Beacon,
    BeaconSeen,
    Deaf,
    InterfaceSeen,
    LinkSeen,
    LookWanted,
    Observation,
    Poked,
    PokesPromised,
    ProbeAnswered,
    ProbeWanted,
    Settled,
    StationSeen,
    StationsSwept,
)
from meshwatch.table import Table
from tools.bench.simulation.agent import Agent
from tools.bench.simulation.air import MS, TU_NS
from tools.bench.simulation.ledger import Ledger
from tools.bench.simulation.neighbor import Neighbor, Radio
from tools.bench.simulation.path import Path
from tools.bench.simulation.setting import SECOND_NS, Form, Setting

BEGIN_NS = 1000 * SECOND_NS
MESH0, WIPHY = 3, 0
OURS = "02:00:00:00:00:00"
OUR_INTERVAL_NS = 1000 * TU_NS
LOOK_NS = 2 * MS  # from a question to the kernel's answer
NEWS_NS = 5 * MS  # from a change to the agent
CLAIM_NS = 2 * MS  # from the agent's datagram to the claim
PROMISED_NS, RENEWED_NS = 600 * SECOND_NS, 240 * SECOND_NS  # of the agent, that it pokes


class World:
    """Neighbors that are there from the beginning, and the table that watches them."""

    def __init__(self, setting: Setting, random: Random) -> None:
        self.setting = setting
        self.table = Table()
        self.ledger = Ledger()
        self.now = BEGIN_NS
        self.neighbors: dict[str, Neighbor] = {}
        self.doubts: list[str] = []  # neighbors whose silence was just found worth a probe
        self.stops_in_doubt = False  # ``run`` returns at each doubt
        self.unlucky: dict[str, int] = {}  # neighbors whose probes all fail, and how many did
        self._probed_ns: dict[str, int] = {}
        self._random = random
        self._radio = Radio()
        self._agent = Agent()
        self._agenda: list[tuple[int, int, Callable[[Any], bool], Any]] = []
        self._serial = 0
        self._stopped_until_ns = 0
        self._ticks_from_ns = 0
        self._idle_ticks = 0
        for number in range(setting.neighbors):
            address = f"02:00:00:00:{number + 1:02x}:00"
            self.neighbors[address] = Neighbor(address, setting, self._radio, random, self.now)
        self._paths = {a: Path(n, setting.tries) for a, n in self.neighbors.items()}
        self._beacons = {address: _beacon(setting.interval_tu) for address in self.neighbors}
        self._swept = StationsSwept(MESH0, frozenset(self.neighbors))
        for observation in (
            InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, WIPHY, OURS),
            LinkSeen(MESH0, "mesh0", True, True),
        ):
            self._observe(observation)
        self._poll(True)
        self._observe(Settled("nl80211"))
        if setting.frames_per_minute:
            for address in self.neighbors:
                self._await_frame(address)
        if setting.form is Form.BARE:
            self._promise(True)
        if setting.form is Form.TAP:
            self._observe(Settled("frames"))
            self._at(self.now, self._our_beacon, _beacon(1000))
            for neighbor in self.neighbors.values():
                self._at(neighbor.beacon_ns, self._beacon, neighbor)

    def run(self, until_ns: int) -> None:
        """Let time pass."""
        agenda = self._agenda
        while not (self.doubts and self.stops_in_doubt):
            due_ns = self.table.deadline()
            if due_ns is not None:
                due_ns = max(due_ns, self._ticks_from_ns)
            told = False
            while not told:  # the table is as it was, and due when it was
                next_ns = agenda[0][0]
                ticks = due_ns is not None and due_ns <= next_ns
                if (due_ns if due_ns is not None and ticks else next_ns) > until_ns:
                    self.now = until_ns
                    return
                if due_ns is not None and ticks:
                    self._tick(due_ns)
                    break
                self.now, _, action, argument = heappop(agenda)
                told = action(argument)

    # ---- what befalls us ---------------------------------------------------------------------

    def walk_away(self, span_ns: int) -> None:
        """We are out of everybody's range for so long, and do not know."""
        self._radio.leave(self.now, self.now + span_ns)

    def scan(self, span_ns: int) -> None:
        """Our radio leaves the channel, and says so."""
        self._radio.leave(self.now, self.now + span_ns)
        self._observe(AwaySeen(WIPHY, True))
        self._at(self.now + span_ns, self._observe, AwaySeen(WIPHY, False))

    def stop(self, span_ns: int, *, ticks_first: bool) -> None:
        """The daemon is stopped (SIGSTOP): the kernel hears on and keeps what is for us."""
        self._stopped_until_ns = self.now + span_ns
        self._ticks_from_ns = self._stopped_until_ns + (0 if ticks_first else 1)

    def suspend(self, span_ns: int) -> None:
        """Radio and daemon are off, and the daemon notices afterwards."""
        for source in ("nl80211", "frames" if self.setting.form is Form.TAP else "rtnetlink"):
            self._at(self.now + span_ns, self._observe, Deaf(source, self.now))
        self._radio.leave(self.now, self.now + span_ns)
        self.stop(span_ns, ticks_first=False)

    # ---- what happens ------------------------------------------------------------------------

    def _at(self, at_ns: int, action: Callable[[Any], bool], argument: object) -> None:
        self._serial += 1
        heappush(self._agenda, (at_ns, self._serial, action, argument))

    def _observe(self, observation: Observation) -> bool:
        """The daemon hands on an observation, as soon as it can."""
        if self.now < self._stopped_until_ns:
            self._at(self._stopped_until_ns, self._observe, observation)
            return False
        self._told(self.table.observe(observation, self.now))
        return True

    def _tick(self, due_ns: int) -> None:
        self._idle_ticks = self._idle_ticks + 1 if due_ns <= self.now else 0
        if self._idle_ticks > 1000:
            raise RuntimeError("the table is always due and nothing comes of it")
        self.now = max(due_ns, self.now)
        self._told(self.table.tick(self.now))

    def _told(self, changes: list[Change]) -> None:
        for change in changes:
            if change.news:
                about = self.neighbors.get(change.key.name)
                self.ledger.note(change, self.now, about.missed if about else 0)
                if self.setting.form is Form.BARE and self._agent.news(change):
                    self._at(self.now + NEWS_NS, self._poke, change.key.name)
        for question in self.table.questions():
            if isinstance(question, LookWanted):
                self.ledger.looks += 1
                self._at(self.now + LOOK_NS, self._look, question.address)
            elif isinstance(question, ProbeWanted) and self.setting.form is Form.TAP:
                self._wants_probe(question.address)

    def _poll(self, _: object) -> bool:
        """A dump; a stopped daemon asks for none."""
        next_ns = self.now + self.setting.poll_ns + int(2 * MS * self._random.random())
        if self.now < self._stopped_until_ns:
            next_ns = self._stopped_until_ns
        else:
            for address in self.neighbors:
                self._look(address)
            self._observe(self._swept)
        self._at(next_ns, self._poll, True)
        return True

    def _look(self, address: str) -> bool:
        station = self._neighbor(address).entry.told(self.now)
        return self._observe(StationSeen(MESH0, address, station))

    def _neighbor(self, address: str) -> Neighbor:
        """As it is now; without a tap nobody waits for its beacons one by one."""
        neighbor = self.neighbors[address]
        if self.setting.form is not Form.TAP:
            neighbor.beacons(self.now)
        return neighbor

    def _beacon(self, neighbor: Neighbor) -> bool:
        heard_ns = neighbor.beacon()
        if not neighbor.gone:
            self._at(neighbor.beacon_ns, self._beacon, neighbor)
        if heard_ns is None:
            return False
        address = neighbor.address
        return self._observe(BeaconSeen(MESH0, address, heard_ns, self._beacons[address]))

    def _await_frame(self, address: str) -> None:
        wait_minutes = self._random.expovariate(self.setting.frames_per_minute)
        self._at(self.now + int(wait_minutes * 60 * SECOND_NS), self._frame, address)

    def _frame(self, address: str) -> bool:
        self._neighbor(address).frame(self.now)
        self._await_frame(address)
        return False

    def _our_beacon(self, beacon: Beacon) -> bool:
        self._at(self.now + OUR_INTERVAL_NS, self._our_beacon, beacon)
        return self._observe(BeaconSeen(MESH0, OURS, self.now, beacon))

    def _wants_probe(self, address: str) -> None:
        self.ledger.asked(address, self.now)
        self._at(self.now, self._probe, address)
        if self.stops_in_doubt and self.neighbors[address].entry.life_ns >= self._probed_ns.get(
            address, 0
        ):
            self.doubts.append(address)
        self._probed_ns[address] = self.now

    def _probe(self, address: str) -> bool:
        lucky = address not in self.unlucky
        exchange = self._neighbor(address).exchange(self.now, self.setting.tries, lucky)
        if not lucky:
            self.unlucky[address] += 1
        answered_ns = exchange.ended_ns + 3 * MS + int(7 * MS * self._random.random())
        answer = ProbeAnswered(MESH0, address, exchange.acknowledged)
        self._at(answered_ns, self._observe, answer)
        return False

    def _promise(self, _: object) -> bool:
        self._at(self.now + RENEWED_NS, self._promise, True)
        return self._observe(PokesPromised(MESH0, PROMISED_NS))

    def _poke(self, address: str) -> bool:
        next_ns = self._agent.pokes(address, self.now)
        if next_ns is None:
            return False
        self.ledger.asked(address, self.now)
        self._at(next_ns, self._poke, address)
        self._at(self.now + CLAIM_NS, self._observe, Poked(MESH0, address))
        self._neighbor(address)
        for ask_ns in self._paths[address].datagram(self.now):
            self._at(ask_ns, self._ask, address)
        return False

    def _ask(self, address: str) -> bool:
        self._neighbor(address)
        self._paths[address].ask(self.now)
        return False


def _beacon(interval_tu: int) -> Beacon:
    return Beacon(
        interval_tu=interval_tu,
        mesh_id=b"simulated",
        path_protocol=1,
        path_metric=1,
        congestion_control=0,
        synchronization=1,
        authentication=0,
        peers=3,
        gate=False,
        authentication_server=False,
        accepting=True,
        forwarding=True,
        privacy=False,
        signal_dbm=-60,
    )
