"""Follow a meshwatch daemon from another program, blocking or with asyncio.

from meshwatch.client import Came, connect

with connect() as daemon:
    for event in daemon:
        if isinstance(event, Came):
            print(event.neighbor.address, "of", len(daemon.neighbors))
"""

from meshwatch.client.claim import claim, claim_async
from meshwatch.client.follow import (
    RUNTIME_DIRECTORY,
    Connection,
    DaemonAbsent,
    Following,
    connect,
    follow,
    look,
)
from meshwatch.client.mirror import (
    Came,
    Changed,
    Disconnected,
    Event,
    InterfaceCame,
    InterfaceChanged,
    InterfaceRemoved,
    Mirror,
    NeighborKey,
    Reading,
    Removed,
    Resynchronised,
    SourceChanged,
)
from meshwatch.protocol import (
    Address,
    Claim,
    Evidence,
    Interface,
    Neighbor,
    ProtocolError,
    Readings,
    Service,
    Source,
    Version,
)

__all__ = [
    "RUNTIME_DIRECTORY",
    "Address",
    "Came",
    "Changed",
    "Claim",
    "Connection",
    "DaemonAbsent",
    "Disconnected",
    "Event",
    "Evidence",
    "Following",
    "Interface",
    "InterfaceCame",
    "InterfaceChanged",
    "InterfaceRemoved",
    "Mirror",
    "Neighbor",
    "NeighborKey",
    "ProtocolError",
    "Reading",
    "Readings",
    "Removed",
    "Resynchronised",
    "Service",
    "Source",
    "SourceChanged",
    "Version",
    "claim",
    "claim_async",
    "connect",
    "follow",
    "look",
]
