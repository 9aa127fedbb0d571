"""The table as one JSON document, whose shape does not depend on what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from meshwatch.cli.view import Names
from meshwatch.client import Mirror
from meshwatch.protocol import Neighbor


def document(mirror: Mirror, neighbors: Iterable[Neighbor], names: Names) -> bytes:
    """The given neighbors and everything else that the daemon said, as meshwatch(1) describes."""
    version: dict[str, Any] = msgspec.to_builtins(mirror.version)
    whole = {
        "daemon": {key: value for key, value in version.items() if key not in {"class", "seq"}},
        "interfaces": list(mirror.interfaces.values()),
        "sources": list(mirror.sources.values()),
        "neighbors": [_named(neighbor, names) for neighbor in neighbors],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def _named(neighbor: Neighbor, names: Names) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(neighbor)
    name = names.get(neighbor.address)
    return row if name is None else {"alias": name, **row}
