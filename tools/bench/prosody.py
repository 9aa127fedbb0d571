"""Prints how soon Prosody shows who left and came, and what becomes of messages meanwhile.

    python -m tools.bench.prosody [--rounds 20] [--patience 60]

Two laptops, each a network namespace with its own Prosody and a person at a client (slixmpp), on
an air that is a bridge: who leaves radio range is taken out of it, and no program is told. Times
run from the line that tells it until the person is shown it, client included. "told" lines are
written at a chosen instant by the daemon's own server; "replay" ones come from a real meshwatchd
that replays a recording, and count from when another reader of the same socket has them. Beside it
the same Prosody without the module: the two find each other by host names in a file, which costs
no time at all. Needs root, prosody, lua-luv, openssl.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.lab import alone
from tools.lab.air import Air
from tools.lab.laptop import Laptop, meet, part
from tools.lab.listening import DEADLINE_S
from tools.lab.replaying import PART, PART_OURS, PART_THEIRS, Replaying
from tools.lab.server import befriend

DEPARTURES, BEFORE, AFTER = 10, 5, 5  # messages in the blind interval, and when it is known
MESSAGES = BEFORE + AFTER
AWAY_S = 5.0  # without the module nobody is told, so this is all that happens


def milliseconds(seconds: list[float]) -> str:
    """Median and worst."""
    if not seconds:
        return "never"
    return f"{statistics.median(seconds) * 1e3:8.1f} {max(seconds) * 1e3:8.1f}   of {len(seconds)}"


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


class Bench:
    """The air and those on it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._air = stack.enter_context(Air())
        self._count = 0

    def laptop(self, user: str, address: str | None = None, **words: Any) -> Laptop:
        """One more machine with a server."""
        self._count += 1
        home = self._directory / str(self._count)
        home.mkdir()
        station = self._air.join(self._count, address)
        return self._stack.enter_context(Laptop(station, home, user, level="info", **words))

    def ends(self, process: subprocess.Popen[bytes]) -> None:
        """A program that runs until the end."""
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)


# ---- with the module ----------------------------------------------------------------------------


def told(bench: Bench, rounds: int) -> tuple[Laptop, Laptop]:
    """Departures and arrivals at chosen instants."""
    one, other = bench.laptop("ronaldo"), bench.laptop("ana")
    meet(one, other)
    befriend(one, other)
    offline, online, held = [], [], []
    for number in range(rounds):
        told_at = part(one, other)
        offline.append(one.person.sees(other.jid, "unavailable")["at"] - told_at)
        other.person.sees(one.jid, "unavailable")
        one.person.say(other.jid, f"told {number}")
        pause(0.2)
        told_at = meet(one, other)
        online.append(one.person.sees(other.jid, "available")["at"] - told_at)
        other.person.sees(one.jid, "available")
        held.append(other.person.reads(f"told {number}")["at"] - told_at)
    print("                                             median      max (ms)")
    print(f"told:   departure line -> offline shown    {milliseconds(offline)}")
    print(f"told:   arrival line -> online shown       {milliseconds(online)}")
    print(f"told:   arrival line -> held message read  {milliseconds(held)}")
    return one, other


def blind(one: Laptop, other: Laptop) -> None:
    """Messages written after somebody left, before and after it is known."""
    sent = []
    for departure in range(DEPARTURES):
        other.station.leave()
        for number in range(BEFORE):
            sent.append(f"blind {departure}.{number}")
            one.person.say(other.jid, sent[-1])
        pause(0.8)
        part(one, other)
        for number in range(BEFORE, MESSAGES):
            sent.append(f"blind {departure}.{number}")
            one.person.say(other.jid, sent[-1])
        pause(0.2)
        meet(one, other)
        other.person.reads(sent[-1])
    report(f"over {DEPARTURES} departures", sent, other)


def report(what: str, sent: list[str], reader: Laptop) -> None:
    """What became of these messages."""
    read = [body for body in reader.person.bodies() if body in set(sent)]
    counts = Counter(read)
    doubled = sum(count - 1 for count in counts.values())
    order = "in order" if sorted(counts, key=read.index) == sorted(counts, key=sent.index) else ""
    print(
        f"        {what}: {len(sent)} sent, {len(counts)} delivered,"
        f" {len(set(sent) - set(counts))} lost, {doubled} doubled, {order or 'not in order'}"
    )


def killed(one: Laptop, other: Laptop, *, is_told: bool) -> None:
    """The writer's machine crashes while the reader is away: server and sockets are gone."""
    other.station.leave()
    sent = [f"before the end {number}" for number in range(MESSAGES)]
    for text in sent:
        one.person.say(other.jid, text)
    pause(1)
    if is_told:
        part(one, other)
    one.kill()
    kill_sockets = ("ss", "-K", "sport", "=", ":5269", "or", "dport", "=", ":5269")
    subprocess.run(one.station.inside(*kill_sockets), capture_output=True, check=False)
    one.log_out()
    one.start()
    other.station.enter()
    if is_told:
        meet(one, other)
    assert one.person.jid == one.jid
    written_at = one.person.say(other.jid, "after it")
    try:
        after = f"after {other.person.reads('after it')['at'] - written_at:.1f} s"
    except TimeoutError:
        after = f"not within {DEADLINE_S} s"
    report("writer crashed while the reader was away", sent, other)
    print(f"        the first message written after that was read {after}")


