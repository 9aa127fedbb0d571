"""What makes machines know each other, all real: a bus, avahi, meshwatchd and its agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab import avahi
from tools.lab.listening import Event, until
from tools.lab.news import News
from tools.lab.person import ROOT, Machine

# As the units give it: nothing at all, or frames of a monitor interface and echoes.
BARE, TAP = "-all", "-all,+net_raw"
# On an emulated processor, where the import of pyroute2 alone takes some 8 s.
START_S = 180.0

# As the system's bus, it admits every user.
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>{address}</listen><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>
"""


class Watching:
    """These programs, as long as a block lasts; what they say is in their logs in ``home``."""

    def __init__(
        self,
        machine: Machine,
        home: Path,
        host: str,
        services: Iterable[avahi.Service],
        capabilities: str | None = TAP,
        *duties: str,
    ) -> None:
        """Without capabilities there is no meshwatchd, only avahi; duties are of the agent."""
        self.runtime = home / "run"
        self._machine = machine
        self._home = home
        self._capabilities = capabilities
        self._duties = duties
        self._bus = f"unix:path={self.runtime}/bus"
        self._avahi = avahi.command(home, host, services)
        self._stack = ExitStack()
        self.news = News(self.runtime / "news.sock", START_S)

    def __enter__(self) -> Self:
        self.runtime.mkdir()
        shutil.chown(self.runtime, "nobody")
        config = self._home / "bus.conf"
        config.write_text(_BUS.format(address=self._bus))
        words = (f"--config-file={config}", "--nofork", "--nopidfile", "--print-address")
        bus = (*unprivileged(BARE), "dbus-daemon", *words)
        stdout = self._start("bus", *bus, said=subprocess.PIPE).stdout
        assert stdout is not None
        stdout.readline()  # it listens
        self._start("avahi", *self.finding_the_bus(), *self._avahi)
        if self._capabilities is None:
            return self
        directory = ("--runtime-directory", str(self.runtime))
        daemon = (sys.executable, "-m", "meshwatch.daemon", "--bus", self._bus, *directory)
        self._start("meshwatchd", *unprivileged(self._capabilities), *daemon)
        agent = (sys.executable, "-m", "meshwatch.cli", *directory, "agent", "--no-hooks")
        self._start("agent", *unprivileged(BARE), *agent, *self._duties)
        return self

    def _start(self, name: str, *command: str, said: int | None = None) -> subprocess.Popen[bytes]:
        with (self._home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self._machine.inside(*command), cwd=ROOT, stdout=said or log, stderr=log
            )
        self._stack.enter_context(process)
        self._stack.callback(process.terminate)
        return process

    def announces(self) -> None:
        """Wait until avahi does."""
        log = self._home / "avahi.log"
        until(lambda: "Server startup complete" in log.read_text(), START_S)

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

    def finding_the_bus(self) -> tuple[str, ...]:
        """The words that start a program for which this bus is that of system and session."""
        kinds = ("SYSTEM", "SESSION")
        return ("env", *(f"DBUS_{kind}_BUS_ADDRESS={self._bus}" for kind in kinds))

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
