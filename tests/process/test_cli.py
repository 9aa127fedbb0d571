"""meshwatch(1) as a process, against a table served on real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.process.served_table import DEADLINE_S, ServedTable

ANNA, BEN = "02:00:00:00:00:01", "02:00:00:00:00:02"
MESHWATCH = (sys.executable, "-m", "meshwatch.cli")
VERSION = (
    b'{"class":"version","seq":1,"protocol":{"major":1,"minor":0},"release":"0.1.0","boot":"b",'
    b'"started_unix_ms":1}\n'
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedTable]:
    with ServedTable(tmp_path) as table:
        yield table


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names"
    path.write_text(f"{ANNA} anna\n")
    return path


def run(directory: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MESHWATCH, "--runtime-directory", directory, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


class Watch:
    """A running ``meshwatch watch``, its output read line by line with a deadline."""

    def __init__(self, directory: Path, *words: str | Path) -> None:
        command = [*MESHWATCH, "--runtime-directory", directory, *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def await_line(self, *parts: str, errors: bool = False) -> str:
        """The next line that has all these parts."""
        stream = self.process.stderr if errors else self.process.stdout
        assert stream is not None
        return self._await_line(stream, parts)

    def _await_line(self, stream: IO[str], parts: tuple[str, ...]) -> str:
        alarm = signal.signal(signal.SIGALRM, _too_late)
        signal.alarm(DEADLINE_S)
        try:
            while line := stream.readline():
                if all(part in line for part in parts):
                    return line
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        raise AssertionError(f"ended without a line with {parts}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


def _too_late(number: int, frame: object) -> None:
    raise TimeoutError(f"no such line within {DEADLINE_S} s")


# ---- list ---------------------------------------------------------------------------------------


def test_list(served: ServedTable, names: Path) -> None:
    served.settle("mesh0")
    served.present(ANNA)
    served.present(BEN)
    done = run(served.directory, "--names", names, "list")
    assert (done.returncode, done.stderr) == (0, "")
    heading, ben, anna = done.stdout.splitlines()
    assert heading.split()[:2] == ["NEIGHBOR", "STATE"]
    assert ben.split()[:4] == [BEN, "present", "estab", "128"]
    assert anna.split()[:4] == ["anna", "present", "estab", "128"]
    assert ANNA in anna
    assert "\x1b" not in done.stdout


def test_list_of_nobody(served: ServedTable) -> None:
    served.settle("mesh0")
    done = run(served.directory, "list")
    assert (done.returncode, done.stdout) == (1, "mesh0 is up, nobody in range yet.\n")


def test_list_without_an_interface(served: ServedTable) -> None:
    served.settle()
    done = run(served.directory, "list")
    assert done.returncode == 1
    assert done.stdout.startswith("There is no mesh interface on this machine.")


def shape(document: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in document.items()}


SHAPE = {"daemon": dict, "interfaces": list, "sources": list, "neighbors": list}


@pytest.mark.parametrize("neighbors", [(), (ANNA,), (ANNA, BEN)])
def test_a_document_has_one_shape(
    served: ServedTable, names: Path, neighbors: tuple[str, ...]
) -> None:
    served.settle("mesh0")
    for address in neighbors:
        served.present(address)
    done = run(served.directory, "--names", names, "list", "--json")
    document = json.loads(done.stdout)
    assert shape(document) == SHAPE
    assert {row["address"] for row in document["neighbors"]} == set(neighbors)
    assert [row["interface"] for row in document["interfaces"]] == ["mesh0"]
    assert document["daemon"]["release"] == "0.1.0"
    assert {row.get("alias") for row in document["neighbors"] if row["address"] == ANNA} <= {"anna"}
    assert "null" not in done.stdout


def test_a_replay_is_labelled(tmp_path: Path) -> None:
    with ServedTable(tmp_path, replay="demo.pcapng") as served:
        served.settle("mesh0")
        served.present(ANNA)
        assert run(tmp_path, "list").stdout.splitlines()[0] == "replaying demo.pcapng"
        assert run(tmp_path, "show", ANNA).stdout.splitlines()[0] == "replaying demo.pcapng"
        document = json.loads(run(tmp_path, "list", "--json").stdout)
        assert document["daemon"]["replay"] == "demo.pcapng"
        with Watch(tmp_path, "watch") as watch:
            assert watch.await_line("meshwatchd").endswith(", replaying demo.pcapng\n")


# ---- show ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [ANNA, "anna", "ANNA", "2:0:0:0:0:1", "02:00:00:00:00:01"])
def test_show(served: ServedTable, names: Path, wanted: str) -> None:
    served.settle("mesh0")
    served.present(ANNA)
    served.present(BEN)
    done = run(served.directory, "--names", names, "show", wanted)
    assert done.returncode == 0
    headline, *facts = done.stdout.splitlines()
    assert headline == f"anna, {ANNA} on mesh0"
    known = {line[2:15].strip(): line[16:] for line in facts}
    assert known["state"].startswith("present since ")
    assert known["reason"] == "peer link established"
    assert known["peer link"] == "estab, our id 4711, its id 815"
    assert known["signal"] == "-61 dBm last, -60 dBm average"
    assert known["rates"] == "54 Mb/s sent, 866.7 Mb/s received"
    assert known["metric"] == "128, 1.3 ms of air per 1 kB sent"
    assert known["received"] == "12345 frames, 1.2 MB"


def test_show_by_the_beginning_of_an_address(served: ServedTable) -> None:
    served.settle("mesh0", "mesh1")
    served.present(ANNA, "mesh0")
    served.present(ANNA, "mesh1")
    served.present(BEN, "mesh1")
    done = run(served.directory, "show", "02:00:00:00:00:01")
    assert [line for line in done.stdout.splitlines() if line[0] != " "] == [
        f"{ANNA} on mesh0",
        f"{ANNA} on mesh1",
    ]
    document = json.loads(run(served.directory, "show", "--json", "02:").stdout)
    assert len(document["neighbors"]) == 3


def test_show_of_an_interface(served: ServedTable) -> None:
    served.settle("mesh0", "mesh1")
    served.present(ANNA, "mesh1")
    done = run(served.directory, "show", "mesh1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == [
        "mesh1, 02:00:00:00:01:ff",
        "  state         up and joined",
    ]
    assert done.stdout.splitlines()[-1] == "  in the table  1 neighbor"
    done = run(served.directory, "show", "--json", "mesh1")
    assert (done.returncode, shape(json.loads(done.stdout))) == (0, SHAPE)
    assert json.loads(done.stdout)["neighbors"] == []


def test_show_of_a_stranger(served: ServedTable) -> None:
    served.settle("mesh0")
    served.present(BEN)
    done = run(served.directory, "show", ANNA)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{ANNA} is not in range (1 neighbor known)" in done.stderr
    done = run(served.directory, "show", "--json", ANNA)
    assert done.returncode == 1
    assert shape(json.loads(done.stdout)) == SHAPE
    assert json.loads(done.stdout)["neighbors"] == []


# ---- watch --------------------------------------------------------------------------------------


def test_watch_lines(served: ServedTable, names: Path) -> None:
    served.settle("mesh0")
    served.present(BEN)
    with Watch(served.directory, "--names", names, "watch") as watch:
        watch.await_line(" ! meshwatchd 0.1.0 answers")
        watch.await_line(f" = mesh0 {BEN}: present, peer link established")
        served.present(ANNA)
        watch.await_line(" + mesh0 anna: present, peer link established")
        served.deleted(ANNA)
        watch.await_line(" - mesh0 anna: present -> gone, deleted by the kernel")
        assert watch.interrupt() == 0


def test_watch_goes_on_with_the_next_daemon(tmp_path: Path) -> None:
    with ServedTable(tmp_path) as served:
        served.settle("mesh0")
        served.present(ANNA)
        served.present(BEN)
        watch = Watch(tmp_path, "watch", "--lines")
        watch.await_line(f" = mesh0 {BEN}")
    with watch:
        watch.await_line(" ! lost meshwatchd (")
        with ServedTable(tmp_path) as served:
            served.settle("mesh0")
            served.present(BEN)
            watch.await_line(" ! meshwatchd 0.1.0 is back")
            watch.await_line(f" - mesh0 {ANNA}: present -> gone")
            assert watch.interrupt() == 0


def test_watch_json_passes_the_lines_on(served: ServedTable) -> None:
    served.settle("mesh0")
    with Watch(served.directory, "watch", "--json") as watch:
        assert json.loads(watch.await_line("{"))["class"] == "version"
        assert json.loads(watch.await_line("{"))["class"] == "snapshot"
        served.present(ANNA)
        changed = json.loads(watch.await_line("{"))
        assert (changed["class"], changed["neighbor"]["address"]) == ("changed", ANNA)
        assert watch.interrupt() == 0


def test_watch_json_goes_on_with_the_next_daemon(tmp_path: Path) -> None:
    with ServedTable(tmp_path) as served:
        served.settle("mesh0")
        watch = Watch(tmp_path, "watch", "--json", "--readings")
        watch.await_line('"class":"snapshot"')
    with watch:
        watch.await_line("lost meshwatchd", errors=True)
        with ServedTable(tmp_path) as served:
            served.settle("mesh0")
            assert json.loads(watch.await_line("{"))["class"] == "version"
            watch.await_line("meshwatchd is back", errors=True)
            assert watch.interrupt() == 0


def test_watch_json_is_patient_with_a_daemon_that_only_hangs_up(tmp_path: Path) -> None:
    """As one does that has as many subscribers as it takes."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "news.sock"))
        server.listen()
        server.settimeout(DEADLINE_S)
        with Watch(tmp_path, "watch", "--json") as watch:
            for _ in range(5):
                server.accept()[0].close()
            hung_up_s = time.monotonic()
            connection, _ = server.accept()
            assert time.monotonic() - hung_up_s > 1.2  # after 0.1, 0.2, 0.4 and 0.8 s
            connection.sendall(VERSION)
            assert json.loads(watch.await_line("{"))["class"] == "version"
            connection.close()
            server.settimeout(2.5)  # not 3.2 s: it was there
            server.accept()[0].close()
            watch.process.kill()
            assert watch.process.stderr is not None
            assert watch.process.stderr.read().splitlines()[:3] == [
                "meshwatch: lost meshwatchd, waiting",
                "meshwatch: meshwatchd is back",
                "meshwatch: lost meshwatchd, waiting",
            ]


