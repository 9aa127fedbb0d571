"""Prints how soon it is known that a neighbor came, went, vanished and returned, by whom.

    python -m tools.bench.presence [--kernel 6.12] [--interval 100] [--loss 0.2] [--neighbors 20]
                                   [--rounds 2]

One machine, one run, side by side: radios 0 to 3 belong to those who want to know, the others to as
many neighbors, to each of whom everything happens once, or in each of some rounds: nobody walks
away every minute, and what meshwatch spends on a neighbor is limited by the minute. Those who want
to know have a radio each, since what one does (probing, poking) shows in the counters of its
station entries. All of them wake at the same event and share an emulated machine; --alone leaves
one form of the daemon.

All times are CLOCK_MONOTONIC of the guest; the truth is what hwsim0, which hears every
transmission, showed: the last Confirm, the Close, the last beacon, the first one. With loss, when
a beacon was last received is only known to who received it: then the silence counts that the
verdict itself names, and "-" is what cannot be told. "never": he did not come to know it before the
next thing happened to the neighbor; who is not waited for (iw event, the slow poller) may have had
too little time. The machine is emulated: on a real one everything but the waiting is faster.
"""

from __future__ import annotations

import argparse
import re
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.kernel.lab import PYTHON, Daemon, Lab, until
from tools.bench.guest.compiled import compiled
from tools.harness import capture
from tools.lab.delays import TU_S, Event, Knower, Verdict, address, read_air, report
from tools.lab.sent import sent
from tools.vm.air import Air
from tools.vm.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
POLLER = ROOT / "tools/bench/guest/poller.py"
CAPTURE = ROOT / "tools/harness/guest_capture.py"
OBSERVERS = 4
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs")
UNPRIVILEGED = (*AS_NOBODY, "--inh-caps=-all", "--bounding-set=-all")
WITH_NET_RAW = (
    *AS_NOBODY,
    *("--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw"),
)  # fmt: skip
PATIENCE_S = 30.0


def news(daemon: Daemon, neighbor: str) -> list[Verdict]:
    """What a daemon told of a neighbor."""
    words = {"present": "here", "quiet": "quiet", "heard": "gone"}
    said = []
    for line in daemon.lines():
        row = line.get("neighbor")
        if isinstance(row, dict) and row["address"] == neighbor:
            gone = line["class"] == "removed"
            silence_ms = line["evidence"].get("silence_ms") if gone else None
            silence_s = silence_ms / 1e3 if silence_ms is not None else None
            word = "gone" if gone else words[row["presence"]]
            said.append(Verdict(line["at"], word, silence_s))
    return said


def events(text: str, neighbor: str) -> list[Verdict]:
    """What `iw event` told of a neighbor."""
    found = re.findall(rf"([\d.]+) .*mesh3.*: (new|del) station {neighbor}", text)
    return [Verdict(float(at), "here" if what == "new" else "gone") for at, what in found]


def polled(text: str, neighbor: str) -> list[Verdict]:
    """What a poller made of it."""
    lines = (line.split() for line in text.splitlines())
    return [Verdict(float(at), word) for at, who, word in lines if who == neighbor]


