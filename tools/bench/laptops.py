"""Prints what two who chat over real radios' kernel notice of each other, with and without us.

    python -m tools.bench.laptops [--departures 10] [--patience 120] [FORM...]

In one booted kernel, one form after the other, two laptops (namespaces with a simulated radio and
Prosody each) meet, part while both write, and meet again; an impostor with the domain of one
appears. "tap" and "bare" are meshwatchd with and without frames of a monitor interface, agent and
avahi beside it; "alone" is Prosody by itself with what is best for it: routable addresses, host
names in a file, a DNS that answers at once. The processor is emulated: what takes a millisecond on
a laptop takes ten and more there. Times are of both sides, from the instant in which the air
changed, client included. "Named" is who is present with what it said of itself to the agent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.vm.channel import JobTimeout
from tools.vm.machine import REPOSITORY, Machine

PYTHON = str(REPOSITORY / ".venv/bin/python")
FORMS = ("tap", "bare", "alone")
FORM_S = 1500

Fact = dict[str, Any]


def seconds(values: Iterable[float | None]) -> str:
    """Median, worst, how many, and how many never happened."""
    listed = list(values)
    came = [value for value in listed if value is not None]
    if not came:
        return "      -        -"
    missing = len(listed) - len(came)
    return (
        f"{statistics.median(came):8.2f} {max(came):8.2f}   of {len(came)}"
        f"{f', {missing} not in time' if missing else ''}"
    )


def each(facts: list[Fact], kind: str, what: str) -> list[float | None]:
    """The times of both sides, of all facts of a kind."""
    return [value for fact in facts if fact["fact"] == kind for value in fact[what]]


def differences(facts: list[Fact], kind: str, later: str, earlier: str) -> list[float | None]:
    """What lies between two of them."""
    pairs = zip(each(facts, kind, later), each(facts, kind, earlier), strict=True)
    return [None if one is None or other is None else one - other for one, other in pairs]


def report(form: str, facts: list[Fact], patience_s: float) -> None:
    """The figures of one form."""

    def show(what: str, figure: str) -> None:
        print(f"{form:<6} {what:<52} {figure}", flush=True)

    print(f"\n{'':<59}   median      max (s)")
    if form == "alone":
        show(
            "asked to be a contact, in range -> online",
            seconds(each(facts, "befriended", "online_s")),
        )
    else:
        for kind in ("first meeting", "cold meeting", "meeting"):
            if each(facts, kind, "told_s"):
                show(f"{kind}: link established -> told", seconds(each(facts, kind, "told_s")))
                show(
                    "  arrival line -> named",
                    seconds(differences(facts, kind, "named_s", "told_s")),
                )
    for kind in ("first meeting", "cold meeting", "meeting"):
        if times := each(facts, kind, "online_s"):
            show(f"{kind}: link established -> online", never(times, patience_s))
    if form == "alone":
        (notice,) = (fact for fact in facts if fact["fact"] == "notice")
        show("walked away -> offline", never([notice["offline_s"]], patience_s))
    else:
        show("walked away -> told", seconds(each(facts, "departure", "told_s")))
        # Probes are rationed, and whoever often falls silent is given more time.
        stories = [fact["told_s"][0] for fact in facts if fact["fact"] == "departure"]
        show("  one after the other", " ".join(f"{value or 0:.1f}" for value in stories))
        show("walked away -> offline", seconds(each(facts, "departure", "offline_s")))
        lag = differences(facts, "departure", "offline_s", "told_s")
        show("  departure line -> offline", seconds(lag))
        show("back in range -> told", seconds(each(facts, "departure", "back_told_s")))
        lag = differences(facts, "departure", "back_named_s", "back_told_s")
        show("  arrival line -> named", seconds(lag))
        show("back in range -> online", seconds(each(facts, "departure", "online_s")))
    show("back in range -> last held message read", seconds(each(facts, "departure", "read_s")))
    if form != "alone":
        lag = differences(facts, "departure", "read_s", "back_told_s")
        show("  arrival line of the reader -> it was read", seconds(lag))
    messages(facts, show, patience_s)
    impostors(facts, show)


def never(values: list[float | None], patience_s: float) -> str:
    """Times, or that it was not waited for any longer."""
    if all(value is None for value in values):
        return f"   > {patience_s:.0f} s, of {len(values)}"
    return seconds(values)


def messages(facts: list[Fact], show: Any, patience_s: float) -> None:
    """What became of all that was written."""
    departures = [fact for fact in facts if fact["fact"] == "departure"]
    sent = delivered = lost = doubled = errors = 0
    ordered = True
    for fact in facts:
        if fact["fact"] == "messages":
            counts: Counter[str] = Counter(fact["read"])
            sent += len(fact["sent"])
            delivered += len(counts)
            lost += len(set(fact["sent"]) - set(counts))
            doubled += sum(count - 1 for count in counts.values())
            errors += len(fact["errors"])
            ordered &= list(dict.fromkeys(fact["read"])) == [x for x in fact["sent"] if x in counts]
    apart = 2 * sum(fact["apart"] for fact in departures)
    show(
        f"over {len(departures)} departures",
        f"{sent} sent ({apart} out of range), {delivered} delivered, {lost} lost,"
        f" {doubled} doubled, {'in order' if ordered else 'not in order'}, {errors} came back",
    )
    for fact in facts:
        if fact["fact"] == "kept":
            kept = never([fact["read_s"]], patience_s)
            show("written, both switched off, link established -> read", kept)
    away = statistics.median(fact["away_s"] for fact in departures)
    show("  away for", f"{away:8.2f} s (median)")


def impostors(facts: list[Fact], show: Any) -> None:
    """What became of who came with a domain that was not its own."""
    for fact in facts:
        if fact["fact"] == "impostor":
            refused = [value for value in fact["refused_s"] if value is not None]
            wrong = len(fact["got"]) + fact["believed"]
            kept = "was read by the real one" if fact["read_s"] is not None else "was lost"
            show(
                "impostor",
                f"refused {len(refused)} of {len(fact['refused_s'])} times, {wrong} messages went"
                f" wrong, the one that was held {kept}",
            )
        elif fact["fact"] == "deceived":
            read = never([fact["read_s"]], fact["patience_s"])
            show("impostor comes -> reads what is meant for the other", read)


def tell(machine: Machine, module: str, form: str, *words: str) -> list[Fact]:
    """What a program of the lab tells of one form; the bench ends if it fails."""
    process = machine.spawn([PYTHON, "-m", module, form, *words], log=f"{form}.txt")
    try:
        status = process.wait(FORM_S)
    except JobTimeout:
        status = None
    if status != 0:
        sys.exit(f"{form} ended with {status}:\n{process.output}")
    # Programs that it runs may warn of something.
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("forms", nargs="*", metavar="FORM", help=f"some of {' '.join(FORMS)}")
    add("--departures", type=int, default=10, help="while both write")
    add("--meetings", type=int, default=5, help="of radios that do not know each other any more")
    add("--impostors", type=int, default=5, help="how often one appears")
    add("--cold", type=float, default=40, help="s from the start of the servers to a cold meeting")
    add("--patience", type=float, default=120, help="for what may never happen, in s")
    add("--kernel", default="6.1")
    options = parser.parse_args()
    if unknown := set(options.forms) - set(FORMS):
        parser.error(f"there is no form {', '.join(sorted(unknown))}")
    output = Path(tempfile.mkdtemp(prefix="meshwatch-bench-"))
    print(f"logs in {output}", flush=True)
    with Machine(kernel=options.kernel, radios=3, output=output) as machine:
        print(f"kernel {machine.release}", flush=True)
        for form in options.forms or FORMS:
            began = time.monotonic()
            # Alone nothing changes from one meeting to the next.
            meetings = 1 if form == "alone" else options.meetings
            words = [f"--departures={options.departures}", f"--meetings={meetings}"]
            words += [f"--impostors={options.impostors}", f"--cold={options.cold}"]
            words += [f"--patience={options.patience}"]
            report(form, tell(machine, "tools.lab.afield", form, *words), options.patience)
            print(f"{form:<6} {(time.monotonic() - began) / 60:.1f} min")


if __name__ == "__main__":
    main()
