"""Prints how long after the line that tells an arrival the neighbor's name is claimed.

A real agent in a network namespace, the neighbor at the other end of a veth pair, with avahi or
python-zeroconf as its responder; what a daemon tells is made here, and its claims.sock is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from meshwatch.model import Presence  # noqa: E402 - needs the path above
from tests.process.agents import agent, daemon  # noqa: E402
from tests.process.air import Air, on_air  # noqa: E402
from tests.process.responders import Offer, avahi, zeroconf  # noqa: E402

OFFERS: tuple[Offer, ...] = (
    ("_presence._tcp", "ana@laptop", 5298, {"nick": "Ana", "jid": "ana@ana.example"}),
    ("_xmpp-server._tcp", "ana", 5269, {"domain": "ana.laptop.example"}),
)
DEADLINE_S = 60.0


class Bench:
    """Arrivals at an agent, and the claims that follow."""

    def __init__(self, responder: str) -> None:
        self.responder = responder
        self.delays_ms: list[float] = []

    async def measure(self, times: int) -> None:
        """So many arrivals of a neighbor whose responder is long ready."""
        with tempfile.TemporaryDirectory() as name:
            async with on_air() as air, self._neighbor(air, Path(name)):
                await self._arrivals(air, Path(name), times)

    def _neighbor(self, air: Air, place: Path) -> AbstractAsyncContextManager[None]:
        if self.responder == "avahi":
            return avahi(air, place, "ana", *OFFERS)
        return zeroconf(air, "ana", "fe80::ff:fe00:1", *OFFERS)

    async def _arrivals(self, air: Air, place: Path, times: int) -> None:
        loop = asyncio.get_running_loop()
        async with daemon(place) as serving:
            serving.letterbox.close()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
                box.setblocking(False)
                box.bind(str(place / "claims.sock"))
                async with agent(place, air, "--no-poke", "--no-hooks") as running:
                    await running.says("following meshwatchd")
                    serving.tell(Presence.PRESENT)
                    while len(json.loads(await loop.sock_recv(box, 4096)).get("services", ())) < 2:
                        pass  # the responder begins
                    for _ in range(times):
                        serving.tell(Presence.HEARD)
                        began = time.monotonic()
                        serving.tell(Presence.PRESENT)
                        claim = json.loads(await loop.sock_recv(box, 4096))
                        self.delays_ms.append((time.monotonic() - began) * 1000)
                        if len(claim.get("services", ())) != 2:
                            raise RuntimeError(f"an answer without services: {claim}")


async def main() -> None:
    """Both responders, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="arrivals (default: 20)")
    times = parser.parse_args().times
    print(f"arrival told -> name, nick, XMPP domain claimed, ms, {times} arrivals")
    for responder in ("avahi", "python-zeroconf"):
        bench = Bench(responder)
        async with asyncio.timeout(DEADLINE_S):
            await bench.measure(times)
        ordered = sorted(bench.delays_ms)
        print(
            f"{responder:16} median {statistics.median(ordered):6.2f}  "
            f"least {ordered[0]:6.2f}  worst {ordered[-1]:6.2f}"
        )


if __name__ == "__main__":
    asyncio.run(main())