class Bench:
    """The guest with everybody in it."""

    def __init__(
        self, machine: Machine, interval_tu: int, neighbors: int, alone: str | None
    ) -> None:
        self.lab = Lab(machine)
        self._machine = machine
        self.neighbors = range(OBSERVERS, OBSERVERS + neighbors)
        # All hear each other. Did each of them repeat what is sent to all, as they would, the
        # emulated machine had more frames to deliver than it has memory for.
        words = f"freq 2412 beacon-interval {interval_tu} mesh_fwding=0"
        self._join = f"mesh join classroom {words}"
        self.lab.make_meshes(OBSERVERS)
        phys = self.lab.radios()
        self.lab.sh(
            f"iw phy {phys[0]} interface add mon0 type monitor; ip link set mon0 up\n"
            "ip link set hwsim0 up; ip netns add away\n"
            "for f in tap bare poke; do mkdir -p /run/meshwatch-$f; "
            "chown nobody /run/meshwatch-$f; done\n"
            + "".join(
                f"iw dev wlan{i} del || true; iw phy {phys[i]} set netns name away\n"
                f"ip netns exec away iw phy {phys[i]} interface add mesh{i} type mp\n"
                f"ip netns exec away ip link set mesh{i} up\n"
                f"echo 1 > /sys/kernel/debug/ieee80211/{phys[i]}/hwsim/group\n"
                for i in self.neighbors
            ),
            timeout_s=120,
        )
        self._phys = phys
        self._capture = machine.spawn(
            ["python3", str(CAPTURE), "hwsim0", str(machine.output / "air.pcap")], log="air.log"
        )
        forms = {"tap": self._tap, "bare": self._bare, "bare+poke": self._poke}
        self.knowers = [
            Knower(name, address(observer), partial(news, form()))
            for observer, (name, form) in enumerate(forms.items())
            if alone in {None, name}
        ]
        if alone is None:
            self._add_others(interval_tu)

    def _tap(self) -> Daemon:
        return self._daemon("tap", "mesh0", prefix=WITH_NET_RAW)

    def _bare(self) -> Daemon:
        return self._daemon("bare", "mesh1", "--no-tap")

    def _poke(self) -> Daemon:
        daemon = self._daemon("poke", "mesh2", "--no-tap")
        self._machine.spawn(
            [*UNPRIVILEGED, PYTHON, "-m", "meshwatch.cli", "--runtime-directory",
             daemon.runtime_directory, "agent", "--no-names", "--no-hooks"], log="agent.log",
        )  # fmt: skip
        return daemon

    def _daemon(
        self, name: str, interface: str, *words: str, prefix: tuple[str, ...] = UNPRIVILEGED
    ) -> Daemon:
        daemon = Daemon(self._machine, name, "--interface", interface, *words, prefix=prefix)
        daemon.await_ready()
        return daemon

    def _add_others(self, interval_tu: int) -> None:
        machine = self._machine
        event = machine.spawn(f"iw event -t | {compiled('stamp')}", log="event.log")
        gone_ms = str(round(8 * interval_tu * TU_S * 1e3))
        every_s = machine.spawn(["python3", str(POLLER), "mesh3", "1", gone_ms], log="p1.log")
        every_10_s = machine.spawn(["python3", str(POLLER), "mesh3", "10", gone_ms], log="p10.log")
        self.knowers += [
            Knower("iw event", address(3), lambda who: events(event.output, who), waited=False),
            Knower("poll 1 s", address(3), lambda who: polled(every_s.output, who)),
            Knower(
                "poll 10 s", address(3), lambda who: polled(every_10_s.output, who), waited=False
            ),
        ]

    def clock(self) -> float:
        """CLOCK_MONOTONIC of the guest, to 10 ms."""
        return float(self.lab.sh("cut -d' ' -f1 /proc/uptime"))

    def join(self) -> None:
        """Those who want to know join."""
        self.lab.sh("".join(f"iw dev mesh{i} {self._join}\n" for i in range(OBSERVERS)))

    def neighbor(self, index: int, command: str) -> None:
        """A neighbor joins or leaves."""
        what = self._join if command == "join" else "mesh leave"
        self.lab.sh(f"ip netns exec away iw dev mesh{index} {what}")

    def reach(self, index: int, group: int) -> float:
        """A neighbor walks away, or back; since when."""
        switch = f"/sys/kernel/debug/ieee80211/{self._phys[index]}/hwsim/group"
        said = self.lab.sh(f"echo {group} > {switch}; read now _ </proc/uptime; echo $now")
        return float(said)

    def known(self, index: int, since: float, word: str, within_s: float) -> None:
        """Wait until those who are waited for said this word since then."""
        waited = [knower for knower in self.knowers if knower.waited]
        deadline = time.monotonic() + within_s

        def all_said() -> bool:
            return time.monotonic() > deadline or all(
                any(v.at >= since and v.word == word for v in knower.said(address(index)))
                for knower in waited
            )

        until(all_said, within_s + 5, lambda: "")

    def stop(self) -> None:
        """End the capture, so that all of it is in the file."""
        self._capture.kill(signal.SIGTERM)
        self._capture.wait(30)


