"""A laptop: a machine on the air with a real Prosody, and a person who chats on it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meshwatch.model import Neighbor
from tools.lab.air import Station
from tools.lab.told import Told, neighbor

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "meshwatch/adapters/prosody"
SUFFIX = "laptop.example"
PASSWORD = "secret"
DEADLINE_S = 30

_CONFIG = """
run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
certificates = "{home}"
plugin_paths = {{ "{modules}" }}
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

Event = dict[str, Any]


class Person:
    """Who chats: gives orders to tools.lab.chat and reads what it shows."""

    def __init__(self, station: Station, jid: str) -> None:
        self.jid = jid
        self.events: list[Event] = []
        self._news: queue.Queue[Event] = queue.Queue()
        self._process = subprocess.Popen(
            station.inside(sys.executable, "-m", "tools.lab.chat", jid, PASSWORD),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            self.events.append(event)
            self._news.put(event)

    def _order(self, line: str) -> float:
        assert self._process.stdin is not None
        ordered_at = time.monotonic()
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return ordered_at

    def say(self, to: str, text: str) -> float:
        """Send a message; when, on the monotonic clock."""
        return self._order(f"say {to} {text}")

    def subscribe(self, to: str) -> None:
        """Ask to see somebody."""
        self._order(f"subscribe {to}")

    def wait(self, wanted: Callable[[Event], bool], seconds: float = DEADLINE_S) -> Event:
        """The next event that is wanted; others before it are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._news.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                shown = self.events[-5:]
                raise TimeoutError(f"{self.jid} was not shown that; last was {shown}") from None
            if wanted(event):
                return event

    def sees(self, jid: str, presence: str, seconds: float = DEADLINE_S) -> Event:
        """Wait until somebody is shown as "available" or "unavailable"."""
        return self.wait(
            lambda e: e["event"] == "presence" and e["by"] == jid and e["type"] == presence,
            seconds,
        )

    def reads(self, body: str, seconds: float = DEADLINE_S) -> Event:
        """Wait for this message."""
        return self.wait(
            lambda e: e["event"] == "message" and e["type"] == "chat" and e["body"] == body, seconds
        )

    def bodies(self) -> list[str]:
        """All messages so far, in the order in which they came."""
        return [e["body"] for e in self.events if e["event"] == "message" and e["type"] == "chat"]

    def errors(self) -> list[Event]:
        """All messages that came back."""
        return [e for e in self.events if e["event"] == "message" and e["type"] == "error"]

    def close(self) -> None:
        """Log out."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()


class Laptop:
    """Prosody on a machine of the air, with a table of neighbors that the test writes."""

    def __init__(
        self,
        station: Station,
        home: Path,
        user: str,
        *,
        domain: str | None = None,
        enabled: str = '"meshwatch"',
        secure: bool = True,
        level: str = "debug",
        more: str = "",
    ) -> None:
        self.station = station
        self.home = home
        self.user = user
        self.domain = domain or f"{user}.{SUFFIX}"
        self.jid = f"{user}@{self.domain}"
        self.told = Told(home / "run")
        self._config = home / "prosody.cfg.lua"
        self._process: subprocess.Popen[bytes] | None = None
        self._person: Person | None = None
        text = _CONFIG.format(
            home=self.home,
            modules=MODULES,
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
        self.told.__enter__()
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
        self.told.__exit__(kind, error, trace)

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
        self.log_line("Activated service 's2s' on")

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
            self._person.wait(lambda e: e["event"] == "ready")
        return self._person

    def log_out(self) -> None:
        """The person shuts the messenger."""
        if self._person is not None:
            self._person.close()
            self._person = None

    # ---- what meshwatchd tells here --------------------------------------------------------------

    def row(self, other: Laptop, **words: Any) -> Neighbor:
        """What our table says of another laptop."""
        return neighbor(other.station.address, other.station.link_local, other.domain, **words)

    def meets(self, other: Laptop, **words: Any) -> float:
        """Our meshwatchd tells that the other came; when, on the monotonic clock."""
        return self.told.say(self.row(other, **words))

    def loses(self, other: Laptop) -> float:
        """Our meshwatchd tells that the other left; when, on the monotonic clock."""
        return self.told.gone(self.row(other))


def meet(one: Laptop, other: Laptop, skew_s: float = 0) -> float:
    """They come into range: the first learns of it ``skew_s`` before the second."""
    one.station.enter()
    other.station.enter()
    told_at = one.meets(other)
    if skew_s:
        threading.Event().wait(skew_s)
    other.meets(one)
    return told_at


def part(one: Laptop, other: Laptop, skew_s: float = 0) -> float:
    """The second walks away; the first learns of it ``skew_s`` before the second does."""
    other.station.leave()
    told_at = one.loses(other)
    if skew_s:
        threading.Event().wait(skew_s)
    other.loses(one)
    return told_at


def befriend(one: Laptop, other: Laptop) -> None:
    """Each is on the other's list and sees the other online; nothing is under way any more."""
    here, there = one.person, other.person
    here.subscribe(other.jid)
    here.sees(other.jid, "available")
    there.sees(one.jid, "available")
    one.holds(0)
    other.holds(0)
