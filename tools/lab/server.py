"""A real Prosody on some machine, and the person who chats with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.listening import DEADLINE_S
from tools.lab.person import PASSWORD, ROOT, Machine, Person

MODULES = ROOT / "meshwatch/adapters/prosody"
SUFFIX = "laptop.example"

_CONFIG = """
run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
certificates = "{home}"
plugin_paths = {{ "{modules}", "{plugins}" }}
modules_enabled = {{
    "roster", "saslauth", "tls", "dialback", "disco", "presence", "message", "iq", "ping",
    "offline", "admin_shell", {enabled}
}}
authentication = "internal_plain"
c2s_interfaces = {{ "127.0.0.1" }}
s2s_interfaces = {{ "::" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_secure_auth = {secure}
meshwatch_socket = "{home}/run/news.sock"
meshwatch_domains = {{ "{suffix}" }}
unbound = {{ resolvconf = "{home}/resolv.conf"; hoststxt = "{home}/hosts" }}
{more}
log = {{ {level} = "{home}/prosody.log" }}
VirtualHost "{domain}"
    ssl = {{ key = "{home}/{domain}.key", certificate = "{home}/{domain}.crt" }}
"""


class Server:
    """Prosody, which reads the news of its neighbors from run/news.sock in its home."""

    def __init__(
        self,
        station: Machine,
        home: Path,
        user: str,
        *,
        domain: str | None = None,
        enabled: str = '"meshwatch"',
        secure: bool = True,
        level: str = "debug",
        more: str = "",
        plugins: Path = MODULES,
        start_s: float = DEADLINE_S,
    ) -> None:
        self._start_s = start_s
        self.station = station
        self.home = home
        self.user = user
        self.domain = domain or f"{user}.{SUFFIX}"
        self.jid = f"{user}@{self.domain}"
        self._config = home / "prosody.cfg.lua"
        self._process: subprocess.Popen[bytes] | None = None
        self._person: Person | None = None
        text = _CONFIG.format(
            home=self.home,
            modules=MODULES,
            plugins=plugins,
            enabled=enabled,
            secure="true" if secure else "false",
            suffix=SUFFIX,
            level=level,
            more=more,
            domain=self.domain,
        )
        self._config.write_text(text)

    def __enter__(self) -> Self:
        (self.home / "data").mkdir()
        for name in ("resolv.conf", "hosts"):
            (self.home / name).touch()
        self.make_certificate()
        self.control("register", self.user, self.domain, PASSWORD)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.log_out()
        self.kill()

    def make_certificate(self) -> None:
        """A new self-signed one, as `prosodyctl cert generate` makes."""
        subprocess.run(
            (
                *("openssl", "req", "-x509", "-nodes", "-days", "365", "-newkey", "ec"),
                *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={self.domain}"),
                *("-addext", f"subjectAltName=DNS:{self.domain}"),
                *("-keyout", f"{self.home}/{self.domain}.key"),
                *("-out", f"{self.home}/{self.domain}.crt"),
            ),
            check=True,
            capture_output=True,
        )

    def control(self, *words: str) -> str:
        """prosodyctl, on this machine."""
        if words[0] == "shell":
            self._await_shell()
        program = shutil.which("prosodyctl") or "prosodyctl"
        done = subprocess.run(
            self.station.inside(program, "--config", str(self._config), *words),
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return done.stdout + done.stderr

    # ---- the server ------------------------------------------------------------------------------

    def start(self) -> None:
        """Run Prosody, and wait until it takes connections."""
        program = shutil.which("prosody") or "/usr/bin/prosody"
        self._process = subprocess.Popen(
            self.station.inside(program, "--config", str(self._config), "-F"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.log_line("Activated service 's2s' on", self._start_s)

    def _await_shell(self) -> None:
        """Wait until `prosodyctl shell` finds the server, which is a little later than others."""
        deadline = time.monotonic() + self._start_s
        pause = threading.Event()
        with socket.socket(socket.AF_UNIX) as shell:
            while shell.connect_ex(str(self.home / "data/prosody.sock")):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no shell in {self.home}")
                pause.wait(0.01)

    def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End Prosody, by default without a chance to say or write anything."""
        if self._process is not None:
            self._process.send_signal(with_signal)
            self._process.wait(DEADLINE_S)
            self._process = None
            (self.home / "prosody.log").rename(self.home / f"prosody-{time.monotonic_ns()}.log")
            (self.home / "prosody.pid").unlink(missing_ok=True)

    def log_line(self, text: str, seconds: float = DEADLINE_S) -> str:
        """Wait until this is in the log of this run."""
        log = self.home / "prosody.log"
        deadline = time.monotonic() + seconds
        waiting = threading.Event()
        while time.monotonic() < deadline:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            for line in lines:
                if text in line:
                    return line
            waiting.wait(0.01)
        raise TimeoutError(f"{text!r} never came in {log}")

    def held(self) -> int:
        """How many stanzas wait on the disk."""
        return len(list((self.home / "data/meshwatch/outbox").glob("*/*/*.xml")))

    def holds(self, count: int) -> None:
        """Wait until so many stanzas are on the disk."""
        deadline = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while self.held() != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.held()} held, not {count}")
            pause.wait(0.01)

    # ---- the person ------------------------------------------------------------------------------

    @property
    def person(self) -> Person:
        """Who is logged in here; logs in when first asked for."""
        if self._person is None:
            self._person = Person(self.station, self.jid)
            self._person.wait(lambda e: e["event"] == "ready", self._start_s)
        return self._person

    def log_out(self) -> None:
        """The person shuts the messenger."""
        if self._person is not None:
            self._person.close()
            self._person = None


def befriend(one: Server, other: Server) -> None:
    """Each is on the other's list and sees the other online; nothing is under way any more."""
    here, there = one.person, other.person
    here.subscribe(other.jid)
    here.sees(other.jid, "available")
    there.sees(one.jid, "available")
    one.holds(0)
    other.holds(0)
