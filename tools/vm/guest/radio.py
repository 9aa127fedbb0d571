"""Makes networks of simulated radios: who has an interface where, and who is within reach.

A laptop is a network namespace that has a radio of its own, as far as Linux can tell a computer
apart. Where that is not needed, mesh interfaces can live side by side in one namespace.
"""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.vm import deeds

# The driver's own switches, which know every radio, whatever namespace it is in.
SWITCHES = Path(deeds.SWITCHES)
COMMAND_TIMEOUT_S = 20.0


class RadioError(Exception):
    """The kernel, or iw, did not do what was asked."""


def phys() -> list[str]:
    """All simulated radios in the order of their making."""
    names = [path.parent.name for path in SWITCHES.glob("*/hwsim")]
    return sorted(names, key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])


def phy(which: str | int) -> str:
    """A radio by its name, or by its place among all: names go on counting on a reload."""
    there = phys()
    if str(which) in there:
        return str(which)
    try:
        return there[int(which)]
    except (ValueError, IndexError):
        raise RadioError(f"no radio {which}; there are: {' '.join(there)}") from None


def create_mesh(radio: str | int, interface: str, laptop: str | None = None) -> None:
    """A mesh interface, down and in no mesh yet."""
    call(["iw", "phy", phy(radio), "interface", "add", interface, "type", "mp"], laptop)


def create_monitor(radio: str | int, interface: str, laptop: str | None = None) -> None:
    """A monitor interface, up, beside whatever else the radio has."""
    do(deeds.monitor(phy(radio), interface), laptop)


def create_laptop(name: str, radio: str | int, interface: str = "mesh0") -> None:
    chosen = phy(radio)
    call(["ip", "netns", "add", name])
    call(["ip", "-n", name, "link", "set", "lo", "up"])
    call(["iw", "phy", chosen, "set", "netns", "name", name])
    create_mesh(chosen, interface, name)


def delete_laptop(name: str, interface: str = "mesh0") -> None:
    """Give the radio back, without the interface, which would come back with it."""
    call(["iw", "dev", interface, "del"], name)
    # The kernel gives it back itself when a namespace ends, but some time later.
    for chosen in call(["ls", "/sys/class/ieee80211"], name).split():
        call(["iw", "phy", chosen, "set", "netns", "1"], name)
    call(["ip", "netns", "del", name])


def up(interface: str, laptop: str | None = None) -> None:
    call(["ip", "link", "set", interface, "up"], laptop)


def down(interface: str, laptop: str | None = None) -> None:
    call(["ip", "link", "set", interface, "down"], laptop)


def join(
    interface: str,
    laptop: str | None = None,
    mesh_id: str = deeds.MESH_ID,
    frequency_mhz: int = deeds.FREQUENCY_MHZ,
    beacon_interval_tu: int | None = None,
) -> None:
    do(deeds.join(interface, mesh_id, frequency_mhz, beacon_interval_tu), laptop)


def leave(interface: str, laptop: str | None = None) -> None:
    do(deeds.leave(interface), laptop)


def reach(radio: str | int, mask: int) -> None:
    """Two radios hear each other when their masks share a bit; 0 is out of everybody's reach."""
    do(deeds.reach(phy(radio), mask))


def chain(radios: Sequence[str | int]) -> None:
    """Each hears only the one before and the one after."""
    do(deeds.chain([phy(radio) for radio in radios]))


def do(script: str, laptop: str | None = None) -> None:
    """Run one of the deeds; what does not work ends it."""
    call(["sh", "-ec", script], laptop)


