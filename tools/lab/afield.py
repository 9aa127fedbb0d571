"""Lets two who chat meet, part and meet again in a booted kernel, and tells what came of it.

python -m tools.lab.afield tap|bare|alone     in the guest, as root; one JSON object a line

Each laptop is a network namespace with its own radio, message bus, meshwatchd, agent, avahi and
Prosody. "tap" is a meshwatchd that hears a monitor interface, "bare" one without any privilege,
"alone" is Prosody by itself, with host names in a file.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.lab import alone
from tools.lab.avahi import Service
from tools.lab.facts import keep_logs, tell, took
from tools.lab.journey import Journey, Side
from tools.lab.radio import Station, clear
from tools.lab.server import SUFFIX, Server
from tools.lab.watching import BARE, START_S, TAP, Watching

HOMES = Path("/run/laptops")
CAPABILITIES = {"tap": TAP, "bare": BARE}
HERE, THERE, FALSE = "ronaldo", "ana", "impostor"
ADDRESSES = {HERE: "fd00::1", THERE: "fd00::2"}


class Field:
    """Where laptops are; all of them are gone at the end."""

    def __init__(self, form: str, stack: ExitStack) -> None:
        self._form = form
        self._stack = stack
        self.watching: dict[str, Watching] = {}
        stack.callback(keep_logs, HOMES / form)

    def station(self, name: str, number: int) -> Station:
        """A machine with the radio of this number."""
        station = Station(name, number)
        self._stack.callback(station.delete)
        return station

    def side(self, name: str, station: Station, user: str) -> Side:
        """A server on it, and all that makes it know its neighbors."""
        home = HOMES / self._form / name
        home.mkdir(parents=True)
        domain = f"{user}.{SUFFIX}"
        words: dict[str, Any] = {"level": "info", "start_s": START_S}
        if self._form == "alone":
            addresses = {f"{name}.{SUFFIX}": ADDRESSES[name] for name in ADDRESSES}
            alone.give_address(station, ADDRESSES[user])
            alone.tell_names(home, addresses)
            process = alone.name_nobody(station)
            self._stack.callback(process.wait)
            self._stack.callback(process.kill)
            words |= {"enabled": alone.MODULES, "secure": False}
        else:
            offered = Service(name, "_xmpp-server._tcp", 5269, f"domain={domain}")
            watching = Watching(station, home, name, (offered,), CAPABILITIES[self._form])
            self.watching[name] = self._stack.enter_context(watching)
        server = self._stack.enter_context(Server(station, home, user, **words))
        assert server.person.jid == server.jid
        return Side(server, station, self.watching[name].news if self.watching else None)


def travel(form: str, stack: ExitStack, options: argparse.Namespace) -> None:
    """All of it."""
    field = Field(form, stack)
    watched = form != "alone"
    with took("setup"):
        clear()
        stations = {name: field.station(name, n) for n, name in enumerate((HERE, THERE, FALSE))}
        one, other = (field.side(name, stations[name], name) for name in (HERE, THERE))
        for watching in field.watching.values():
            watching.listen()
        journey = Journey(one, other)
    if watched:
        journey.acquaint()
        for name, them in ((HERE, other), (THERE, one)):
            watching = field.watching[name]
            bus = watching.on_the_bus(them.station.address)
            tell("door", name=name, sources=watching.sources(), bus=bus)
    else:
        journey.befriend()
    with took("departures"):
        for _ in range(options.departures):
            journey.walk_away()
        journey.count_messages()
    if not watched:
        journey.wait_for_notice(options.patience)
    with took("meetings"):
        for number in range(options.meetings):
            journey.meet_again(options.patience, 0 if number else options.cold)
    if options.impostors:
        with took("impostor"):
            false = field.side(FALSE, stations[FALSE], THERE)
            if watched:
                field.watching[FALSE].listen()
                journey.refuse(false, options.impostors)
            else:
                journey.be_deceived(false, options.patience)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("form", choices=[*CAPABILITIES, "alone"])
    add = parser.add_argument
    add("--departures", type=int, default=2, help="in the middle of writing")
    add("--meetings", type=int, default=1, help="after that; before the first all were off")
    add("--cold", type=float, default=1, help="how long before, in seconds")
    add("--impostors", type=int, default=2, help="how often one appears")
    add("--patience", type=float, default=60, help="for what may never happen, in seconds")
    options = parser.parse_args()
    with ExitStack() as stack:
        travel(options.form, stack, options)


if __name__ == "__main__":
    main()
