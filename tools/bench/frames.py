"""Prints what a beacon costs from a monitor interface's bytes to an observation, beside scapy.

Run as ``python tools/bench/frames.py``. Every way gets the same beacon in the same process, in
turns, and the best turn counts: this is CPU time, and the machine may be busy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scapy.layers.dot11 import RadioTap  # noqa: E402 - needs the path above

from meshwatch._csrc import ffi, lib  # noqa: E402
from meshwatch.frames import Frames, decode  # noqa: E402
from meshwatch.model import InterfaceType  # noqa: E402
from meshwatch.observations import InterfaceSeen, Monitor  # noqa: E402
from tests.pure import frame_bytes as f  # noqa: E402

TURNS = 15
TURN_S = 0.02

# As a secured mesh with HT sends them: RSN, HT capabilities, HT operation, a vendor's element.
ELEMENTS = (
    f.element(0),
    f.RATES,
    f.element(3, b"\1"),
    f.element(5, bytes(4)),
    f.element(50, bytes(4)),
    f.element(48, bytes(20)),
    f.element(45, bytes(26)),
    f.element(61, bytes(22)),
    f.MESH,
    f.configuration(4),
    f.element(221, bytes(24)),
)
OPEN = memoryview(f.heard(f.beacon()))
SECURED = memoryview(f.heard(f.beacon(f.A, *ELEMENTS)))
FOREIGN = memoryview(f.heard(f.beacon(f.A, *(e for e in ELEMENTS if e[0] not in (113, 114)))))


def in_c() -> Callable[[memoryview], object]:
    """The parser, called from Python."""
    record = ffi.new("struct mw_frame *")
    sources = {len(data): ffi.from_buffer(data) for data in (OPEN, SECURED, FOREIGN)}

    def run(data: memoryview) -> object:
        return lib.mw_frame_decode(sources[len(data)], len(data), record)

    return run


def in_frames() -> Callable[[memoryview], object]:
    """The conversation: to an observation."""
    frames = Frames(Monitor(9, "mon0", 0))
    frames.notice(InterfaceSeen(8, "mesh0", InterfaceType.MESH, 0, f.OWN), 0)
    return lambda data: frames.receive(data, 7)


def microseconds(function: Callable[[memoryview], object], data: memoryview) -> float:
    """CPU time of one call, in one turn."""
    rounds, started = 0, time.process_time()
    while (spent := time.process_time() - started) < TURN_S:
        for _ in range(20):
            function(data)
        rounds += 20
    return spent / rounds * 1e6


def main() -> None:
    """Prints a table."""
    ways: dict[str, Callable[[memoryview], object]] = {
        "C alone": in_c(),
        "to a Frame": decode,
        "Frames.receive": in_frames(),
        "scapy": lambda data: RadioTap(bytes(data)),
    }
    print(f"us per frame, best of {TURNS}")
    for name, data in (
        ("an open mesh", OPEN),
        ("a secured mesh", SECURED),
        ("an access point", FOREIGN),
    ):
        best = {
            way: min(microseconds(function, data) for _ in range(TURNS))
            for way, function in ways.items()
        }
        print(f"beacon of {name} ({len(data)} bytes):")
        for way, spent in best.items():
            print(f"  {way:16} {spent:8.2f}")


if __name__ == "__main__":
    main()
