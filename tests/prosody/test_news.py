"""Whatever comes out of the news socket, the module looks again, and then knows the truth."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.prosody.conftest import Room
from tools.lab.laptop import Laptop
from tools.lab.listening import DEADLINE_S

VERSION = {"class": "version", "seq": 1, "protocol": {"major": 1, "minor": 0}}


def line(**what: Any) -> bytes:
    """One line."""
    return json.dumps(what).encode() + b"\n"


HELLO = line(**VERSION)
NOTHING = line(**{"class": "snapshot"}, seq=2, neighbors=[])
ROW = {"ifindex": 1, "address": "02:00:00:00:00:01", "presence": "present", "proximity": "direct"}
SERVICE = {"type": "_xmpp-server._tcp", "port": "x", "txt": 5, "instance": 7}
# Not what the protocol says, but one row of nonsense is no reason to forget the others.
ODD = [
    1,
    "x",
    {"ifindex": "a"},
    {**ROW, "addresses": "x", "claims": 3},
    {**ROW, "addresses": [{"address": "fe80::1%mesh0"}, 5], "claims": [2, {"services": [SERVICE]}]},
]


def hung_up(connection: socket.socket) -> bool:
    """Wait until the other end has closed, with or without having read all."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


class Pretender:
    """A daemon that is none, at the socket of a laptop."""

    def __init__(self, laptop: Laptop) -> None:
        self._path = laptop.home / "run/news.sock"
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._listener.settimeout(DEADLINE_S)

    def accept(self) -> socket.socket:
        """The next time the module connects."""
        connection, _ = self._listener.accept()
        connection.settimeout(DEADLINE_S)
        return connection

    def close(self) -> None:
        """Make way for a real one."""
        self._listener.close()
        self._path.unlink()


@pytest.fixture
def ronaldo(room: Room) -> Laptop:
    """A laptop whose daemon has gone."""
    laptop = room.laptop("ronaldo")
    laptop.told.stop()
    return laptop


@pytest.fixture
def daemon(ronaldo: Laptop) -> Iterator[Pretender]:
    """What is there instead."""
    false = Pretender(ronaldo)
    yield false
    if Path(ronaldo.home / "run/news.sock").exists():
        false.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\n",
        b"\x00\xff\n",
        b"{" * 70000,
        b"[" * 60000 + b"\n",
        NOTHING,
        HELLO + line(**{"class": "snapshot"}, seq=3, neighbors=[]),
        HELLO + line(**{"class": "snapshot"}, seq=2, neighbors=7),
        HELLO + NOTHING + line(**{"class": "changed"}, seq=3),
        HELLO + NOTHING + line(**{"class": "removed"}, seq=3, neighbor=7),
    ],
    ids=["text", "bytes", "endless", "deep", "no version", "gap", "no rows", "no row", "number"],
)
def test_it_hangs_up_and_connects_again(
    ronaldo: Laptop, daemon: Pretender, nonsense: bytes
) -> None:
    with daemon.accept() as connection:
        connection.sendall(nonsense)
        assert hung_up(connection)
    with daemon.accept() as connection:
        connection.sendall(HELLO + NOTHING)
    ronaldo.log_line("closed by meshwatchd")


def test_another_protocol_is_refused(ronaldo: Laptop, daemon: Pretender) -> None:
    with daemon.accept() as connection:
        connection.sendall(line(**{**VERSION, "protocol": {"major": 2, "minor": 0}}))
        assert hung_up(connection)
    ronaldo.log_line("speaks another protocol than version 1")


def test_odd_rows_and_half_lines_hide_nobody(
    room: Room, ronaldo: Laptop, daemon: Pretender
) -> None:
    ana = room.laptop("ana")
    good = {
        **ROW,
        "address": ana.station.address,
        "addresses": [{"address": f"{ana.station.link_local}%mesh0"}],
        "claims": [
            {"services": [{**SERVICE, "port": 5269, "txt": {"domain": ana.domain}, "host": "x"}]}
        ],
    }
    text = HELLO
    text += line(**{"class": "snapshot"}, seq=2, more=True, neighbors=ODD)
    text += line(**{"class": "snapshot"}, seq=3, neighbors=[good])
    text += line(**{"class": "of the future"}, seq=4)
    with daemon.accept() as connection:
        for start in range(0, len(text), 7):
            connection.sendall(text[start : start + 7])
        ronaldo.log_line(f"{ana.domain} is in range")
        connection.sendall(line(**{"class": "removed"}, seq=5, neighbor=good))
        ronaldo.log_line(f"{ana.domain} is out of range")
