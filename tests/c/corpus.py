"""Adds to corpus/ the datagrams of netlink captures that hold a sort of message it has not.

    python -m tests.c.corpus LABEL CAPTURE...

The corpus feeds the C tests and the fuzzer. LABEL is the kernel that was captured: each kernel has
its own sorts, and of each the shortest datagram is taken. In the corpus nl80211 always has the
number 32, whatever it had on the captured machine; a datagram is called LABEL-KIND-NUMBER.bin after
its first message. "made" are some that no capture held yet.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from meshwatch.observations import Station
from meshwatch.pcap import CaptureFile
from meshwatch.records import FamilyInfo, Message, PathInfo, decode
from tools.record.expect import unpacked

CORPUS = Path(__file__).resolve().parent / "corpus"
FAMILY = 32
LINKTYPE_NETLINK = 253
COOKED_HEADER_BYTES = 16
NETLINK_GENERIC = 16


def datagrams(capture: Path) -> Iterator[bytearray]:
    """The generic netlink datagrams of a capture, nl80211 renumbered."""
    family = 0
    with BytesIO(unpacked(capture)) as file:
        for frame in CaptureFile(file):
            protocol = frame.data[COOKED_HEADER_BYTES - 2 : COOKED_HEADER_BYTES]
            linktype = frame.interface.linktype
            if linktype != LINKTYPE_NETLINK or protocol != struct.pack(">H", NETLINK_GENERIC):
                continue
            data = bytearray(frame.data[COOKED_HEADER_BYTES:])
            for message in decode(data, family):
                if isinstance(message.body, FamilyInfo) and message.body.name == "nl80211":
                    family = message.body.id
            start = 0
            while start + 16 <= len(data):
                length, number = struct.unpack_from("=IH", data, start)
                if number == family:
                    struct.pack_into("=H", data, start + 4, FAMILY)
                start += max(length + 3 & ~3, 16)
            yield data


def sort_of(message: Message) -> tuple[object, ...]:
    """What makes a message worth keeping beside others."""
    body = message.body
    present = body.present if isinstance(body, Station) else 0
    rates = (body.tx_rate_flags, body.rx_rate_flags) if isinstance(body, Station) else ()
    path_flags = body.flags if isinstance(body, PathInfo) else 0
    return message.kind, message.type, message.command, message.error, present, rates, path_flags


def main() -> None:
    """Writes what is new."""
    label, captures = sys.argv[1], [Path(argument) for argument in sys.argv[2:]]
    known = {
        sort_of(message)
        for path in CORPUS.glob(f"{label}-*.bin")
        for message in decode(path.read_bytes(), FAMILY)
    }
    for data in sorted((data for capture in captures for data in datagrams(capture)), key=len):
        messages = decode(data, FAMILY)
        if known.issuperset(map(sort_of, messages)):
            continue
        known.update(map(sort_of, messages))
        kind = messages[0].kind.name.lower()
        number = 1 + len(list(CORPUS.glob(f"{label}-{kind}-*.bin")))
        (CORPUS / f"{label}-{kind}-{number}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
