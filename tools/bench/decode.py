"""Prints what a station costs from the kernel's bytes to a Python object, beside pyroute2.

Run as ``python tools/bench/decode.py [RECORDED_DATAGRAM...]``; without arguments on the stations
that Linux 6.1 sent (tests/c/corpus). Every way of decoding gets the same bytes in the same
process, in turns, and the best turn counts: this is CPU time, and the machine may be busy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pyroute2.netlink.nl80211 import nl80211cmd  # noqa: E402 - needs the path above

from meshwatch.observations import Station  # noqa: E402
from meshwatch.records import decode  # noqa: E402

FAMILY = 32
DUMP_STATIONS = 24  # that many fit into one datagram of a dump
TURNS = 15
TURN_S = 0.02
ATTRIBUTES = tuple(
    f"NL80211_STA_INFO_{name}"
    for name in """INACTIVE_TIME CONNECTED_TIME RX_BYTES64 TX_BYTES64 RX_PACKETS TX_PACKETS
    TX_RETRIES TX_FAILED SIGNAL SIGNAL_AVG PLINK_STATE LLID PLID LOCAL_PM PEER_PM NONPEER_PM
    AIRTIME_LINK_METRIC EXPECTED_THROUGHPUT""".split()  # noqa: SIM905 - to be read, not to be run
)


def with_records(data: bytes) -> object:
    """meshwatch: every field."""
    return decode(data, FAMILY)


def with_dictionary(data: bytes) -> object:
    """pyroute2: all attributes, as dictionaries."""
    message = nl80211cmd(data)
    message.decode()
    top: dict[str, Any] = dict(message["attrs"])
    top["NL80211_ATTR_STA_INFO"] = dict(top["NL80211_ATTR_STA_INFO"]["attrs"])
    return top


def with_get_attr(data: bytes) -> object:
    """pyroute2: eighteen attributes, looked up by name."""
    message = nl80211cmd(data)
    message.decode()
    info = message.get_attr("NL80211_ATTR_STA_INFO")
    return [info.get_attr(name) for name in ATTRIBUTES]


def microseconds(function: Callable[[bytes], object], data: list[bytes]) -> float:
    """CPU time of one turn through ``data``, per datagram."""
    rounds, started = 0, time.process_time()
    while (spent := time.process_time() - started) < TURN_S:
        for datagram in data:
            function(datagram)
        rounds += 1
    return spent / rounds / len(data) * 1e6


def stations(paths: list[Path]) -> list[bytes]:
    """The full station messages of the datagrams, one by one."""
    found = []
    for path in paths:
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:4], sys.byteorder)
            body = decode(data[:length], FAMILY)[0].body
            if isinstance(body, Station) and body.present.bit_count() > len(ATTRIBUTES):
                found.append(data[:length])
            data = data[length + 3 & ~3 :]
    return found


def main() -> None:
    """The table."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    messages = stations(paths or sorted((ROOT / "tests/c/corpus").glob("6.1-*.bin")))
    dumps = [message * DUMP_STATIONS for message in messages]
    ways = (
        ("meshwatch, in a dump", with_records, dumps, DUMP_STATIONS),
        ("meshwatch, alone in a datagram", with_records, messages, 1),
        ("pyroute2, 18 x get_attr", with_get_attr, messages, 1),
        ("pyroute2, dictionaries", with_dictionary, messages, 1),
    )
    best = [float("inf")] * len(ways)
    for _ in range(TURNS):
        for i, (_, function, data, count) in enumerate(ways):
            best[i] = min(best[i], microseconds(function, data) / count)
    size = sum(map(len, messages)) / len(messages)
    print(f"{len(messages)} stations of {size:.0f} bytes, best of {TURNS} turns of each")
    print(f"{'':32}{'µs/station':>12}{'ratio':>8}")
    for (name, *_), cost in zip(ways, best, strict=True):
        print(f"{name:32}{cost:12.2f}{cost / best[0]:8.0f}")


if __name__ == "__main__":
    main()
