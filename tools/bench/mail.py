"""Prints how soon mail reaches a neighbor that arrives, and whether any is lost or doubled.

    python -m tools.bench.mail [--rounds 20] [--patience 60]

Two laptops, each a network namespace with a real exim4 in Debian's configuration, on an air that is
a bridge. Ronaldo writes while Ana is out of range. Times run from the line that tells her arrival
until the letter is in her mailbox. Beside it the same without meshwatch, for as long as the
patience lasts, and what exim4 says of its next attempt. Needs root, and what `tools/install test`
unpacks.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from tools.lab.air import Air
from tools.lab.listening import until
from tools.lab.mailer import EXIM4, Hooked, Laptop

DEPARTURES, LETTERS = 10, 10  # in each, half of them before the departure is told
TOLD_S = 0.8  # after the departure
AWAY_S = 5.0
UNREACHABLE_S = 3.1  # until the kernel says so of a neighbor that does not answer


@contextmanager
def two_laptops() -> Iterator[tuple[Laptop, Laptop]]:
    """Who writes, and who reads."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        air = stack.enter_context(Air())
        stations = {user: air.join(number) for number, user in enumerate(("ronaldo", "ana"), 1)}
        one, other = (
            stack.enter_context(Laptop(EXIM4, station, place / user, user, stations))
            for user, station in stations.items()
        )
        for laptop in (one, other):
            laptop.unique_local_address()
        yield one, other


def leave(one: Laptop, other: Laptop) -> None:
    """The other is away for long: the kernel knows nothing of her any more."""
    other.station.leave()
    one.run("ip", "-6", "neighbor", "flush", "dev", "mesh0")


def waiting(one: Laptop, other: Laptop, subject: str) -> None:
    """A letter that exim4 tried to deliver, and keeps."""
    tried = one.deferrals()
    one.write(other.user, subject)
    one.has_to_wait(tried + 1)


def arrivals(one: Laptop, other: Laptop, rounds: int) -> None:
    """A letter for each."""
    delays_ms = []
    with Hooked(one) as hooked:
        for number in range(rounds):
            leave(one, other)
            hooked.loses(other)
            waiting(one, other, f"waits {number}")
            told_at = hooked.meets(other)
            delays_ms.append((other.has(f"waits {number}") - told_at) * 1e3)
        print(
            f"line of the arrival -> in the mailbox, ms: median {statistics.median(delays_ms):.0f}"
            f"  least {min(delays_ms):.0f}  worst {max(delays_ms):.0f}  of {rounds}"
        )
        report([f"waits {number}" for number in range(rounds)], other, "waited")
        under_way(one, other, hooked)
        blind(one, other, hooked)


def under_way(one: Laptop, other: Laptop, hooked: Hooked) -> None:
    """Letters that exim4 is about to give up when she arrives, each at another moment of that."""
    delays_s = []
    pause = threading.Event()
    for number in range(LETTERS):
        leave(one, other)
        hooked.loses(other)
        one.write(other.user, f"tried {number}")
        pause.wait(UNREACHABLE_S * number / LETTERS)
        told_at = hooked.meets(other)
        delays_s.append(other.has(f"tried {number}") - told_at)
    report([f"tried {number}" for number in range(LETTERS)], other, "tried while she arrives")
    print(f"  after {statistics.median(delays_s):.1f} s (median), worst {max(delays_s):.1f}")


def blind(one: Laptop, other: Laptop, hooked: Hooked) -> None:
    """Letters written after she left, before and after it is known, and back after a while."""
    sent: list[str] = []
    last_s = []
    pause = threading.Event()
    for departure in range(DEPARTURES):
        other.station.leave()
        for number in range(LETTERS):
            if number == LETTERS // 2:
                pause.wait(TOLD_S)
                hooked.loses(other)
            sent.append(f"blind {departure}.{number}")
            one.write(other.user, sent[-1])
        pause.wait(AWAY_S)
        told_at = hooked.meets(other)
        last_s.append(other.has(*sent) - told_at)
    report(sent, other, f"written in {DEPARTURES} departures, half of them before it was told")
    median_s, worst_s = statistics.median(last_s), max(last_s)
    print(
        f"  the last of {LETTERS} was there {median_s:.1f} s after it was told, worst {worst_s:.1f}"
    )


def report(sent: list[str], reader: Laptop, what: str) -> None:
    """What became of these letters."""
    counts = Counter(letter for letter in reader.letters() if letter in set(sent))
    doubled = sum(count - 1 for count in counts.values())
    print(
        f"  {what}: {len(sent)} sent, {len(counts)} delivered, {len(set(sent) - set(counts))} lost,"
        f" {doubled} doubled"
    )


def alone(one: Laptop, other: Laptop, patience_s: float) -> None:
    """Exim4 with its own runs of the queue."""
    leave(one, other)
    waiting(one, other, "alone")
    other.station.enter()
    back, back_at = datetime.now(), time.monotonic()
    try:
        until(lambda: "alone" in other.letters(), patience_s)
        print(f"back in range -> in the mailbox: {time.monotonic() - back_at:.1f} s")
    except TimeoutError:
        print(f"back in range -> in the mailbox: > {patience_s:.0f} s")
    said = one.run("exinext", f"{other.user}.laptop.example")
    for text in re.findall(r"next try at: +(\S+ \S+)", said)[:1]:
        wait_s = (datetime.strptime(text, "%d-%b-%Y %H:%M:%S") - back).total_seconds()
        print(f"  exinext: next try {wait_s:.0f} s after the return, at the first run of the queue")
        print("  after that; Debian has one every 30 min")


def main() -> None:
    """With meshwatch, and without."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="arrivals (default: 20)")
    parser.add_argument("--patience", type=float, default=60, help="for exim4 alone, in seconds")
    options = parser.parse_args()
    with two_laptops() as (one, other):
        print(one.run("exim4", "-bV").partition(" #")[0])
        print("with meshwatch's hook:")
        arrivals(one, other, options.rounds)
    with two_laptops() as (one, other):
        print("alone:")
        alone(one, other, options.patience)


if __name__ == "__main__":
    main()
