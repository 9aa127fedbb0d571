"""A recording of two laptops that meet, with frames that a tap might have heard beside it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from meshwatch.observations import Monitor
from meshwatch.recording import LOST_FRAMES, RADIOTAP, Packet, Writer, open_recording

MEETING = Path(__file__).parents[1] / "recordings" / "meet-6.1.pcapng"
OWN, A = "02:00:00:00:00:00", "02:00:00:00:01:00"
MESH_IFINDEX, WIPHY = 14, 0
MON0 = Monitor(20, "mon0", WIPHY)

# Radiotap headers as mac80211 writes them: of what was received (TSFT, flags, rate, channel,
# signal -30 dBm, antenna, RX flags), of what became of a sent frame (rate, TX flags, retries),
# and the empty one of a frame to be sent.
RECEIVED = bytes.fromhex("00001a002f480000082d74ffdc60060000026c09a000e2000000")
ACKNOWLEDGED = bytes.fromhex("00000d00048002000200000000")
TO_BE_SENT = bytes.fromhex("0000080000000000")


def address(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def beacon(transmitter: str) -> bytes:
    """As Linux 6.1 sends it every 1000 TU, in a mesh where it has no peer yet."""
    return (
        bytes.fromhex("80000000ffffffffffff")
        + address(transmitter) * 2
        + bytes.fromhex("0000652d74ffdc600600e80300000000010882040b160c121824030101050401020000")
        + bytes.fromhex("32043048606c7208746573746d657368710701010001000009")
    )


def null(receiver: str, transmitter: str) -> bytes:
    """A QoS Null frame."""
    addresses = address(receiver) + address(transmitter) * 2
    return bytes.fromhex("c8000000") + addresses + bytes(4)


def heard(time_ns: int, frame: bytes = RECEIVED + beacon(A), monitor: Monitor = MON0) -> Packet:
    """A frame that a monitor interface gave us."""
    return Packet(time_ns, RADIOTAP, False, frame, monitor)


def meeting() -> list[Packet]:
    """What the kernel said, from 17.5 s to 26.7 s on its clock."""
    with closing(open_recording(MEETING)) as recording:
        return list(recording)


def beside(packets: Iterable[Packet], frames: Iterable[Packet]) -> list[Packet]:
    """All of them in the order of time."""
    return sorted([*packets, *frames], key=lambda packet: packet.time_ns)


def write(path: Path, packets: Iterable[Packet]) -> None:
    """Record them."""
    with closing(Writer(path, release="0", kernel="0", wall_offset_ns=0)) as writer:
        for time_ns, protocol, outgoing, data, monitor in packets:
            if monitor is None:
                note = writer.sent if outgoing else writer.received
                note(protocol, data, time_ns)
            elif data == LOST_FRAMES:
                writer.lost_frames(monitor, time_ns)
            else:
                note_frame = writer.sent_frame if outgoing else writer.received_frame
                note_frame(monitor, data, time_ns)
