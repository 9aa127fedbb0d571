"""meshwatch monitor as a process, with programs in the places of iw and ip that note what they are
told; what the real ones do with a radio is a matter of a kernel that has one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MONITOR = (sys.executable, "-m", "meshwatch.cli", "monitor")
DEADLINE_S = 30
MESH = "phy#{radio}\n\tInterface {name}\n\t\ttype mesh point\n"
BOTH = MESH.format(radio=0, name="mesh0") + MESH.format(radio=1, name="mesh1")
WITH_MONITOR = MESH.format(radio=0, name="mesh0") + "\tInterface mon0\n\t\ttype monitor\n"
ADD = "iw phy#0 interface add mon0 type monitor flags none"
UP = "ip link set dev mon0 up"
DELETE = "iw dev mon0 del"


class Programs:
    """iw and ip: what they list, where they fail, and what they were told to do."""

    def __init__(self, directory: Path) -> None:
        self._bin = directory / "bin"
        self._bin.mkdir()
        self._log = directory / "log"
        self._listing = directory / "listing"
        self.failures: dict[str, str] = {}
        self.there_is(MESH.format(radio=0, name="mesh0"))

    def there_is(self, listing: str) -> None:
        self._listing.write_text(listing)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        for name in ("iw", "ip"):
            script = [
                "#!/bin/sh",
                f'[ "$*" = dev ] && exec cat {self._listing}',
                f'echo "{name} $*" >> {self._log}',
            ]
            for command, complaint in self.failures.items():
                script.append(f'[ "{name} $*" = "{command}" ] && echo "{complaint}" >&2 && exit 1')
            (self._bin / name).write_text("\n".join([*script, "exit 0\n"]))
            (self._bin / name).chmod(0o755)
        return subprocess.run(
            [*MONITOR, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            env={**os.environ, "PATH": f"{self._bin}:{os.environ['PATH']}"},
        )

    @property
    def told(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@pytest.mark.parametrize("beside", [(), ("mesh0",), ("phy#0",)])
def test_add(programs: Programs, beside: tuple[str, ...]) -> None:
    done = programs.run("add", *beside)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "mon0 on phy#0 is up\n"
    assert programs.told == [ADD, UP]


def test_add_by_another_name(programs: Programs) -> None:
    assert programs.run("add", "mesh0", "--name", "ear").returncode == 0
    assert programs.told == [ADD.replace("mon0", "ear"), UP.replace("mon0", "ear")]


def test_one_that_is_there_is_only_set_up(programs: Programs) -> None:
    programs.there_is(WITH_MONITOR)
    done = programs.run("add")
    assert (done.returncode, done.stdout) == (0, "mon0 on phy#0 is up, it was there already\n")
    assert programs.told == [UP]


@pytest.mark.parametrize(
    ("listing", "words", "complaint"),
    [
        ("", (), "there is no mesh interface"),
        (BOTH, (), "say which of mesh0, mesh1"),
        (BOTH, ("eth7",), "eth7 is no wireless interface and no radio"),
        (BOTH, ("../../net/lo",), "is no wireless interface and no radio"),
        (BOTH, ("mesh0", "--name", "mesh1"), "mesh1 exists and is no monitor interface"),
        (BOTH, ("mesh0", "--name", "lo"), "lo exists and is no wireless interface"),
        (
            BOTH.replace("mesh1\n\t\ttype mesh point", "mon0\n\t\ttype monitor"),
            ("mesh0",),
            "mon0 exists and is on phy#1, not on phy#0",
        ),
        (BOTH, ("mesh0", "--name", "m" * 16), "cannot be the name of an interface"),
        (BOTH, ("mesh0", "--name", "a b"), "cannot be the name of an interface"),
        (BOTH, ("mesh0", "--name=-h"), "cannot be the name of an interface"),
        (BOTH, ("mesh0", "--name", "a/b"), "cannot be the name of an interface"),
        (BOTH, ("mesh0", "--name", ""), "cannot be the name of an interface"),
    ],
)
def test_what_is_refused(
    programs: Programs, listing: str, words: tuple[str, ...], complaint: str
) -> None:
    programs.there_is(listing)
    done = programs.run("add", *words)
    assert (done.returncode, done.stdout) == (5, "")
    assert complaint in done.stderr
    assert programs.told == []


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("command failed: Operation not permitted (-1)", "root, or CAP_NET_ADMIN"),
        ("command failed: Operation not supported (-95)", "the driver of this radio does not"),
        ("command failed: Device or resource busy (-16)", "Device or resource busy (-16)"),
        ("", "exit status 1"),
    ],
)
def test_what_iw_refuses_is_explained(programs: Programs, said: str, complaint: str) -> None:
    programs.failures[ADD] = said
    done = programs.run("add")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"meshwatch: {ADD}: ")
    assert complaint in done.stderr
    assert programs.told == [ADD]


def test_what_cannot_be_set_up_does_not_stay(programs: Programs) -> None:
    programs.failures[UP] = "RTNETLINK answers: Device or resource busy"
    done = programs.run("add")
    assert done.returncode == 5
    assert "Device or resource busy" in done.stderr
    assert programs.told == [ADD, UP, DELETE]


@pytest.mark.parametrize("name", ["mon0", "mesh0"])
def test_remove_by_its_name_or_as_it_was_added(programs: Programs, name: str) -> None:
    programs.there_is(WITH_MONITOR)
    done = programs.run("remove", name)
    assert (done.returncode, done.stdout) == (0, "mon0 on phy#0 is removed\n")
    assert programs.told == [DELETE]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("mon0", "there is no mon0"),
        ("mesh0", "mesh0 is no monitor interface, and there is no mon0 beside it"),
        ("wlan1", "wlan1 is no monitor interface, and there is no mon1 beside it"),
    ],
)
def test_nothing_but_a_monitor_interface_is_removed(
    programs: Programs, name: str, complaint: str
) -> None:
    elsewhere = "phy#1\n\tInterface mon1\n\t\ttype monitor\n"
    programs.there_is(
        MESH.format(radio=0, name="mesh0") + "\tInterface wlan1\n\t\ttype managed\n" + elsewhere
    )
    done = programs.run("remove", name)
    assert (done.returncode, done.stdout) == (5, "")
    assert complaint in done.stderr
    assert programs.told == []


def test_list(programs: Programs) -> None:
    done = programs.run("list")
    assert (done.returncode, done.stdout) == (1, "There is no monitor interface.\n")
    programs.there_is(WITH_MONITOR)
    done = programs.run("list")
    assert (done.returncode, done.stdout) == (0, "mon0 on phy#0, beside mesh0: down\n")


def test_what_is_not_installed_is_named() -> None:
    """In a mount namespace, where the places of such programs are empty."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    places = sorted({str(Path(p).resolve()) for p in ("/usr/sbin", "/sbin")})
    mounts = "".join(f"mount -t tmpfs none {place}; " for place in places)
    inside = ("sh", "-c", f'{mounts}PATH=/nowhere exec "$@"', "sh", *MONITOR, "list")
    done = subprocess.run(
        ["unshare", *as_root, "--mount", *inside],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == "meshwatch: the program iw is needed: install iw\n"
