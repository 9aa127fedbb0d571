"""Plays damaged recordings: nothing may raise, and a mirror of the changes equals the table."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from meshwatch import protocol
from meshwatch.model import Key, Row
from meshwatch.recording import LOSS_MARK, Packet
from meshwatch.replay import NETLINK_GENERIC, NETLINK_ROUTE, Conversations, Player, captured, ours
from meshwatch.table import Table
from tools.record.expect import opened, recordings

# Numbers at which code that counts bytes goes wrong.
WORDS = (0, 1, 3, 4, 15, 16, 17, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
DATAGRAM_BYTES_MAX = 32768
HEAD = 20
PACKETS = 150


def damage(data: bytes, others: Sequence[Packet], rng: random.Random) -> bytes:
    """The datagram after one accident."""
    spoiled = bytearray(data)
    place = rng.randrange(len(data) + 1)
    match rng.randrange(6):
        case 0 if data:
            spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            size = rng.choice((1, 2, 4))
            word = rng.choice(WORDS) & ((1 << 8 * size) - 1)
            spoiled[place & ~3 : (place & ~3) + size] = word.to_bytes(size, sys.byteorder)
        case 2:
            del spoiled[place:]
        case 3:
            spoiled[place:place] = rng.randbytes(rng.choice((1, 4, 16, 100)))
        case 4:
            del spoiled[place & ~3 : (place & ~3) + 4 * rng.randrange(8)]
        case _:
            spoiled[place & ~3 :] = rng.choice(others).data
    return bytes(spoiled[:DATAGRAM_BYTES_MAX])


def mutated(packets: Sequence[Packet], rng: random.Random) -> Iterator[Packet]:
    """The packets with some damaged, lost, doubled, out of order, late, or of the wrong kind."""
    rate = rng.choice((0.01, 0.1, 0.5))
    held: list[Packet] = []
    for packet in packets:
        if rng.random() >= rate:
            yield packet
            continue
        match rng.randrange(8):
            case 0:
                pass
            case 1:
                yield packet
                yield packet
            case 2:
                held.append(packet)
            case 3:
                yield packet._replace(data=LOSS_MARK, outgoing=False)
            case 4:
                yield packet._replace(time_ns=packet.time_ns + rng.randrange(-(10**10), 10**10))
            case 5 if rng.random() < 0.2:
                protocol_ = rng.choice((NETLINK_GENERIC, NETLINK_ROUTE, 9))
                yield packet._replace(protocol=protocol_, outgoing=rng.random() < 0.5)
            case _:
                data = packet.data
                for _ in range(rng.choice((1, 1, 1, 2, 5))):
                    data = damage(data, packets, rng)
                yield packet._replace(data=data)
        if held and rng.random() < 0.5:
            yield held.pop(rng.randrange(len(held)))


def play(packets: Iterable[Packet], conversations: Conversations) -> int:
    """Play them; the number of changes. Raises whatever goes wrong."""
    table = Table()
    mirror: dict[Key, Row] = {}
    count = 0
    last_ns = -1
    for now, changes in Player(packets, conversations, table):
        assert now >= last_ns, "time went backwards"
        last_ns = now
        for change in changes:
            count += 1
            assert mirror.get(change.key) == change.old, f"old is not what was: {change}"
            if change.new is None:
                del mirror[change.key]
            else:
                mirror[change.key] = change.new
            protocol.change(change, 0).numbered(count)
        if changes:
            assert mirror == {row.key: row for row in table.snapshot()}, "mirror and table differ"
    assert mirror == {row.key: row for row in table.snapshot()}, "mirror and table differ"
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz for some seconds; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="fuzz-replay", description=__doc__)
    parser.add_argument("seconds", type=float, help="how long")
    parser.add_argument("files", nargs="*", type=Path, help="default: all of tests/recordings")
    parser.add_argument("--seed", type=int, help="of the first run, to see a finding again")
    options = parser.parse_args(arguments)
    originals: list[list[Packet]] = []
    for path in options.files or recordings():
        with closing(opened(path)) as recording:
            originals.append(list(recording))
    first = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {first}", flush=True)
    deadline = time.monotonic() + options.seconds
    seed, changes, packets = first, 0, 0
    while seed == first or time.monotonic() < deadline:
        rng = random.Random(seed)
        original = rng.choice(originals)
        start = rng.randrange(HEAD, max(HEAD + 1, len(original) - PACKETS))
        # Without the beginning, where family and interfaces are named, nothing is understood.
        part = original[:HEAD] + original[start : start + PACKETS]
        talk = ours() if rng.random() < 0.5 else captured()
        try:
            changes += play(mutated(part, rng), talk)
        except Exception:
            print(f"found with --seed {seed}", file=sys.stderr)
            raise
        packets += len(part)
        seed += 1
    print(f"{seed - first} recordings, {packets} packets, {changes} changes: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
