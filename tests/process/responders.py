"""What neighbors have that answer for their names: avahi and python-zeroconf, the real ones."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.process.air import Air

_CONFIGURATION = """\
[server]
host-name={host}
use-ipv4=no
use-ipv6=yes
allow-interfaces=far
enable-dbus=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
_GROUP = """\
<?xml version="1.0" standalone='no'?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>{instance}</name><service><type>{type}</type><port>{port}</port>{txt}</service>
</service-group>
"""
# It keeps a file in /run/avahi-daemon, and its services are always those in /etc/avahi/services.
_RUN = """
mkdir -p /run/avahi-daemon
mount -t tmpfs none /run/avahi-daemon
mount --bind "$1/services" /etc/avahi/services
exec avahi-daemon -f "$1/avahi.conf" --no-drop-root --no-chroot --no-rlimits
"""
_ZEROCONF = """
import signal, socket, sys
from zeroconf import IPVersion, ServiceInfo, Zeroconf
host, address, *services = sys.argv[1:]
responder = Zeroconf([socket.if_nametoindex("far")], ip_version=IPVersion.V6Only)
for service in services:
    type_, instance, port, *txt = service.split("|")
    responder.register_service(ServiceInfo(
        f"{type_}.local.", f"{instance}.{type_}.local.", int(port),
        properties=dict(pair.split("=", 1) for pair in txt), server=f"{host}.local.",
        addresses=[socket.inet_pton(socket.AF_INET6, address)],
    ))
print("registered", flush=True)
signal.pause()
"""

# type, instance, port, pairs of the TXT record
Offer = tuple[str, str, int, dict[str, str]]


@asynccontextmanager
async def avahi(air: Air, place: Path, host: str, *offers: Offer) -> AsyncIterator[None]:
    """A neighbor with avahi at the far end of the wire; its names are checked for a second."""
    (place / "services").mkdir(exist_ok=True)
    (place / "avahi.conf").write_text(_CONFIGURATION.format(host=host))
    for number, (type_, instance, port, txt) in enumerate(offers):
        records = "".join(f"<txt-record>{key}={value}</txt-record>" for key, value in txt.items())
        text = _GROUP.format(type=type_, instance=instance, port=port, txt=records)
        (place / "services" / f"{number}.service").write_text(text)
    command = ["unshare", "--mount", "sh", "-e", "-c", _RUN, "sh", str(place)]
    async with _running(await air.spawn(command)) as process:
        await _line(process.stderr, "Server startup complete")
        yield


@asynccontextmanager
async def zeroconf(air: Air, host: str, address: str, *offers: Offer) -> AsyncIterator[None]:
    """A neighbor with python-zeroconf at the far end of the wire, and this IPv6 address."""
    services = [
        "|".join((type_, instance, str(port), *(f"{key}={value}" for key, value in txt.items())))
        for type_, instance, port, txt in offers
    ]
    command = [sys.executable, "-c", _ZEROCONF, host, address, *services]
    async with _running(await air.spawn(command)) as process:
        await _line(process.stdout, "registered")
        yield


async def _line(stream: asyncio.StreamReader | None, part: str) -> None:
    assert stream is not None
    log = ""
    while line := (await stream.readline()).decode():
        log += line
        if part in line:
            return
    raise AssertionError(f"ended without {part!r}:\n{log}")


@asynccontextmanager
async def _running(
    process: asyncio.subprocess.Process,
) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
