"""Which files of hooks.d are run, of real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meshwatch.scripts import Refused, find


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return made(tmp_path / "etc")


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    return made(tmp_path / "lib")


def made(directory: Path) -> Path:
    directory.mkdir()
    directory.chmod(0o755)
    return directory


def script(path: Path, mode: int = 0o755, text: str = "#!/bin/sh\n") -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def refused(path: Path, *directories: Path) -> list[str]:
    """Why this one is not run, and nothing else is refused."""
    found = find(directories)
    assert path not in found.scripts
    assert {each.path for each in found.refused} <= {path}
    return [each.why for each in found.refused]


def test_by_name_and_the_first_directory_counts(etc: Path, lib: Path) -> None:
    one, two = script(lib / "10-one"), script(etc / "20-two")
    three, _ = script(etc / "30-three"), script(lib / "30-three")
    assert find((etc, lib)) == ((one, two, three), ())


def test_no_directory_is_no_hook(tmp_path: Path) -> None:
    assert find((tmp_path / "none",)) == ((), ())


@pytest.mark.parametrize("name", ["a.dpkg-new", "a~", ".a", "a.sh", "#a#"])
def test_names(etc: Path, name: str) -> None:
    script(etc / name)
    assert find((etc,)) == ((), ())


def test_what_switches_off(etc: Path, lib: Path) -> None:
    for name in ("empty", "null", "off"):
        script(lib / name)
    script(etc / "empty", text="")
    (etc / "null").symlink_to("/dev/null")
    script(etc / "off", 0o644)
    assert find((etc, lib)) == ((), ())


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (0o775, "is writable by others than its owner"),
        (0o757, "is writable by others than its owner"),
        (0o4755, "is setuid or setgid"),
        (0o2755, "is setuid or setgid"),
    ],
)
def test_modes(etc: Path, lib: Path, mode: int, why: str) -> None:
    """What is refused above is not run from below either."""
    path = script(etc / "bad", mode)
    script(lib / "bad")
    assert refused(path, etc, lib) == [why]
    assert find((etc, lib)).scripts == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners(etc: Path) -> None:
    path = script(etc / "bad")
    os.chown(path, 4242, -1)
    assert refused(path, etc) == ["belongs to user 4242"]


def test_a_directory_that_others_may_write_to(etc: Path, lib: Path) -> None:
    script(etc / "bad")
    script(lib / "bad")
    good = script(lib / "good")
    etc.chmod(0o777)
    why = "is writable by others than its owner"
    assert find((etc, lib)) == ((good,), (Refused(etc, why),))


def test_links(etc: Path, lib: Path, tmp_path: Path) -> None:
    """The file counts, and who could put another in its place."""
    script(lib / "there")
    (etc / "link").symlink_to(lib / "there")
    assert find((etc,)) == ((etc / "link",), ())
    lib.chmod(0o777)
    assert refused(etc / "link", etc) == [
        f"is in {lib}, which is writable by others than its owner"
    ]
    (etc / "link").unlink()
    (etc / "link").symlink_to(tmp_path / "nowhere")
    assert refused(etc / "link", etc) == ["cannot be read: No such file or directory"]


def test_a_directory_further_up_that_others_may_write_to(tmp_path: Path) -> None:
    """They could move what is in it away, and put something else there."""
    open_to_all = made(tmp_path / "open")
    etc = made(made(open_to_all / "meshwatch") / "hooks.d")
    path = script(etc / "tell")
    assert find((etc,)) == ((path,), ())
    open_to_all.chmod(0o777)
    why = f"is in {open_to_all}, which is writable by others than its owner"
    assert find((etc,)) == ((), (Refused(etc, why),))
    open_to_all.chmod(0o1777)  # as /tmp, where they could not
    assert find((etc,)) == ((path,), ())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_directory_further_up_that_belongs_to_somebody(tmp_path: Path) -> None:
    home = made(tmp_path / "home")
    etc = made(home / "hooks.d")
    script(etc / "tell")
    os.chown(home, 4242, -1)
    assert find((etc,)) == ((), (Refused(etc, f"is in {home}, which belongs to user 4242"),))


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_links_on_the_way(etc: Path, lib: Path, tmp_path: Path, mode: int) -> None:
    """Others could make them lead elsewhere; or made them, in a directory like /tmp."""
    open_to_all = made(tmp_path / "open")
    there = script(lib / "there")
    (open_to_all / "file").symlink_to(there)
    (made(tmp_path / "more") / "next").symlink_to("../open/file")
    (etc / "link").symlink_to(tmp_path / "more" / "next")
    (open_to_all / "hooks.d").symlink_to("../lib")
    assert find((etc, open_to_all / "hooks.d")).refused == ()
    open_to_all.chmod(mode)
    why = f"is in {open_to_all}, which is writable by others than its owner"
    assert refused(etc / "link", etc) == [why]
    assert find((open_to_all / "hooks.d",)) == ((), (Refused(open_to_all / "hooks.d", why),))
    (etc / "link").unlink()
    script(open_to_all / "file itself")
    (etc / "link").symlink_to(open_to_all / "file itself")
    assert refused(etc / "link", etc) == [why]


def test_what_is_no_file(etc: Path) -> None:
    (etc / "directory").mkdir()
    assert refused(etc / "directory", etc) == ["is no file"]
    (etc / "directory").rmdir()
    os.mkfifo(etc / "fifo")
    assert refused(etc / "fifo", etc) == ["is no file"]
