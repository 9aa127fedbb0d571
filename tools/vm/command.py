"""The command line: run, start, exec, shell, stop and fetch."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.vm import keeper, kernels, terminal
from tools.vm.channel import Channel, Request
from tools.vm.kernels import KernelUnavailable
from tools.vm.machine import MACHINE_DIED, REPOSITORY, Machine, MachineError
from tools.vm.packages import MissingPackages

DESCRIPTION = """\
Boot Debian's own kernel, with as many simulated 802.11 radios as you like, next to your files.

The guest sees your root file system as its own (what it writes there stays in its memory), your
working tree as it is at this moment, and one output directory that both sides may write, under
the same path. Nothing has to be installed in it: what runs here runs there, as root, on another
kernel.
"""
EPILOG = """\
examples:
  vm run -- uname -a                          boot, run, print, power off: the status is uname's
  vm run --radios 2 -- iw dev                 radios are interfaces wlan0, wlan1, ...
  vm shell                                    look around by hand
  vm start --name a && vm exec --name a -- iw phy && vm stop --name a
  vm exec --name a -- bash < script           standard input is passed on
  vm exec --name a -- tools/vm/guest/radio.py --help     networks of radios, in the guest

exit status: the command's own; 124 when it was killed for its --timeout, 125 when the guest died,
2 when something is missing here.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = parser().parse_args(arguments)
    command: list[str] = getattr(options, "command", [])
    if command[:1] == ["--"]:
        del command[0]
    try:
        return int(options.verb(options, command))
    except (MissingPackages, KernelUnavailable, keeper.NoSuchMachine) as error:
        print(f"vm: {error}", file=sys.stderr)
        return 2
    except MachineError as error:
        print(f"vm: {error}", file=sys.stderr)
        return MACHINE_DIED


def run(options: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise SystemExit("vm run: which command? Put it after --")
    with machine(options) as booted:
        return attend(booted.channel, command, options.timeout)


def start(options: argparse.Namespace, _: list[str]) -> int:
    facts = keeper.start(
        options.name,
        options.life,
        {
            "kernel": options.kernel,
            "radios": options.radios,
            "memory_mib": options.memory,
            "output": options.output and str(options.output.resolve()),
            "tree": str(options.tree.resolve()),
        },
    )
    print(f"{options.name}: Linux {facts['release']}, output in {facts['output']}")
    return 0


def execute(options: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise SystemExit("vm exec: which command? Put it after --")
    return attend(keeper.connect(options.name), command, options.timeout)


def shell(options: argparse.Namespace, command: list[str]) -> int:
    command = command or ["bash"]
    if options.name:
        return attend(keeper.connect(options.name), command, None, terminal.attended())
    with machine(options) as booted:
        return attend(booted.channel, command, None, terminal.attended())


def stop(options: argparse.Namespace, _: list[str]) -> int:
    keeper.stop(options.name)
    return 0


def fetch(options: argparse.Namespace, _: list[str]) -> int:
    print(kernels.prepare(options.kernel, options.again).release)
    return 0


def machine(options: argparse.Namespace) -> Machine:
    return Machine(
        kernel=options.kernel,
        radios=options.radios,
        memory_mib=options.memory,
        output=options.output,
        tree=options.tree,
    )


def attend(
    channel: Channel, command: list[str], timeout_s: float | None, interactive: bool = False
) -> int:
    request = Request(
        command,
        str(Path.cwd()),
        {"TERM": os.environ.get("TERM", "dumb")},
        stdin=not sys.stdin.isatty(),
        terminal=terminal.size() if interactive else None,
    )
    return terminal.relay(channel.open(request.encode()), timeout_s, interactive)


def parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="vm", description=DESCRIPTION, epilog=EPILOG, formatter_class=form
    )
    verbs = top.add_subparsers(metavar="VERB", required=True)

    kernel = argparse.ArgumentParser(add_help=False)
    kernel.add_argument("--kernel", default="6.1", help="6.1 (the default), 6.12, ...")
    booting = argparse.ArgumentParser(add_help=False, parents=[kernel])
    booting.add_argument("--radios", type=int, default=4, metavar="N", help="4 by default")
    booting.add_argument("--memory", type=int, default=2048, metavar="MIB", help="2048 by default")
    booting.add_argument(
        "--output", type=Path, metavar="DIR", help="the directory that both sides may write"
    )
    booting.add_argument(
        "--tree", type=Path, default=REPOSITORY, metavar="DIR", help="what to show uncached"
    )
    limited = argparse.ArgumentParser(add_help=False)
    limited.add_argument("--timeout", type=float, metavar="S", help="kill the command after this")
    calling = argparse.ArgumentParser(add_help=False)
    calling.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", required=True, help="which machine")

    def verb(
        name: str, what: str, action: object, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=what, parents=parents)
        added.set_defaults(verb=action)
        return added

    verb("run", "boot, run one command, power off", run, booting, limited, calling)
    keep = verb("start", "boot a machine that stays, under a name", start, booting, named)
    keep.add_argument(
        "--life",
        type=float,
        default=3600,
        metavar="S",
        help="power off after this; 3600 by default",
    )
    verb("exec", "run a command in a machine that was started", execute, named, limited, calling)
    seated = verb("shell", "a terminal in a machine: a new one, or a named one", shell, booting)
    seated.add_argument("--name", help="a machine that was started")
    seated.add_argument("command", nargs=argparse.REMAINDER, metavar="[-- COMMAND]")
    verb("stop", "power off a machine that was started", stop, named)
    get = verb("fetch", "only download and prepare the kernel", fetch, kernel)
    get.add_argument("--again", action="store_true", help="discard what there is: take the newest")
    return top