def test_a_reader_that_goes_away_ends_watch_quietly(served: ServedTable) -> None:
    served.settle("mesh0")
    for words in (("watch",), ("watch", "--json")):
        watch = Watch(served.directory, *words)
        watch.await_line("mesh0")
        assert watch.process.stdout is not None
        watch.process.stdout.close()
        end = time.monotonic() + DEADLINE_S
        while watch.process.poll() is None and time.monotonic() < end:
            served.present(ANNA)
            served.deleted(ANNA)
            try:
                watch.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        assert watch.process.returncode == 0
        assert watch.process.stderr is not None
        assert watch.process.stderr.read() == ""
        watch.process.stderr.close()


# ---- what can be wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["show", ANNA], ["watch"], ["watch", "--json"]]
)
def test_no_daemon(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no meshwatchd at" in done.stderr
    assert "No such file" in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["list", "--nonsense"], ["watch", "--json", "--lines"], ["show"]]
)
def test_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, *words).returncode == 2


def test_names_that_cannot_be_used(tmp_path: Path) -> None:
    done = run(tmp_path, "--names", tmp_path / "absent", "list")
    assert done.returncode == 2
    assert done.stderr.endswith("absent: No such file or directory\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"220 mail.example.org ESMTP\r\n", "not a line of this protocol"),
        (b'{"class":"version","protocol":{"major":9,"minor":0}}\n', "protocol 9.0"),
    ],
)
@pytest.mark.parametrize("words", [["list"], ["watch"], ["watch", "--json"]])
def test_another_language(tmp_path: Path, words: list[str], line: bytes, complaint: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "news.sock"))
        server.listen()
        process = subprocess.Popen(
            [*MESHWATCH, "--runtime-directory", tmp_path, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(DEADLINE_S)
        connection, _ = server.accept()
        with connection:
            connection.sendall(line)
            out, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (4, "")
    assert complaint in errors


def test_help_needs_no_daemon() -> None:
    done = subprocess.run(
        [*MESHWATCH, "--help"], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    for verb in ("list", "watch", "show"):
        assert f"\n    {verb} " in done.stdout
