"""The rows of the table as they go over the wire."""

from __future__ import annotations

from msgspec import NODEFAULT, structs

from meshwatch import model
from meshwatch.model import Plink, PowerMode
from meshwatch.protocol.objects import (
    Address,
    Claim,
    Evidence,
    Interface,
    Neighbor,
    Readings,
    Service,
    Source,
    Was,
)
from meshwatch.protocol.text import MAX_ADDRESS, MAX_MESH_ID, MAX_NAME, inert

MAX_GATES = 32  # of an interface

# Attribute access on an enumeration member costs more than the rest of a conversion.
_PLINK = {state: state.name.lower() for state in Plink} | {None: None}
_POWER = {mode: mode.name.lower() for mode in PowerMode} | {None: None}

# What a neighbor has under a key that is not in its line.
_ABSENT = {
    each.name: each.default for each in structs.fields(Neighbor) if each.default is not NODEFAULT
}


def _mesh_id(text: str | None) -> str | None:
    return None if text is None else inert(text, MAX_MESH_ID)


def _unix_ms(time_ns: int | None, offset_ns: int) -> int | None:
    return None if time_ns is None else (time_ns + offset_ns) // 1_000_000


def evidence(of: model.Evidence | None) -> Evidence | None:
    """What a verdict rests on, as it goes over the wire."""
    if of is None:
        return None
    return Evidence(
        proof=of.proof, silence_ms=of.silence_ms, missed=of.missed, unanswered=of.unanswered
    )


def _readings(row: model.Readings, offset_ns: int) -> Readings:
    return Readings(
        last_heard_unix_ms=(row.last_heard_ns + offset_ns) // 1_000_000,
        reach=f"{row.reach & 0xFFFF:04x}",
        connected_s=row.connected_s,
        signal_dbm=row.signal_dbm,
        signal_avg_dbm=row.signal_avg_dbm,
        ack_signal_dbm=row.ack_signal_dbm,
        airtime_metric=row.airtime_metric,
        measured_unix_ms=_unix_ms(row.measured_ns, offset_ns),
        beacon_interval_tu=row.beacon_interval_tu,
        loss_percent=row.loss_percent,
        peers=row.peers,
        path_metric=row.path_metric,
        path_changes=row.path_changes,
        expected_throughput_kbps=row.expected_throughput_kbps,
        tx_rate_kbps=row.tx_rate_kbps,
        rx_rate_kbps=row.rx_rate_kbps,
        tx_bytes=row.tx_bytes,
        rx_bytes=row.rx_bytes,
        tx_packets=row.tx_packets,
        rx_packets=row.rx_packets,
        tx_retries=row.tx_retries,
        tx_failed=row.tx_failed,
        beacon_rx=row.beacon_rx,
        beacon_loss=row.beacon_loss,
        local_pm=_POWER[row.local_pm],
        peer_pm=_POWER[row.peer_pm],
        nonpeer_pm=_POWER[row.nonpeer_pm],
    )


def _address(of: model.Address) -> Address:
    return Address(address=inert(of.address, MAX_ADDRESS), scope=of.scope, proof=of.proof)


def _claim(of: model.Claim, offset_ns: int) -> Claim:
    return Claim(
        claimant=of.claimant,
        uid=of.uid,
        name=of.name,
        nick=of.nick,
        jid=of.jid,
        fingerprint=of.fingerprint,
        verified=of.verified,
        claimed_unix_ms=(of.claimed_ns + offset_ns) // 1_000_000,
        services=tuple(map(_service, of.services)),
    )


def _service(of: model.Service) -> Service:
    return Service(type=of.type, instance=of.instance, host=of.host, port=of.port, txt=dict(of.txt))


def neighbor(row: model.Neighbor, wall_offset_ns: int) -> Neighbor:
    """A neighbor as it goes over the wire; wall time = monotonic time + ``wall_offset_ns``."""
    return Neighbor(
        ifindex=row.ifindex,
        interface=inert(row.interface, MAX_NAME),
        address=row.address,
        presence=row.presence,
        reason=row.reason,
        since_unix_ms=(row.since_ns + wall_offset_ns) // 1_000_000,
        first_heard_unix_ms=(row.first_heard_ns + wall_offset_ns) // 1_000_000,
        evidence=evidence(row.evidence),
        proximity=row.proximity,
        plink=_PLINK[row.plink],
        llid=row.llid,
        plid=row.plid,
        gate=row.gate,
        authentication_server=row.authentication_server,
        authenticated=row.authenticated,
        mfp=row.mfp,
        security=row.security,
        mesh_id=_mesh_id(row.mesh_id),
        accepting=row.accepting,
        one_sided=row.one_sided,
        next_hop=row.next_hop,
        hop_count=row.hop_count,
        proxy=row.proxy,
        addresses=tuple(map(_address, row.addresses)),
        name=row.name,
        nick=row.nick,
        jid=row.jid,
        disputed=row.disputed,
        claims=tuple([_claim(each, wall_offset_ns) for each in row.claims]),
        restarts=row.restarts,
        clash=row.clash,
        bouncing=row.bouncing,
        readings=_readings(row.readings, wall_offset_ns),
    )


def interface(row: model.Interface) -> Interface:
    """An interface as it goes over the wire."""
    return Interface(
        ifindex=row.ifindex,
        interface=inert(row.interface, MAX_NAME),
        type=row.type,
        wiphy=row.wiphy,
        address=row.address,
        up=row.up,
        running=row.running,
        frequency_mhz=row.frequency_mhz,
        mesh_id=_mesh_id(row.mesh_id),
        beacon_interval_tu=row.beacon_interval_tu,
        gates=row.gates[:MAX_GATES],
        forged=row.forged,
    )


def source(row: model.Source, wall_offset_ns: int) -> Source:
    """A source as it goes over the wire."""
    return Source(
        source=row.source,
        since_unix_ms=(row.since_ns + wall_offset_ns) // 1_000_000,
        failure=None if row.failure is None else inert(row.failure),
    )


def difference(old: Neighbor, new: Neighbor) -> Was:
    """What the old neighbor had otherwise than the new."""
    return Was(
        **{
            key: was
            for key in Was.__struct_fields__
            if (was := getattr(old, key)) != getattr(new, key) and was != _ABSENT.get(key)
        }
    )
