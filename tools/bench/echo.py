"""Prints how long a neighbor's address takes: from the table's question to the observation.

Run as ``python -m tools.bench.echo [--times 20]``. Two network namespaces with a wire between
them; the far end's kernel answers, at a link-local address that nobody can guess. The first
question finds the neighbor's kernel without an entry for us, so that it solicits us before it
answers, as on a first meeting; for the others it has one, unless it is removed each time
(``solicited``). No radio is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time

from meshwatch.model import AddressProof
from meshwatch.observations import AddressSeen, AddressWanted, Observation, OwnAddresses
from meshwatch.pump import Pump
from meshwatch.wires import Wires
from tests.process.wired import IFINDEX, MESH0, PEER, Neighbor, here, neighbor

INSIDE = "MESHWATCH_BENCH_INSIDE"  # set in the namespace
OWN = "fe80::ff"
PATIENCE_S = 10.0


async def ask_once() -> float:
    """Milliseconds until an echo was answered."""
    answered = asyncio.Event()

    def observed(origin: Pump, observations: list[Observation], now: int) -> None:
        for seen in observations:
            if isinstance(seen, AddressSeen) and seen.proof is AddressProof.ECHO:
                answered.set()

    wires = Wires(observed, lambda state: None, None)
    wires.notice([OwnAddresses(IFINDEX, (OWN,)), MESH0], time.monotonic_ns())
    pump = wires.pump_for(IFINDEX)
    if pump is None:
        sys.exit("no packet socket may be opened")
    began = time.perf_counter()
    pump.notice([AddressWanted(IFINDEX, PEER)], time.monotonic_ns())
    async with asyncio.timeout(PATIENCE_S):
        await answered.wait()
    took_ms = (time.perf_counter() - began) * 1000
    wires.close()
    return took_ms


async def measure(there: Neighbor, times: int) -> None:
    """Print the figures."""
    first = await ask_once()
    known = [await ask_once() for _ in range(times)]
    solicited = []
    for _ in range(times):
        there.ip("neighbor", "flush", "dev", "far")
        solicited.append(await ask_once())
    print(f"first          {first:8.3f} ms")
    for name, figures in (("known", known), ("solicited", solicited)):
        median, most = statistics.median(figures), max(figures)
        print(f"{name:<10} of {times:<3} median {median:.3f} ms, most {most:.3f} ms")


def main() -> None:
    """In a namespace of its own."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    if INSIDE not in os.environ:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        inside = ["unshare", *as_root, "--net"]
        command = [*inside, sys.executable, "-m", "tools.bench.echo", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode)
    with neighbor() as there:
        there.up("random")
        here("address", "add", f"{OWN}/64", "dev", "mesh0", "nodad")
        asyncio.run(measure(there, arguments.times))


if __name__ == "__main__":
    main()