def meet(bench: Bench, events: list[Event], rounds: int) -> None:
    """Every neighbor joins; then every one leaves and joins again, in each round."""
    for index in bench.neighbors:
        events.append(done(bench, "established", index, "here"))
    for index in [*bench.neighbors] * rounds:
        events.append(done(bench, "closed", index, "gone"))
        events.append(done(bench, "re-established", index, "here"))


def done(bench: Bench, kind: str, index: int, word: str) -> Event:
    """A neighbor joins or leaves."""
    began = bench.clock() - 0.01
    bench.neighbor(index, "join" if word == "here" else "leave")
    bench.known(index, began, word, 10)
    return Event(kind, index, began, bench.clock(), word)


def vanish(
    bench: Bench, events: list[Event], move: Callable[[int, bool], float], warm_up_s: float
) -> None:
    """One neighbor after the other walks away, and comes back: a round."""
    time.sleep(warm_up_s)  # as long as it takes to know how the neighbors usually are
    for index in bench.neighbors:
        began = bench.clock()
        moved = move(index, True)
        bench.known(index, began, "gone", PATIENCE_S)
        ended = bench.clock()
        events.append(Event("vanished", index, began, ended, "gone", moved))
        moved = move(index, False)
        bench.known(index, ended, "here", PATIENCE_S)
        events.append(Event("returned", index, ended, bench.clock(), "here", moved))
        time.sleep(0.37 * (index % 5))  # at another phase of the beacons each time


def report_sent(path: Path, knowers: list[Knower]) -> None:
    """What each put on the air of its own accord."""
    frames = list(capture.read(path))
    span_s = (frames[-1].time_ns - frames[0].time_ns) / 1e9
    for radio in sorted({knower.address for knower in knowers}):
        names = ", ".join(knower.name for knower in knowers if knower.address == radio)
        print(f"{names}: {sent(frames, radio).per_hour(span_s)}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--kernel", default="6.1")
    arguments.add_argument("--interval", type=int, default=1000, metavar="TU")
    arguments.add_argument("--loss", type=float, default=0.0)
    arguments.add_argument("--neighbors", type=int, default=20)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument(
        "--warm-up", type=float, default=60.0, metavar="S", help="before each round"
    )
    arguments.add_argument("--alone", choices=("tap", "bare", "bare+poke"), help="only this form")
    arguments.add_argument("--memory", type=int, default=3072, metavar="MIB", help="of the guest")
    options = arguments.parse_args()
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    events: list[Event] = []
    radios = OBSERVERS + options.neighbors
    machine = Machine(
        kernel=options.kernel, radios=radios, memory_mib=options.memory, output=output
    )
    with machine, ExitStack() as stack:
        bench = Bench(machine, options.interval, options.neighbors, options.alone)
        bench.join()
        meet(bench, events, options.rounds)
        medium = stack.enter_context(Air(machine, seed=1)) if options.loss else None
        if medium:
            medium.link("*", "*", loss=options.loss)

        def move(index: int, away: bool) -> float:
            if medium is None:
                return bench.reach(index, 2 if away else 1)
            medium.link(index, "*", loss=1.0 if away else options.loss)
            return bench.clock()

        for _ in range(options.rounds):
            vanish(bench, events, move, options.warm_up)
        bench.stop()
        air = read_air(output / "air.pcap")
        print(
            f"kernel {machine.release}, beacon interval {options.interval} TU, "
            f"loss {options.loss:.0%}, {options.neighbors} neighbors, {options.rounds} rounds"
        )
        report(events, air, bench.knowers, options.interval, options.loss)
        report_sent(output / "air.pcap", bench.knowers)


if __name__ == "__main__":
    main()
