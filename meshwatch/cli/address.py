"""The verb address: give a mesh interface a unique local address that the others can derive.

Link-local addresses, which every interface has, mean something only together with the name of
an interface, and some programs cannot be told that. It runs ip(8) and sets a variable of the
kernel: the act of an administrator, as with the verb monitor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from meshwatch.cli import programs
from meshwatch.cli.exits import Exit
from meshwatch.cli.programs import Refused
from meshwatch.cli.view import Names
from meshwatch.eui64 import derived

_GLOBAL_ID_BYTES, _BELOW_GLOBAL_ID_BITS = 5, 80  # RFC 4193 3.1
_UNIQUE_LOCAL = 0xFD << 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    acts = parser.add_subparsers(title="acts", metavar="ACT", dest="act", required=True)
    for name, summary in (
        ("add", "give the interface its unique local address"),
        ("remove", "take it away"),
    ):
        act = acts.add_parser(name, help=summary)
        act.add_argument("interface", metavar="INTERFACE", help="a mesh interface")
        act.add_argument(
            "--mesh",
            metavar="ID",
            help="what the prefix is made of, the same on all machines of the mesh "
            "(default: the name of the interface)",
        )


def run(arguments: argparse.Namespace, names: Names) -> Exit:
    """Do one act, or say why not."""
    interface = arguments.interface
    mesh = interface if arguments.mesh is None else arguments.mesh
    try:
        print((_add if arguments.act == "add" else _remove)(interface, mesh))
    except Refused as error:
        print(f"meshwatch: {error}", file=sys.stderr)
        return Exit.REFUSED
    return Exit.OK


def prefix(mesh: str) -> IPv6Network:
    """The prefix of unique local addresses (RFC 4193) that everybody derives for this mesh.

    The RFC wants a random global ID, so that networks that meet do not clash; one on which
    machines agree without a word cannot be random. This one is the first 40 bits of the SHA-256
    of ``meshwatch ID`` in UTF-8: as unlikely to clash as a random one, if the ID is no common word.
    """
    digest = hashlib.sha256(f"meshwatch {mesh}".encode(errors="surrogateescape")).digest()
    global_id = int.from_bytes(digest[:_GLOBAL_ID_BYTES])
    return IPv6Network((_UNIQUE_LOCAL | global_id << _BELOW_GLOBAL_ID_BITS, 64))


def _add(interface: str, mesh: str) -> str:
    ip, there = _derived(interface, mesh)
    if not there:
        programs.run("ip", "-6", "address", "add", f"{ip}/64", "dev", interface)
    # With the interface down, the kernel forgets its addresses (net/ipv6/addrconf.c), and nothing
    # would tell us when to give ours again.
    kept = _setting(interface, "keep_addr_on_down")
    try:
        kept.write_text("1")
    except OSError as error:
        # Where /proc/sys is read-only, as in many containers, it is of use all the same.
        lost = f"the address will be lost when {interface} is set down"
        print(f"meshwatch: {lost}: {kept}: {error.strerror}", file=sys.stderr)
    return f"{interface} has {ip}" + (", it had it already" if there else "")


def _setting(interface: str, name: str) -> Path:
    """A variable of the kernel's; ip(8) knows interfaces by other names than it does."""
    (found,) = _listed("link", "show", "dev", interface)
    return Path("/proc/sys/net/ipv6/conf") / str(found["ifname"]) / name


def _remove(interface: str, mesh: str) -> str:
    ip, there = _derived(interface, mesh)
    if not there:
        raise Refused(f"{interface} has no {ip}")
    programs.run("ip", "-6", "address", "del", f"{ip}/64", "dev", interface)
    return f"{interface} has {ip} no more"


def _derived(interface: str, mesh: str) -> tuple[str, bool]:
    """The address that the interface should have, and whether it has it."""
    (found,) = _listed("address", "show", "dev", interface)
    if found.get("link_type") != "ether":
        raise Refused(f"{interface} has no hardware address of an Ethernet")
    ip = derived(prefix(mesh), found["address"])
    return ip, any(info.get("local") == ip for info in found.get("addr_info", ()))


def _listed(*words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(programs.run("ip", "-json", *words))
    return [entry for entry in listed if entry]  # some versions leave empty ones in
