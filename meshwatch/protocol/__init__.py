"""The language of the Unix sockets, whose laws are in meshwatch-protocol(7).

``version``, ``snapshot`` and ``change`` make lines of what the daemon has; ``Lines`` and
``decode`` make objects of what a client receives.
"""

from meshwatch.protocol.lines import (
    MAJOR,
    MAX_LINE,
    MINOR,
    Line,
    Lines,
    ProtocolError,
    change,
    decode,
    encode,
    snapshot,
    version,
)
from meshwatch.protocol.objects import (
    Changed,
    Evidence,
    Interface,
    InterfaceChanged,
    InterfaceRemoved,
    Message,
    Neighbor,
    Protocol,
    Reading,
    Readings,
    Removed,
    Snapshot,
    Source,
    SourceChanged,
    Version,
    Was,
)
from meshwatch.protocol.rows import interface, neighbor, source

__all__ = [
    "MAJOR",
    "MAX_LINE",
    "MINOR",
    "Changed",
    "Evidence",
    "Interface",
    "InterfaceChanged",
    "InterfaceRemoved",
    "Line",
    "Lines",
    "Message",
    "Neighbor",
    "Protocol",
    "ProtocolError",
    "Reading",
    "Readings",
    "Removed",
    "Snapshot",
    "Source",
    "SourceChanged",
    "Version",
    "Was",
    "change",
    "decode",
    "encode",
    "interface",
    "neighbor",
    "snapshot",
    "source",
    "version",
]