def impostor(bench: Bench, one: Laptop, other: Laptop, times: int) -> None:
    """Another machine with the same domain, while the real one is away."""
    false = bench.laptop(other.user)
    false.person.say(one.jid, "believe me")
    part(one, other)
    one.person.say(other.jid, "blind no more")
    refused = 0
    for _ in range(times):
        known = refusals(one)
        meet(one, false)
        deadline = time.monotonic() + 5
        while refusals(one) == known and time.monotonic() < deadline:
            pause(0.02)
        refused += refusals(one) > known
        part(one, false)
    got = len(false.person.bodies()) + ("believe me" in one.person.bodies())
    meet(one, other)
    other.person.reads("blind no more")
    print(
        f"        impostor: refused {refused} of {times} times, {got} messages went wrong,"
        " the one that was held reached its reader"
    )


def refusals(laptop: Laptop) -> int:
    """How often a certificate was refused."""
    log = (laptop.home / "prosody.log").read_text(errors="replace")
    return log.count("differs from the pinned one")


# ---- a real daemon that replays -----------------------------------------------------------------


def replayed(bench: Bench, rounds: int) -> None:
    """A real meshwatchd tells one side, in a loop; the other side is told likewise."""
    server = f'meshwatch_servers = {{ ["{PART_THEIRS}"] = "ana.laptop.example" }}'
    one = bench.laptop("ronaldo", PART_OURS, more=server)
    other = bench.laptop("ana", PART_THEIRS)
    meet(one, other)
    befriend(one, other)
    one.told.stop()
    offline, held = [], []
    for number in range(rounds):
        with Replaying(one, PART) as daemon:
            other.station.leave()
            told_at = daemon.told(PART_THEIRS, "heard")
            offline.append(one.person.sees(other.jid, "unavailable")["at"] - told_at)
            one.person.say(other.jid, f"replayed {number}")
            other.loses(one)
            other.person.sees(one.jid, "unavailable")
            other.station.enter()
            told_at = daemon.told(PART_THEIRS, "present")
            other.meets(one)
            held.append(other.person.reads(f"replayed {number}")["at"] - told_at)
    print(f"replay: departure line -> offline shown    {milliseconds(offline)}")
    print(f"replay: arrival line -> held message read  {milliseconds(held)}")


# ---- without ------------------------------------------------------------------------------------


def without(bench: Bench, patience_s: float) -> None:
    """The same with Prosody alone."""
    words: dict[str, Any] = {"enabled": alone.MODULES, "secure": False}
    one, other = bench.laptop("ronaldo", **words), bench.laptop("ana", **words)
    addresses = {one.domain: "fd00::1", other.domain: "fd00::2"}
    for laptop in (one, other):
        alone.give_address(laptop.station, addresses[laptop.domain])
        alone.tell_names(laptop.home, addresses)
        bench.ends(alone.name_nobody(laptop.station))
        laptop.kill()
        laptop.start()
    befriend(one, other)
    sent, back = [], []
    for departure in range(DEPARTURES):
        other.station.leave()
        for number in range(MESSAGES):
            sent.append(f"blind {departure}.{number}")
            one.person.say(other.jid, sent[-1])
        pause(AWAY_S)
        other.station.enter()
        back_at = time.monotonic()
        back.append(other.person.reads(sent[-1], 120)["at"] - back_at)
    print(f"alone:  back in range -> message read      {milliseconds(back)}")
    report(f"over {DEPARTURES} departures", sent, other)
    killed(one, other, is_told=False)
    left_at = time.monotonic()
    other.station.leave()
    one.person.say(other.jid, "are you still there?")
    try:
        shown = one.person.sees(other.jid, "unavailable", patience_s)["at"] - left_at
        print(f"alone:  left -> offline shown: {shown:.1f} s")
    except TimeoutError:
        print(f"alone:  left -> offline shown: not within {patience_s:.0f} s")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="departures and arrivals")
    parser.add_argument("--patience", type=float, default=60, help="for Prosody alone, in seconds")
    options = parser.parse_args()
    with ExitStack() as stack:
        bench = Bench(stack)
        one, other = told(bench, options.rounds)
        blind(one, other)
        killed(one, other, is_told=True)
        impostor(bench, one, other, 10)
    with ExitStack() as stack:
        replayed(Bench(stack), options.rounds)
    with ExitStack() as stack:
        without(Bench(stack), options.patience)


if __name__ == "__main__":
    main()
