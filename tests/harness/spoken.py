"""A small air and a small log to write by hand: frames and lines at literal times."""

from __future__ import annotations

import json
from typing import Any

from tools.harness import craft
from tools.harness.capture import Frame

A, B, C = "02:00:00:00:00:00", "02:00:00:00:01:00", "02:00:00:00:02:00"
MESH = b"classroom"
IFINDEX = 7


def at(seconds: float, data: bytes) -> Frame:
    return Frame(round(seconds * 1e9), data)


def acknowledgement(seconds: float, to: str) -> Frame:
    """What a radio sends to whoever sent it a frame."""
    return at(seconds, craft.EMPTY_RADIOTAP + b"\xd4\0\0\0" + bytes.fromhex(to.replace(":", "")))


def beacons(
    sender: str, start_s: float, end_s: float, *, interval_tu: int = 1000, peerings: int = 1
) -> list[Frame]:
    """A station's beacons from one time to the other."""
    count = int((end_s - start_s) / (interval_tu * 0.001024)) + 1
    data = craft.beacon(sender, MESH, interval_tu=interval_tu, peerings=peerings)
    return [at(start_s + number * interval_tu * 0.001024, data) for number in range(count)]


def opened(seconds: float, sender: str, receiver: str, llid: int) -> Frame:
    return at(seconds, craft.peering_open(sender, receiver, MESH, llid))


def confirmed(seconds: float, sender: str, receiver: str, llid: int, plid: int) -> Frame:
    return at(seconds, craft.peering_confirm(sender, receiver, MESH, llid, plid))


def closed(seconds: float, sender: str, receiver: str, llid: int = 1, plid: int = 2) -> Frame:
    return at(seconds, craft.peering_close(sender, receiver, MESH, llid, plid))


def peering(seconds: float, one: str, other: str, llid: int = 1, plid: int = 2) -> list[Frame]:
    """Both open and both confirm, within four milliseconds; the ids as ``one`` says them."""
    return [
        opened(seconds, one, other, llid),
        opened(seconds + 0.001, other, one, plid),
        confirmed(seconds + 0.002, other, one, plid, llid),
        confirmed(seconds + 0.003, one, other, llid, plid),
    ]


# ---- the log ------------------------------------------------------------------------------------


def neighbor(address: str, presence: str, **more: Any) -> dict[str, Any]:
    return {
        "ifindex": IFINDEX, "interface": "mesh0", "address": address, "presence": presence,
        "reason": "established", "since_unix_ms": 0, "first_heard_unix_ms": 0,
        "proximity": "direct", "bouncing": False,
        "readings": {"last_heard_unix_ms": 0, "reach": "0001"},
    } | more  # fmt: skip


def interface(address: str, ifindex: int = IFINDEX) -> dict[str, Any]:
    return {
        "ifindex": ifindex, "interface": f"mesh{ifindex}", "type": "mesh", "wiphy": 0,
        "address": address, "up": True, "running": True, "gates": [],
    }  # fmt: skip


def line(seconds: float, kind: str, **more: Any) -> bytes:
    return b"%.6f " % seconds + json.dumps({"class": kind, "seq": 1, **more}).encode() + b"\n"


def snapshot(seconds: float, *neighbors: dict[str, Any], more: bool = False) -> bytes:
    return line(
        seconds, "snapshot", interfaces=[interface(A)], sources=[], neighbors=neighbors, more=more
    )


def shown(seconds: float, address: str, presence: str, **more: Any) -> bytes:
    return line(seconds, "changed", neighbor=neighbor(address, presence, **more))


def removed(seconds: float, address: str, reason: str = "silent", **more: Any) -> bytes:
    return line(seconds, "removed", neighbor=neighbor(address, "quiet", **more), reason=reason)
