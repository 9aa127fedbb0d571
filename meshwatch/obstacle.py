"""What keeps a neighbor and us from peering, as its beacons and ours tell."""

from __future__ import annotations

from meshwatch.model import Reason
from meshwatch.observations import Beacon


def obstacle(theirs: Beacon, ours: Beacon | None) -> Reason | None:
    """Why we cannot peer; None: nothing is known that would keep us."""
    return mismatch(theirs, ours) or (None if theirs.accepting else Reason.FULL)


def mismatch(theirs: Beacon, ours: Beacon | None) -> Reason | None:
    """What of them must be equal and is not (net/mac80211/mesh.c, mesh_matches_local)."""
    if ours is None:
        return None
    if theirs.mesh_id != ours.mesh_id:
        return Reason.OTHER_MESH
    if theirs.authentication != ours.authentication:
        return Reason.SECURITY
    same = (
        theirs.path_protocol == ours.path_protocol
        and theirs.path_metric == ours.path_metric
        and theirs.congestion_control == ours.congestion_control
        and theirs.synchronization == ours.synchronization
    )
    return None if same else Reason.INCOMPATIBLE
