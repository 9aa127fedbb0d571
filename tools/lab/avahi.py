"""Avahi on one of several machines that share their files: what it is told, and its start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_CONFIGURATION = """\
[server]
host-name={host}
use-ipv4=no
use-ipv6=yes
allow-interfaces=mesh0
[publish]
publish-hinfo=no
publish-workstation=no
"""
_SERVICE = """\
<?xml version="1.0" standalone='no'?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>{0.instance}</name>
<service><type>{0.type}</type><port>{0.port}</port>{txt}</service></service-group>
"""
# It keeps a file in /run/avahi-daemon, and its services are always those in /etc/avahi/services.
_RUN = """
mkdir -p /run/avahi-daemon
mount -t tmpfs none /run/avahi-daemon
mount --bind "$0/services" /etc/avahi/services
exec avahi-daemon -f "$0/avahi.conf" --no-drop-root --no-chroot --no-rlimits
"""


class Service(NamedTuple):
    """What is offered to the others."""

    instance: str
    type: str
    port: int
    txt: str = ""


def command(home: Path, host: str, services: Iterable[Service]) -> tuple[str, ...]:
    """The words that start it, as root in a mount namespace of its own, on the system bus; its
    files are written into ``home``."""
    (home / "avahi.conf").write_text(_CONFIGURATION.format(host=host))
    (home / "services").mkdir()
    for number, service in enumerate(services):
        txt = f"<txt-record>{service.txt}</txt-record>" if service.txt else ""
        text = _SERVICE.format(service, txt=txt)
        (home / "services" / f"{number}.service").write_text(text)
    return ("sh", "-ec", _RUN, str(home))
