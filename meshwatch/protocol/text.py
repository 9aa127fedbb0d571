"""What others called something, as it may go out: UTF-8, bounded, and nothing a terminal obeys."""

from __future__ import annotations

MAX_NAME = 90  # bytes of an interface's name: 15, each written as \udcff
MAX_ADDRESS = 136  # bytes of an IP address with the name of an interface: 45, "%" and that
MAX_MESH_ID = 128  # bytes of a mesh ID: 32, each written as \xff
MAX_CLAIMED = 1020  # bytes of what is claimed in a word: 255 characters (meshwatchd(8), CLAIMS)
MAX_TEXT = 160  # bytes of a failure, or the name of a file


def inert(text: str, most: int = MAX_TEXT) -> str:
    """At most so many bytes of the text, what is not printable in it as a Python escape.

    A mesh ID is whatever a stranger transmits, a file system's and a driver's names are any bytes
    (then with surrogates); none of it may command the terminal of who reads on.
    """
    text = text[:most]
    if text.isascii() and text.isprintable():
        return text
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return escaped.encode()[:most].decode(errors="ignore")
