"""Lets somebody walk away from letters and rosters in a booted kernel, and tells what came of it.

python -m tools.lab.away tap|bare|alone     in the guest, as root; one JSON object a line

Each laptop is a network namespace with its own radio, message bus, meshwatchd, agent, avahi and
exim4. "tap" is a meshwatchd that hears a monitor interface, "bare" one without any privilege,
"alone" is avahi and exim4 by themselves.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tools.lab import roster
from tools.lab.absence import Absence
from tools.lab.avahi import Service
from tools.lab.facts import keep_logs, pause, took
from tools.lab.listening import Event, Listener
from tools.lab.mailer import EXIM4, Laptop, domain
from tools.lab.radio import Station, clear
from tools.lab.watching import BARE, START_S, TAP, Watching

# Those in /run would be hidden from exim4, which has one of its own.
HOMES = Path("/dev/shm/away")
CAPABILITIES = {"tap": TAP, "bare": BARE, "alone": None}
HERE, THERE = "ronaldo", "ana"
# A browser asks by itself after 1, 3, 7, 15, 31, 63 s and so on; it has been looking for a while.
BROWSING_S = 35.0


class Field:
    """Where laptops are; all of them are gone at the end."""

    def __init__(self, form: str, stack: ExitStack) -> None:
        self._homes = HOMES / form
        self._capabilities = CAPABILITIES[form]
        self._stack = stack
        self._stations: dict[str, Station] = {}
        stack.callback(keep_logs, self._homes)

    def watching(self, name: str, number: int) -> Watching:
        """A machine with the radio of this number, on which all but the mail begins."""
        station = self._stations[name] = Station(name, number)
        self._stack.callback(station.delete)
        home = self._homes / name
        home.mkdir(parents=True)
        offered = (
            Service(name, "_xmpp-server._tcp", 5269, f"domain={domain(name)}"),
            Service(f"{name}@laptop", roster.TYPE, 5298),
        )
        watching = Watching(station, home, name, offered, self._capabilities, "--reconfirm")
        return self._stack.enter_context(watching)

    def mail(self, name: str) -> tuple[Station, Laptop]:
        """Its mail system."""
        station = self._stations[name]
        home = self._homes / name / "mail"
        laptop = self._stack.enter_context(Laptop(EXIM4, station, home, name, self._stations))
        self._stack.callback(_keep_mail_logs, laptop)
        laptop.unique_local_address()
        return station, laptop

    def rosters(self, watching: Watching, finch: bool) -> dict[str, Listener]:
        """Programs that look at this machine's roster."""
        bus = watching.finding_the_bus()
        browser = self._run("browser", *bus, *roster.BROWSE)
        looking = {"avahi-browse": _hear(browser, lambda line: roster.browsed(line, THERE))}
        if finch:
            monitor = self._run("monitor", *bus, *roster.MONITOR)
            looking["finch"] = _hear(monitor, roster.listed)
            looking["finch"].wait(lambda event: roster.MONITORS in event["line"], START_S)
            home = self._homes / HERE / "finch"
            home.mkdir()
            self._run("finch", *bus, *roster.finch(home))
        return looking

    def _run(self, name: str, *words: str) -> subprocess.Popen[str]:
        words, pipe = self._stations[HERE].inside(*words), subprocess.PIPE
        with (self._homes / HERE / f"{name}.log").open("w") as log:
            process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process


def _hear(process: subprocess.Popen[str], understand: Callable[[str], str | None]) -> Listener:
    """What it shows: its lines, with a "sign" where they are about who comes and goes."""
    assert process.stdout is not None

    def heard(line: str) -> Event:
        return {"at": time.monotonic(), "sign": understand(line), "line": line}

    return Listener(str(process.args), process.stdout, heard)


def _keep_mail_logs(laptop: Laptop) -> None:
    home = laptop.home.parent
    shutil.copy(laptop.file(laptop.system.log), home / "mail.log")
    for log in laptop.home.glob("*.log"):  # of hooks
        shutil.copy(log, home)


def stay_away(form: str, stack: ExitStack, options: argparse.Namespace) -> None:
    """All of it."""
    field = Field(form, stack)
    with took("setup"):
        clear()
        watching = {name: field.watching(name, number) for number, name in enumerate((HERE, THERE))}
        for each in watching.values():
            each.announces()
        rosters = field.rosters(watching[HERE], options.finch)
        browsing_at = time.monotonic()
        with ThreadPoolExecutor() as pool:  # exim4's configuration is made by hundreds of programs
            here, there = pool.map(field.mail, (HERE, THERE))
        news = None
        if form != "alone":
            here[1].begin_hooks(watching[HERE].runtime)
            for each in watching.values():
                each.listen()
            here[1].has_hooks(START_S)
            news = watching[HERE].news
        pause(max(browsing_at + BROWSING_S - time.monotonic(), 0))
    absence = Absence(here, there, rosters, news, options.patience)
    with took("meetings"):
        absence.meet()
        for _ in range(options.meetings - 1):
            absence.meet_again()
    with took("departures"):
        for number in range(options.departures):
            absence.walk(long=number % 2 == 0)
        absence.count_letters()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("form", choices=CAPABILITIES)
    add = parser.add_argument
    add("--meetings", type=int, default=1, help="of radios that do not know each other")
    add("--departures", type=int, default=2, help="while letters are written")
    add("--patience", type=float, default=60, help="for what may never happen, in seconds")
    add("--finch", action="store_true", help="look at the roster of a messenger as well")
    options = parser.parse_args()
    with ExitStack() as stack:
        stay_away(options.form, stack, options)


if __name__ == "__main__":
    main()
