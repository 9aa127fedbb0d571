"""The verb show: show everything known about one neighbor."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from meshwatch.cli import layout, screen, text, view
from meshwatch.cli.clock import Clock
from meshwatch.cli.document import document
from meshwatch.cli.ethers import address_of
from meshwatch.cli.exits import Exit
from meshwatch.client import Mirror, look
from meshwatch.protocol import Neighbor

_TEST_FRAME_US = 10.24  # one unit of the airtime metric, 0.01 TU


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    parser.add_argument(
        "neighbor", metavar="NEIGHBOR", help="a hardware address, the beginning of one, or a name"
    )


def run(arguments: argparse.Namespace, names: view.Names) -> Exit:
    """Print what is known about the neighbor over each interface that hears it."""
    mirror = look(arguments.runtime_directory)
    found = matching(mirror, arguments.neighbor, names)
    if arguments.json:
        sys.stdout.buffer.write(document(mirror, found, names))
    elif found:
        color = screen.wants_color(sys.stdout)
        if recording := view.replaying(mirror):
            print(layout.paint(recording, "label", color=color))
        now = Clock().now_unix_ms(mirror)
        for neighbor in found:
            print(*describe(neighbor, names, now, color=color), sep="\n")
    else:
        print(
            f"meshwatch: {text.printable(arguments.neighbor)} is not in range"
            f" ({text.count(len(mirror.neighbors), 'neighbor')} known)",
            file=sys.stderr,
        )
    return Exit.OK if found else Exit.NOBODY


def matching(mirror: Mirror, wanted: str, names: view.Names) -> list[Neighbor]:
    """The neighbors of that address or name; if there is none, those whose address begins so."""
    neighbors = view.ordered(mirror.neighbors.values(), names)
    lowered = wanted.lower()
    exact = [
        neighbor
        for neighbor in neighbors
        if neighbor.address == address_of(wanted)
        or names.get(neighbor.address, "").lower() == lowered
    ]
    return exact or [n for n in neighbors if lowered and n.address.startswith(lowered)]


def describe(
    neighbor: Neighbor, names: view.Names, now_unix_ms: int, *, color: bool
) -> Iterator[str]:
    """A headline, and a line for each thing that is known."""
    name = names.get(neighbor.address)
    title = f"{name}, {neighbor.address}" if name else neighbor.address
    yield layout.paint(f"{title} on {text.printable(neighbor.interface)}", "bold", color=color)
    style = view.PRESENCE_STYLES.get(neighbor.presence, "")
    for key, value in _facts(neighbor, now_unix_ms):
        shown = layout.paint(value, style if key == "state" else "", color=color)
        yield f"  {layout.paint(f'{key:<14}', 'dim', color=color)}{shown}"


def _facts(neighbor: Neighbor, now_unix_ms: int) -> Iterator[tuple[str, str]]:
    readings = neighbor.readings
    since = text.timestamp(neighbor.since_unix_ms)
    lasting = text.duration(now_unix_ms - neighbor.since_unix_ms)
    yield "state", f"{neighbor.presence} since {since}, {lasting}"
    yield "reason", text.REASONS.get(neighbor.reason, text.printable(neighbor.reason))
    yield "first heard", text.timestamp(neighbor.first_heard_unix_ms)
    ago = text.duration(now_unix_ms - readings.last_heard_unix_ms)
    yield "last heard", f"{text.timestamp(readings.last_heard_unix_ms)}, {ago} ago"
    bits = int(readings.reach, 16)
    yield "reach", f"{text.reach(bits)} ({readings.reach}), oldest first"
    yield from _link(neighbor)
    yield from _radio(neighbor)
    yield from _traffic(neighbor)


def _link(neighbor: Neighbor) -> Iterator[tuple[str, str]]:
    if neighbor.plink is not None:
        ids = [
            f"{word} {number}"
            for word, number in (("our id", neighbor.llid), ("its id", neighbor.plid))
            if number is not None
        ]
        yield "peer link", ", ".join([neighbor.plink, *ids])
    answers = (
        ("authenticated", neighbor.authenticated),
        ("management frames protected", neighbor.mfp),
    )
    security = [f"{question}: {_yes(answer)}" for question, answer in answers if answer is not None]
    if security:
        yield "security", ", ".join(security)
    answers = (("gate", neighbor.gate), ("authentication server", neighbor.authentication_server))
    says = [f"{question}: {_yes(answer)}" for question, answer in answers if answer is not None]
    if says:
        yield "connected to", ", ".join(says)


def _radio(neighbor: Neighbor) -> Iterator[tuple[str, str]]:
    readings = neighbor.readings
    signals = [
        f"{dbm} dBm {of}"
        for dbm, of in (
            (readings.signal_dbm, "last"),
            (readings.signal_avg_dbm, "average"),
            (readings.ack_signal_dbm, "of its acknowledgements"),
        )
        if dbm is not None
    ]
    if signals:
        yield "signal", ", ".join(signals)
    if readings.tx_rate_kbps is not None or readings.rx_rate_kbps is not None:
        rates = (text.megabits(readings.tx_rate_kbps), text.megabits(readings.rx_rate_kbps))
        yield "rates", f"{rates[0]} Mb/s sent, {rates[1]} Mb/s received"
    if readings.expected_throughput_kbps is not None:
        yield "throughput", f"{text.megabits(readings.expected_throughput_kbps)} Mb/s expected"
    if readings.airtime_metric is not None:
        airtime_ms = readings.airtime_metric * _TEST_FRAME_US / 1000
        yield "metric", f"{readings.airtime_metric}, {airtime_ms:.1f} ms of air per 1 kB sent"
    modes = [
        f"{whose} {mode}"
        for whose, mode in (
            ("we to it", readings.local_pm),
            ("it to us", readings.peer_pm),
            ("it to strangers", readings.nonpeer_pm),
        )
        if mode is not None
    ]
    if modes:
        yield "power save", ", ".join(modes).replace("_", " ")


def _traffic(neighbor: Neighbor) -> Iterator[tuple[str, str]]:
    readings = neighbor.readings
    for way, packets, count, details in (
        (
            "sent",
            readings.tx_packets,
            readings.tx_bytes,
            (("retried", readings.tx_retries), ("failed", readings.tx_failed)),
        ),
        ("received", readings.rx_packets, readings.rx_bytes, ()),
        ("beacons", readings.beacon_rx, None, (("lost", readings.beacon_loss),)),
    ):
        parts = [] if packets is None else [str(packets) + (" frames" if count is not None else "")]
        parts += [] if count is None else [text.size(count)]
        parts += [f"{number} {what}" for what, number in details if number is not None]
        if parts:
            yield way, ", ".join(parts)
    if readings.connected_s is not None:
        lasting = text.duration(readings.connected_s * 1000)
        yield "entry", f"known to the kernel for {lasting}"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
