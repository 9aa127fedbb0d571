"""Prints what the table costs per observation, by the number of neighbors it holds."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time_ns

from meshwatch.model import InterfaceType, Plink
from meshwatch.observations import InterfaceSeen, Observation, Station, StationField, StationSeen
from meshwatch.table import Table

SECOND_NS = 1_000_000_000
ROUNDS = 5
PRESENT = (
    StationField.INACTIVE_MS
    | StationField.CONNECTED_S
    | StationField.RX_BYTES
    | StationField.TX_BYTES
    | StationField.RX_PACKETS
    | StationField.TX_PACKETS
    | StationField.TX_RETRIES
    | StationField.TX_FAILED
    | StationField.BEACON_RX
    | StationField.EXPECTED_THROUGHPUT_KBPS
    | StationField.AIRTIME_METRIC
    | StationField.SIGNAL_DBM
    | StationField.SIGNAL_AVG_DBM
    | StationField.PLINK
    | StationField.LLID
    | StationField.PLID
    | StationField.LOCAL_PM
    | StationField.PEER_PM
    | StationField.NONPEER_PM
    | StationField.TX_RATE_KBPS
    | StationField.RX_RATE_KBPS
)
BASE = Station(*(0,) * len(Station._fields))._replace(
    present=int(PRESENT),
    signal_dbm=-50,
    airtime_metric=418,
    expected_throughput_kbps=19593,
    plink=int(Plink.ESTAB),
    llid=4711,
    plid=815,
    local_pm=1,
    peer_pm=1,
    nonpeer_pm=1,
)


def nothing(turn: int) -> Station:
    """The same sign of life as before, a millisecond older at every turn."""
    return BASE._replace(inactive_ms=turn)


def reading(turn: int) -> Station:
    """A new sign of life, as of nearly every look at a neighbor that lives."""
    return BASE._replace(inactive_ms=10, beacon_rx=turn, rx_bytes=100 * turn)


def news(turn: int) -> Station:
    """The link closes and comes back."""
    plink = Plink.ESTAB if turn % 2 else Plink.LISTEN
    return BASE._replace(inactive_ms=10, plink=int(plink))


def address(number: int) -> str:
    """The hardware address of the n-th neighbor."""
    return f"02:00:00:{number >> 16:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def measure(neighbors: int, step_ns: int, station: Callable[[int], Station]) -> float:
    """µs per StationSeen, the best of some rounds over all neighbors."""
    table = Table()
    mesh = InterfaceSeen(3, "mesh0", InterfaceType.MESH, 0, "02:00:00:ff:ff:ff")
    table.observe(mesh, 0)
    addresses = [address(number) for number in range(neighbors)]
    best = float("inf")
    for turn in range(ROUNDS + 1):
        now = 1_000 * SECOND_NS + turn * step_ns
        seen = station(turn)
        looks: list[Observation] = [StationSeen(3, each, seen) for each in addresses]
        start = process_time_ns()
        for look in looks:
            table.observe(look, now)
        if turn:  # the first round fills the table
            best = min(best, (process_time_ns() - start) / neighbors / 1_000)
    return best


def main() -> None:
    """Print the table."""
    print(f"{'neighbors':>9} {'no change':>10} {'reading':>10} {'news':>10}   µs per StationSeen")
    for neighbors in (100, 1_000, 10_000):
        figures = (
            measure(neighbors, 1_000_000, nothing),
            measure(neighbors, 1_024_000_000, reading),
            measure(neighbors, 1_024_000_000, news),
        )
        print(f"{neighbors:>9}", *(f"{figure:>10.2f}" for figure in figures))


if __name__ == "__main__":
    main()
