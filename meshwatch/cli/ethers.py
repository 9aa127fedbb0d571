"""Names people gave to hardware addresses: ethers(5) and batctl's bat-hosts, one per line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

WELL_KNOWN_FILES = (Path("/etc/ethers"), Path("/etc/bat-hosts"))
_ADDRESS = re.compile(r"[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}")  # ethers(5) allows 8:0:20:...


class NamesError(ValueError):
    """A names file that the user asked for cannot be used; the text says where and why."""


def address_of(text: str) -> str | None:
    """A hardware address as meshwatch writes it, two digits a byte, or None if it is none."""
    lowered = text.lower().replace("-", ":")
    if not _ADDRESS.fullmatch(lowered):
        return None
    return ":".join(f"{int(byte, 16):02x}" for byte in lowered.split(":"))


def parse(lines: str, where: str) -> dict[str, str]:
    """Addresses and names of a file's text; :class:`NamesError` names the first bad line."""
    names = {}
    for number, line in enumerate(lines.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        address = address_of(words[0])
        if address is None or len(words) < 2 or not words[1].isprintable():
            raise NamesError(f'{where}:{number}: expected "ADDRESS NAME", found {line.strip()!r}')
        names[address] = words[1]
    return names


def load(chosen: Path | None, well_known: tuple[Path, ...] = WELL_KNOWN_FILES) -> Mapping[str, str]:
    """Names of the well-known files, if present, and above them those of the ``chosen`` file.

    Only the chosen file may be complained about (:class:`NamesError`): the others belong to other
    programs, which may read more into them than we do; a bad line there is passed over.
    """
    names: dict[str, str] = {}
    for path in well_known:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                names |= parse(line, str(path))
            except NamesError:
                continue
    if chosen is not None:
        try:
            names |= parse(chosen.read_text(encoding="utf-8"), str(chosen))
        except OSError as error:
            raise NamesError(f"{chosen}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise NamesError(f"{chosen}: not UTF-8 text") from None
    return names
