"""What makes a machine know its neighbors, all real: a bus, meshwatchd, its agent, and avahi."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.listening import Event
from tools.lab.news import News
from tools.lab.person import ROOT, Machine

# As the units give it: nothing at all, or frames of a monitor interface and echoes.
BARE, TAP = "-all", "-all,+net_raw"
# On an emulated processor, where the import of pyroute2 alone takes some 8 s.
START_S = 180.0

_AVAHI = """\
[server]
host-name={host}
use-ipv4=no
use-ipv6=yes
allow-interfaces=mesh0
enable-dbus=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
_SERVICE = """\
<?xml version="1.0" standalone='no'?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>{instance}</name><service><type>_xmpp-server._tcp</type><port>5269</port>
<txt-record>domain={domain}</txt-record></service></service-group>
"""
# It keeps a file in /run/avahi-daemon, and its services are always those in /etc/avahi/services.
_RUN_AVAHI = """
mkdir -p /run/avahi-daemon
mount -t tmpfs none /run/avahi-daemon
mount --bind "$0/services" /etc/avahi/services
exec avahi-daemon -f "$0/avahi.conf" --no-drop-root --no-chroot --no-rlimits
"""


class Watching:
    """These programs, as long as a block lasts; what they say is in their logs in ``home``."""

    def __init__(
        self, machine: Machine, home: Path, host: str, domain: str, capabilities: str = TAP
    ) -> None:
        self._machine = machine
        self._home = home
        self._capabilities = capabilities
        self._runtime = home / "run"
        self._bus = f"unix:path={self._runtime}/bus"
        self._stack = ExitStack()
        self.news = News(self._runtime / "news.sock", START_S)
        (home / "services").mkdir()
        (home / "avahi.conf").write_text(_AVAHI.format(host=host))
        service = _SERVICE.format(instance=host, domain=domain)
        (home / "services" / "xmpp-server.service").write_text(service)

    def __enter__(self) -> Self:
        self._runtime.mkdir()
        shutil.chown(self._runtime, "nobody")
        words = ("--session", "--nofork", "--nopidfile", f"--address={self._bus}")
        self._start("bus", *unprivileged(BARE), "dbus-daemon", *words)
        self._start("avahi", "sh", "-ec", _RUN_AVAHI, str(self._home))
        directory = ("--runtime-directory", str(self._runtime))
        daemon = (sys.executable, "-m", "meshwatch.daemon", "--bus", self._bus, *directory)
        self._start("meshwatchd", *unprivileged(self._capabilities), *daemon)
        agent = (sys.executable, "-m", "meshwatch.cli", *directory, "agent", "--no-hooks")
        self._start("agent", *unprivileged(BARE), *agent)
        return self

    def _start(self, name: str, *command: str) -> None:
        with (self._home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self._machine.inside(*command), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def listen(self) -> None:
        """Subscribe, and wait for the first snapshot."""
        self._stack.enter_context(self.news)
        self.news.find(lambda line: line["class"] == "snapshot", 0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def sources(self) -> dict[str, str | None]:
        """What each source last said of itself: None is well."""
        health: dict[str, str | None] = {}
        for line in self.news.lines:
            rows: list[Event] = line.get("sources", [])
            if line["class"] == "source":
                rows = [line["source"]]
            health |= {row["source"]: row.get("failure") for row in rows}
        return health

    def on_the_bus(self, address: str) -> str:
        """The presence of a neighbor there, or why there is none."""
        path = f"/org/meshwatch/mesh0/n_{address.replace(':', '_')}"
        words = ("get-property", "org.meshwatch", path, "org.meshwatch.Neighbor1", "Presence")
        done = subprocess.run(
            self._machine.inside(*unprivileged(BARE), "busctl", f"--address={self._bus}", *words),
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return (done.stdout or done.stderr).strip()


def unprivileged(capabilities: str) -> tuple[str, ...]:
    """The words that start a program as nobody, with these capabilities and no way to others."""
    return (
        *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"),
        *(f"--{what}={capabilities}" for what in ("inh-caps", "ambient-caps", "bounding-set")),
    )
