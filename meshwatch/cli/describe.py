"""All that is known of a neighbor, or of an interface of ours: a headline, and a line for each
thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshwatch.cli import layout, text, view
from meshwatch.client import Mirror
from meshwatch.protocol import Claim, Interface, Neighbor

_TEST_FRAME_US = 10.24  # one unit of the airtime metric, 0.01 TU
_MOST_PEERS = 63  # that a beacon can count

_Facts = Iterator[tuple[str, str]]


def neighbor(row: Neighbor, names: view.Names, now_unix_ms: int, *, color: bool) -> Iterator[str]:
    """The lines about a neighbor."""
    name = view.label(row, names)
    title = f"{name}, {row.address}" if name != row.address else row.address
    yield layout.paint(f"{title} on {text.printable(row.interface)}", "bold", color=color)
    style = view.PRESENCE_STYLES.get(row.presence, "")
    facts = (
        *_presence(row, names, now_unix_ms),
        *_who(row, now_unix_ms),
        *_link(row),
        *_says(row),
        *_radio(row, now_unix_ms),
        *_traffic(row),
    )
    warnings = dict.fromkeys(("one-sided", "bouncing", "disputed", "clash"), "warn")
    yield from _lines(facts, {"state": style} | warnings, color=color)


def interface(row: Interface, mirror: Mirror, names: view.Names, *, color: bool) -> Iterator[str]:
    """The lines about an interface."""
    title = f"{text.printable(row.interface)}, {row.address}"
    yield layout.paint(title, "bold", color=color)
    yield from _lines(_interface(row, mirror, names), {}, color=color)


def _lines(
    facts: Iterable[tuple[str, str]], styles: dict[str, str], *, color: bool
) -> Iterator[str]:
    for key, value in facts:
        shown = layout.paint(value, styles.get(key, ""), color=color)
        yield f"  {layout.paint(f'{key:<14}', 'dim', color=color)}{shown}"


# ---- interfaces ---------------------------------------------------------------------------------


def _interface(row: Interface, mirror: Mirror, names: view.Names) -> _Facts:
    yield "state", "up and joined" if row.running else "up, not joined" if row.up else "down"
    yield "type", row.type
    if row.mesh_id is not None:
        yield "mesh ID", text.printable(row.mesh_id)
    if row.frequency_mhz is not None:
        yield "frequency", f"{row.frequency_mhz} MHz"
    yield "radio", f"phy{row.wiphy}"
    if row.beacon_interval_tu is not None:
        yield "beacons", f"every {text.interval(row.beacon_interval_tu)}"
    if row.forged:
        yield "forged", "another radio sends beacons with our address"
    if row.gates:
        yield "gates", ", ".join(names.get(gate, gate) for gate in row.gates)
    here = [each for each in mirror.neighbors.values() if each.ifindex == row.ifindex]
    yield "in the table", view.summary(here)


# ---- neighbors ----------------------------------------------------------------------------------


def _presence(row: Neighbor, names: view.Names, now_unix_ms: int) -> _Facts:
    readings = row.readings
    since = text.timestamp(row.since_unix_ms)
    lasting = text.duration(now_unix_ms - row.since_unix_ms)
    yield "state", f"{row.presence} since {since}, {lasting}"
    yield "reason", text.REASONS.get(row.reason, text.printable(row.reason))
    if row.evidence is not None:
        yield "evidence", text.evidence(row.evidence)
    if row.one_sided is not None:
        yield "one-sided", text.ONE_SIDED.get(row.one_sided, text.printable(row.one_sided))
    if row.bouncing:
        yield "bouncing", "it came and went too often, its news is held back"
    yield "where", view.way(row, names)
    yield "first heard", text.timestamp(row.first_heard_unix_ms)
    ago = text.duration(now_unix_ms - readings.last_heard_unix_ms)
    last = f"{text.timestamp(readings.last_heard_unix_ms)}, {ago} ago"
    if view.direct(row):
        yield "last heard", last
        yield "reach", f"{text.reach(int(readings.reach, 16))} ({readings.reach}), oldest first"
    else:
        yield "last reached", last


def _who(row: Neighbor, now_unix_ms: int) -> _Facts:
    said = [text.printable(word) for word in (row.name, row.nick, row.jid) if word]
    if said:
        yield "is said to be", ", ".join(said)
    if row.disputed:
        yield "disputed", "another has this name too, or it had another name before"
    if row.clash is not None:
        yield "clash", text.CLASHES.get(row.clash, text.printable(row.clash))
    if row.addresses:
        known = [f"{each.address} ({each.proof})" for each in row.addresses]
        yield "addresses", text.printable(", ".join(known))
    for claim in row.claims:
        yield from _claim(claim, now_unix_ms)


def _claim(claim: Claim, now_unix_ms: int) -> _Facts:
    """Who says it and since when, what; then the services, a line each."""
    ago = text.duration(now_unix_ms - claim.claimed_unix_ms)
    whose = f"{text.printable(claim.claimant)} (user {claim.uid})"
    words = (claim.name, claim.nick, claim.jid, claim.fingerprint)
    said = [text.printable(word) for word in words if word]
    verified = ["verified" if claim.verified else "not verified"]
    yield "claimed by", f"{whose} {ago} ago: {', '.join(said + verified)}"
    for service in claim.services:
        host = f" at {text.printable(service.host)}" if service.host else ""
        txt = "".join(f" {key}={value}" for key, value in service.txt.items())
        shown = f"{service.type} {service.instance}{host} port {service.port}{txt}"
        yield "offers", text.printable(shown)


def _link(row: Neighbor) -> _Facts:
    if row.plink is not None:
        ids = [
            f"{word} {number}"
            for word, number in (("our id", row.llid), ("its id", row.plid))
            if number is not None
        ]
        ids += [f"restarted {row.restarts} times"] if row.restarts else []
        yield "peer link", ", ".join([row.plink, *ids])
    uses = [text.SECURITY.get(row.security, text.printable(row.security))] if row.security else []
    uses += _answers(("authenticated", row.authenticated), ("management frames protected", row.mfp))
    if uses:
        yield "security", ", ".join(uses)


def _says(row: Neighbor) -> _Facts:
    if row.mesh_id is not None:
        yield "mesh ID", text.printable(row.mesh_id)
    peers = row.readings.peers
    counts = [] if peers is None else [f"counts {text.count(peers, 'peer')}"]
    counts += ["or more"] if peers == _MOST_PEERS else []
    shown = [" ".join(counts)] if counts else []
    shown += [] if row.accepting is None else [f"accepts {'more' if row.accepting else 'no more'}"]
    if shown:
        yield "peers", ", ".join(shown)
    says = _answers(("gate", row.gate), ("authentication server", row.authentication_server))
    if says:
        yield "connected to", ", ".join(says)


def _radio(row: Neighbor, now_unix_ms: int) -> _Facts:
    readings = row.readings
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
        yield "metric", _airtime(readings.airtime_metric)
    if readings.measured_unix_ms is not None:
        ago = text.duration(now_unix_ms - readings.measured_unix_ms)
        yield "measured", f"metric and throughput: {ago} ago, by traffic"
    path = [] if readings.path_metric is None else [_airtime(readings.path_metric)]
    if readings.path_changes is not None:
        path.append(text.count(readings.path_changes, "change"))
    if path:
        yield "path metric", ", ".join(path)
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


def _traffic(row: Neighbor) -> _Facts:
    readings = row.readings
    for way, packets, count, details in (
        (
            "sent",
            readings.tx_packets,
            readings.tx_bytes,
            (("retried", readings.tx_retries), ("failed", readings.tx_failed)),
        ),
        ("received", readings.rx_packets, readings.rx_bytes, ()),
    ):
        parts = [] if packets is None else [f"{packets} frames"]
        parts += [] if count is None else [text.size(count)]
        parts += [f"{number} {what}" for what, number in details if number is not None]
        if parts:
            yield way, ", ".join(parts)
    interval, lost = readings.beacon_interval_tu, readings.loss_percent
    parts = [] if interval is None else [f"every {text.interval(interval)}"]
    parts += [] if lost is None else [f"{lost} % missed of late"]
    parts += [] if readings.beacon_rx is None else [f"{readings.beacon_rx} received"]
    parts += [] if readings.beacon_loss is None else [f"found missing {readings.beacon_loss} times"]
    if parts:
        yield "beacons", ", ".join(parts)
    if readings.connected_s is not None:
        lasting = text.duration(readings.connected_s * 1000)
        yield "entry", f"known to the kernel for {lasting}"


def _airtime(metric: int) -> str:
    airtime_ms = metric * _TEST_FRAME_US / 1000
    return f"{metric}, {airtime_ms:.1f} ms of air per 1 kB sent"


def _answers(*answers: tuple[str, bool | None]) -> list[str]:
    return [
        f"{question}: {'yes' if answer else 'no'}"
        for question, answer in answers
        if answer is not None
    ]
