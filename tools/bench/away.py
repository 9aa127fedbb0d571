"""Prints how soon mail and rosters follow who walks out of radio range, with and without us.

    python -m tools.bench.away [--meetings 5] [--departures 10] [--patience 120] [FORM...]

In one booted kernel, one form after the other, two laptops (namespaces with a simulated radio,
exim4 and avahi each) meet, part, and meet again. On the one avahi-browse, and finch, a messenger,
show who offers serverless messaging (XEP-0174), and letters are written to the other: before they
meet, in the moment of a departure, before that is known, and after. Every other time she is away
for so long that exim4 has given up for now. "tap" and "bare" are meshwatchd with and without frames
of a monitor interface, with its agent and the ready-made hook for exim4; "alone" is avahi and exim4
by themselves. The processor is emulated: what takes a millisecond on a laptop takes ten and more
there. Times are from the instant in which the air changed, or the link was established.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tools.bench.laptops import FORMS, Fact, never, tell
from tools.vm.machine import Machine

ROSTERS = ("avahi-browse", "finch")


def report(form: str, facts: list[Fact], patience_s: float) -> None:
    """The figures of one form."""
    watched = form != "alone"

    def show(what: str, values: list[float | None]) -> None:
        print(f"{form:<6} {what:<52} {never(values, patience_s)}", flush=True)

    def times(fact: str, which: str, **only: object) -> list[float | None]:
        wanted = {"fact": fact, **only}
        return [each[which] for each in facts if wanted.items() <= each.items()]

    def lag(fact: str, later: str, earlier: str, **only: object) -> list[float | None]:
        pairs = zip(times(fact, later, **only), times(fact, earlier, **only), strict=True)
        return [None if a is None or b is None else a - b for a, b in pairs]

    print(f"\n{'':<59}   median      max (s)")
    if watched:
        show("meeting: link established -> told", times("meeting", "told_s"))
    for name in ROSTERS:
        show(f"meeting: link established -> shown by {name}", times("meeting", name))
    show("meeting: link established -> read what waited", times("meeting", "read_s"))
    if watched:
        show("walked away -> told", times("departure", "told_s"))
        # Probes are rationed, and whoever often falls silent is given more time.
        story = " ".join(f"{value or 0:.1f}" for value in times("departure", "told_s"))
        print(f"{form:<6} {'  one after the other':<52} {story}")
    for name in ROSTERS:
        show(f"walked away -> not shown by {name}", times("departure", name))
        if watched:
            show("  departure line -> that", lag("departure", name, "told_s"))
    if watched:
        show("back in range -> told", times("return", "told_s"))
        for name in ROSTERS:
            show(f"back in range -> shown by {name}", times("return", name))
            show("  arrival line -> that", lag("return", name, "told_s"))
    for long, letter in ((True, "waited"), (False, "was being tried")):
        read = times("return", "read_s", long=long)
        if read:
            show(f"back in range -> read what {letter}", read)
        if read and watched:
            show("  arrival line -> that", lag("return", "read_s", "told_s", long=long))
    show("back in range -> all letters in the mailbox", times("return", "all_s"))
    show_letters(form, facts)


def show_letters(form: str, facts: list[Fact]) -> None:
    """What became of all that were written."""
    (fact,) = (each for each in facts if each["fact"] == "letters")
    counts: Counter[str] = Counter(fact["read"])
    lost = len(set(fact["sent"]) - set(counts))
    doubled = sum(count - 1 for count in counts.values())
    departures = sum(each["fact"] == "departure" for each in facts)
    print(
        f"{form:<6} {f'letters, over {departures} departures':<52} {len(fact['sent'])} sent,"
        f" {len(counts)} delivered, {lost} {'lost' if form != 'alone' else 'still waiting'},"
        f" {doubled} doubled"
    )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("forms", nargs="*", metavar="FORM", help=f"some of {' '.join(FORMS)}")
    add("--meetings", type=int, default=5, help="of radios that do not know each other any more")
    add("--departures", type=int, default=10, help="while letters are written")
    add("--patience", type=float, default=120, help="for what may never happen, in s")
    add("--kernel", default="6.1")
    options = parser.parse_args()
    if unknown := set(options.forms) - set(FORMS):
        parser.error(f"there is no form {', '.join(sorted(unknown))}")
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    print(f"logs in {output}", flush=True)
    with Machine(kernel=options.kernel, radios=2, output=output) as machine:
        print(f"kernel {machine.release}", flush=True)
        for form in options.forms or FORMS:
            began = time.monotonic()
            # Alone nothing changes from one to the next but how long it is waited for.
            alone = form == "alone"
            words = [f"--meetings={1 if alone else options.meetings}"]
            words += [f"--departures={1 if alone else options.departures}"]
            words += [f"--patience={options.patience}", "--finch"]
            report(form, tell(machine, "tools.lab.away", form, *words), options.patience)
            print(f"{form:<6} {(time.monotonic() - began) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