def call(argv: Sequence[str], laptop: str | None = None) -> str:
    words = [*(["ip", "netns", "exec", laptop] if laptop else []), *argv]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RadioError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="radio",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A PHY is a name such as phy0, or a number: 0 is the first radio there is.",
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    mesh = argparse.ArgumentParser(add_help=False)
    mesh.add_argument(
        "--mesh", default=deeds.MESH_ID, metavar="ID", help=f"{deeds.MESH_ID} by default"
    )
    mesh.add_argument("--frequency", type=int, default=deeds.FREQUENCY_MHZ, metavar="MHZ")
    mesh.add_argument(
        "--beacon-interval", type=int, metavar="TU", help="of 1.024 ms; 1000 if unset"
    )
    inside = argparse.ArgumentParser(add_help=False)
    inside.add_argument("--laptop", metavar="NAME", help="the laptop that has the interface")
    verbs.add_parser("list", help="the radios")
    laptop = verbs.add_parser("laptop", help="create NAME PHY, delete NAME", parents=[mesh])
    laptop.add_argument("action", choices=["create", "delete"])
    laptop.add_argument("name")
    laptop.add_argument("phy", nargs="?")
    laptop.add_argument("--down", action="store_true", help="do not set it up, nor join")
    create = verbs.add_parser("mesh", help="an interface on each PHY, here, joined", parents=[mesh])
    create.add_argument("phys", nargs="+", metavar="PHY", help="the interface of 2 is called mesh2")
    create.add_argument("--down", action="store_true", help="do not set it up, nor join")
    listen = verbs.add_parser(
        "monitor", help="a monitor interface on each PHY, beside its mesh", parents=[inside]
    )
    listen.add_argument("phys", nargs="+", metavar="PHY", help="the interface of 2 is called mon2")
    for name, what, parents in (
        ("up", "set an interface up", [inside]),
        ("down", "set an interface down", [inside]),
        ("join", "join a mesh", [inside, mesh]),
        ("leave", "leave the mesh", [inside]),
    ):
        verb = verbs.add_parser(name, help=what, parents=parents)
        verb.add_argument("interface", nargs="?", default="mesh0")
    apart = verbs.add_parser("reach", help="who hears whom: those whose masks share a bit")
    apart.add_argument("phy", metavar="PHY")
    apart.add_argument("mask", type=lambda text: int(text, 0), help="such as 1, 0x3; 0: nobody")
    verbs.add_parser("batch", help="many such commands from standard input, one on each line")
    line = verbs.add_parser("chain", help="put radios in a row: each hears its two neighbors")
    line.add_argument("phys", nargs="+", metavar="PHY")
    return top


def obey(options: argparse.Namespace) -> None:
    match options.verb:
        case "list":
            print("\n".join(phys()))
        case "laptop" if options.action == "delete":
            delete_laptop(options.name)
        case "laptop":
            if options.phy is None:
                raise RadioError("laptop create NAME PHY: which PHY?")
            create_laptop(options.name, options.phy)
            if not options.down:
                start("mesh0", options.name, options)
        case "mesh":
            for number in options.phys:
                interface = f"mesh{phys().index(phy(number))}"
                create_mesh(number, interface)
                if not options.down:
                    start(interface, None, options)
        case "monitor":
            for number in options.phys:
                create_monitor(number, f"mon{phys().index(phy(number))}", options.laptop)
        case "up":
            up(options.interface, options.laptop)
        case "down":
            down(options.interface, options.laptop)
        case "join":
            enter(options.interface, options.laptop, options)
        case "leave":
            leave(options.interface, options.laptop)
        case "reach":
            reach(options.phy, options.mask)
        case "chain":
            chain(options.phys)
        case "batch":
            # Under emulation, Python's start costs more than what it is started for.
            for line in sys.stdin:
                if words := shlex.split(line, comments=True):
                    obey(parser().parse_args(words))


def start(interface: str, laptop: str | None, options: argparse.Namespace) -> None:
    up(interface, laptop)
    enter(interface, laptop, options)


def enter(interface: str, laptop: str | None, options: argparse.Namespace) -> None:
    join(interface, laptop, options.mesh, options.frequency, options.beacon_interval)


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        obey(parser().parse_args(arguments))
    except RadioError as error:
        print(f"radio: {error}", file=sys.stderr)
        return 1
    return 0
