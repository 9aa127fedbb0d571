"""The verb monitor: make a monitor interface beside a mesh interface, for the tap of meshwatchd.

It runs iw(8) and ip(8): the act of an administrator, done once, needs no code of ours that could
do more. The daemon itself never makes or changes an interface.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from meshwatch.cli import programs
from meshwatch.cli.exits import Exit
from meshwatch.cli.programs import Refused
from meshwatch.cli.view import Names

_SYS = Path("/sys/class")
_WATCHED = frozenset({"mesh point", "IBSS"})  # as iw calls them
_LONGEST_NAME = 15  # bytes, IFNAMSIZ of <linux/if.h>


class Vif(NamedTuple):
    """A wireless interface as ``iw dev`` lists it."""

    radio: str  # "phy#0": the kernel's number of the radio, which iw takes for a name
    name: str
    type: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    acts = parser.add_subparsers(title="acts", metavar="ACT", dest="act", required=True)
    add = acts.add_parser("add", help="make a monitor interface and set it up")
    add.add_argument(
        "beside",
        nargs="?",
        metavar="RADIO|INTERFACE",
        help="where (default: the radio of the only mesh interface)",
    )
    add.add_argument("--name", metavar="NAME", help="its name (default: mon0 beside mesh0)")
    remove = acts.add_parser("remove", help="remove a monitor interface")
    remove.add_argument(
        "name", metavar="NAME|INTERFACE", help="its name, or the mesh interface it was made beside"
    )
    acts.add_parser("list", help="show the monitor interfaces")


def run(arguments: argparse.Namespace, names: Names) -> Exit:
    """Do one act, or say why not."""
    try:
        match arguments.act:
            case "add":
                print(_add(arguments.beside, arguments.name))
            case "remove":
                print(_remove(arguments.name))
            case _:
                return _list()
    except Refused as error:
        print(f"meshwatch: {error}", file=sys.stderr)
        return Exit.REFUSED
    return Exit.OK


# ---- acts ---------------------------------------------------------------------------------------


def _add(beside: str | None, name: str | None) -> str:
    vifs = interfaces(programs.run("iw", "dev"))
    radio = _radio(vifs, beside)
    name = default_name(vifs, radio, beside) if name is None else _checked(name)
    there = [vif for vif in vifs if vif.name == name]
    if not there:
        if (_SYS / "net" / name).exists():
            raise Refused(f"{name} exists and is no wireless interface")
        programs.run("iw", radio, "interface", "add", name, "type", "monitor", "flags", "none")
    elif there[0].type != "monitor":
        raise Refused(f"{name} exists and is no monitor interface")
    elif there[0].radio != radio:
        raise Refused(f"{name} exists and is on {there[0].radio}, not on {radio}")
    try:
        programs.run("ip", "link", "set", "dev", name, "up")
    except Refused:
        if not there:  # nothing is left of what did not succeed
            programs.run("iw", "dev", name, "del")
        raise
    return f"{name} on {radio} is up" + (", it was there already" if there else "")


def _remove(name: str) -> str:
    vifs = interfaces(programs.run("iw", "dev"))
    named = {vif.name: vif for vif in vifs}
    found = named.get(name)
    if found is None:
        raise Refused(f"there is no {name}")
    monitor = found
    if found.type != "monitor":  # what "add" would have made beside it
        beside = default_name(vifs, found.radio, name)
        if Vif(found.radio, beside, "monitor") not in vifs:
            raise Refused(f"{name} is no monitor interface, and there is no {beside} beside it")
        monitor = named[beside]
    programs.run("iw", "dev", monitor.name, "del")
    return f"{monitor.name} on {monitor.radio} is removed"


def _list() -> Exit:
    vifs = interfaces(programs.run("iw", "dev"))
    monitors = [vif for vif in vifs if vif.type == "monitor"]
    for monitor in monitors:
        beside = [v.name for v in vifs if v.radio == monitor.radio and v.type in _WATCHED]
        state = "up" if _is_up(monitor.name) else "down"
        print(f"{monitor.name} on {monitor.radio}, beside {', '.join(beside) or '-'}: {state}")
    if not monitors:
        print("There is no monitor interface.")
    return Exit.OK if monitors else Exit.NOBODY


# ---- what there is ------------------------------------------------------------------------------


def interfaces(listing: str) -> list[Vif]:
    """The named interfaces in the output of ``iw dev``."""
    vifs = []
    radio = name = ""
    for line in listing.splitlines():
        match line.split(maxsplit=1):
            case [number] if number.startswith("phy#"):
                radio = number
            case ["Interface", word]:
                name = word
            case ["Unnamed/non-netdev", _]:
                name = ""
            case ["type", kind] if name:
                vifs.append(Vif(radio, name, kind))
    return vifs


def default_name(vifs: Sequence[Vif], radio: str, beside: str | None) -> str:
    """``mon`` and the number of the interface that was named, or else of the radio's mesh
    interface; if there is none, that of the radio."""
    here = [vif for vif in vifs if vif.radio == radio]
    named = [vif.name for vif in here if vif.name == beside]
    mesh = [vif.name for vif in here if vif.type in _WATCHED]
    number = re.search(r"(?<!\d)\d{1,3}$", next(iter(named + mesh), ""))
    return "mon" + (number[0] if number else radio.removeprefix("phy#"))


def _radio(vifs: Sequence[Vif], beside: str | None) -> str:
    if beside is None:
        watched = [vif for vif in vifs if vif.type in _WATCHED]
        if not watched:
            raise Refused(
                "there is no mesh interface: say beside which interface, or on which radio"
            )
        if len({vif.radio for vif in watched}) > 1:
            candidates = ", ".join(vif.name for vif in watched)
            raise Refused(f"more than one radio has a mesh interface: say which of {candidates}")
        return watched[0].radio
    for vif in vifs:
        if beside in {vif.name, vif.radio}:
            return vif.radio
    if "/" not in beside:
        try:
            return "phy#" + (_SYS / "ieee80211" / beside / "index").read_text().strip()
        except OSError:
            pass
    raise Refused(f"{beside} is no wireless interface and no radio")


def _checked(name: str) -> str:
    # dev_valid_name() in net/core/dev.c; the dash would be an option to ip and iw.
    if (
        len(name.encode()) > _LONGEST_NAME
        or not re.fullmatch(r"[^-\s/:][^\s/:]*", name)
        or name in {".", ".."}
    ):
        raise Refused(f"{name!r} cannot be the name of an interface")
    return name


def _is_up(name: str) -> bool:
    try:
        return bool(int((_SYS / "net" / name / "flags").read_text(), 16) & 1)  # IFF_UP
    except (OSError, ValueError):
        return False
