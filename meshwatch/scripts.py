"""Which files of hooks.d are run: whose they are, who may write to them, and which one counts."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# Of several files of one name only that in the first directory counts.
DIRECTORIES = (Path("/etc/meshwatch/hooks.d"), Path("/usr/lib/meshwatch/hooks.d"))

_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")  # as run-parts(8): no backups, nothing half installed
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PRIVILEGED = stat.S_ISUID | stat.S_ISGID
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class Refused(NamedTuple):
    """A file that is not run, and why."""

    path: Path
    why: str


class Found(NamedTuple):
    """What is to be run, in this order, and what is not although somebody may think so."""

    scripts: tuple[Path, ...]
    refused: tuple[Refused, ...]


def find(directories: Sequence[Path]) -> Found:
    """The executables of these directories.

    Whoever can write to a script, or put another one in its place, is obeyed: it, its directory and
    every directory on the way there must belong to root or to the user we run as, and be writable
    by nobody else. A setuid script would do what it does for somebody else. An empty file, a link
    to /dev/null, and a file that is not executable switch off those of the same name in the
    directories that follow, and so does one that is refused.
    """
    owners = frozenset({0, os.geteuid()})
    scripts: dict[str, Path] = {}
    refused: list[Refused] = []
    seen: set[str] = set()
    for directory in directories:
        try:
            names = [name for name in os.listdir(directory) if _NAME.match(name)]  # noqa: PTH208
            why = _unsafe(directory.stat(), owners) or _misplaced(directory, owners)
        except FileNotFoundError:
            continue
        except OSError as error:
            refused.append(Refused(directory, _unreadable(error)))
            continue
        if names and why is not None:
            refused.append(Refused(directory, why))
            seen.update(names)
            continue
        for name in names:
            if name in seen:
                continue
            seen.add(name)
            path = directory / name
            try:
                wanted, why = _judge(path, owners)
            except OSError as error:
                wanted, why = False, _unreadable(error)
            if why is not None:
                refused.append(Refused(path, why))
            elif wanted:
                scripts[name] = path
    return Found(tuple(scripts[name] for name in sorted(scripts)), tuple(refused))


def _judge(path: Path, owners: frozenset[int]) -> tuple[bool, str | None]:
    """Whether it is to be run; and if that is refused, why."""
    status = path.stat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3):  # /dev/null
        return False, None
    if not stat.S_ISREG(status.st_mode):
        return False, "is no file"
    if not status.st_size or not status.st_mode & _EXECUTABLE:
        return False, None
    if status.st_mode & _PRIVILEGED:
        return False, "is setuid or setgid"
    why = _unsafe(status, owners)
    if why is None and path.is_symlink():
        why = _misplaced(path, owners)
    return why is None, why


def _misplaced(path: Path, owners: frozenset[int]) -> str | None:
    """Why others decide what is found there: through a directory on the way, or on that of a link.

    In a directory like /tmp nobody can move or replace what others own. That will do for another
    directory, but not for a file or link: others may have made it, as a second name of one that its
    owner has elsewhere.
    """
    # In a user namespace without root, all that is root's seems to be nobody's; and whoever owns /
    # decides about everything anyway.
    owners |= {Path("/").stat().st_uid}
    place, rest = Path("/"), list(path.absolute().parts[:0:-1])
    while rest:
        name = rest.pop()
        if name == "..":
            place = place.parent
            continue
        entry = place / name
        status = entry.lstat()
        if why := _unsafe(place.stat(), owners, sticky=stat.S_ISDIR(status.st_mode)):
            return f"is in {place}, which {why}"
        if stat.S_ISLNK(status.st_mode):
            target = entry.readlink()
            if target.is_absolute():
                place, target = Path("/"), target.relative_to("/")
            rest += reversed(target.parts)
        else:
            place = entry
    return None


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _unsafe(status: os.stat_result, owners: frozenset[int], *, sticky: bool = False) -> str | None:
    if status.st_uid not in owners:
        return f"belongs to user {status.st_uid}"
    if status.st_mode & _OTHERS_WRITE and not (sticky and status.st_mode & stat.S_ISVTX):
        return "is writable by others than its owner"
    return None
