"""A person at a messenger on some machine: what they say, and what they are shown."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tools.lab.listening import DEADLINE_S, Event, Listener

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "secret"
ROSTER = "jabber:iq:roster"


class Machine(Protocol):
    """Where programs run."""

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command, to be run on this machine."""


class Person:
    """Who chats: gives orders to tools.lab.chat and reads what it shows."""

    def __init__(self, machine: Machine, jid: str) -> None:
        self.jid = jid
        self._process = subprocess.Popen(
            machine.inside(sys.executable, "-m", "tools.lab.chat", jid, PASSWORD),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._shown = Listener(jid, self._process.stdout, json.loads)
        self.wait, self.find = self._shown.wait, self._shown.find

    @property
    def events(self) -> list[Event]:
        """All that was shown so far."""
        return self._shown.events

    def _order(self, line: str) -> float:
        assert self._process.stdin is not None
        ordered_at = time.monotonic()
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return ordered_at

    def say(self, to: str, text: str, *, hint: str = "") -> float:
        """Send a message, maybe with a hint how to keep it; when, on the monotonic clock."""
        return self._order(f"say{':' + hint if hint else ''} {to} {text}")

    def subscribe(self, to: str) -> None:
        """Ask to see somebody."""
        self._order(f"subscribe {to}")

    def tell(self, to: str, presence: str = "") -> None:
        """Show presence to somebody, on the list or not; or, with its type, say something by it."""
        self._order(f"presence:{presence} {to}")

    def enter(self, jid: str, **attributes: str) -> None:
        """Put somebody on the list under a name, in no group; or off it (subscription="remove")."""
        words = " ".join(f'{key}="{value}"' for key, value in attributes.items())
        self._order(f'query:set <query xmlns="{ROSTER}"><item jid="{jid}" {words}/></query>')
        self.wait(lambda e: e["event"] == "answer" and e["type"] == "result")

    def fetch_list(self, version: str) -> str:
        """What the server answers to who has this version of the list already (RFC 6121 2.6)."""
        self._order(f'query:get <query xmlns="{ROSTER}" ver="{version}"/>')
        text: str = self.wait(lambda e: e["event"] == "answer" and e["type"] == "result")["text"]
        return text

    def hesitate(self) -> None:
        """Accept nobody by oneself any more."""
        self._order("hesitate: -")

    def sees(self, jid: str, presence: str, seconds: float = DEADLINE_S) -> Event:
        """Wait until somebody is shown as "available" or "unavailable"."""
        return self.wait(shows(jid, presence), seconds)

    def reads(self, body: str, seconds: float = DEADLINE_S) -> Event:
        """Wait for this message."""
        return self.wait(brings(body), seconds)

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
        self._shown.join()
        self._process.stdin.close()
        self._process.stdout.close()


def shows(jid: str, presence: str) -> Callable[[Event], bool]:
    """Whether an event is that somebody is shown as "available" or "unavailable"."""
    return lambda e: e["event"] == "presence" and e["by"] == jid and e["type"] == presence


def brings(body: str) -> Callable[[Event], bool]:
    """Whether an event is this message."""
    return lambda e: e["event"] == "message" and e["type"] == "chat" and e["body"] == body
