"""What Prosody alone gets, to do as well as it can: addresses, host names, a DNS that answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.lab.person import Machine

MODULES = '"s2s_bidi", "smacks"'

# Prosody asks for SRV records first, and without a DNS server waits a minute for the roots.
_NAMES_NOBODY = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
    dns.bind(("127.0.0.1", 53))
    while True:
        question, asker = dns.recvfrom(512)
        head = question[:2] + bytes((0x81, 0x83)) + question[4:6] + bytes(6)
        dns.sendto(head + question[12:], asker)
"""


def give_address(machine: Machine, address: str) -> None:
    """Give mesh0 this unique local address: host names in a file cannot have a scope."""
    command = ("ip", "addr", "add", f"{address}/64", "dev", "mesh0", "nodad")
    subprocess.run(machine.inside(*command), check=True)


def tell_names(home: Path, addresses: Mapping[str, str]) -> None:
    """Write the files of a server from which it learns where domains are; read at its start."""
    lines = (f"{address} {domain}\n" for domain, address in addresses.items())
    (home / "hosts").write_text("".join(lines))
    (home / "resolv.conf").write_text("nameserver 127.0.0.1\n")


def name_nobody(machine: Machine) -> subprocess.Popen[bytes]:
    """A DNS server that knows nothing else, and says so at once; runs until it is killed."""
    return subprocess.Popen(machine.inside(sys.executable, "-c", _NAMES_NOBODY))
