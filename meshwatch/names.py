"""DNS-SD (RFC 6763) with one machine: the question put to it, and what its answers say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address

import zeroconf
from msgspec import Struct

from meshwatch.services import PRESENCE, XMPP_SERVER

PORT = 5353  # of multicast DNS (RFC 6762)
MOST_BYTES = 9000  # of a message (RFC 6762, 17)

# What a claim may hold (meshwatchd(8), CLAIMS).
MOST_SERVICES, MOST_TXT = 16, 16
MOST_NAME, MOST_INSTANCE, MOST_JID = 253, 63, 255

_QUERY, _IN = 0x0000, 1  # flags and class (RFC 1035, 4.1)
_RCODE = 0x000F
_PTR = 12
_FINGERPRINT = re.compile(r"sha256:[0-9A-Fa-f]{64}\Z")


class Service(Struct, frozen=True):
    """An instance of a service (RFC 6763, 4.1) that the machine offers."""

    type: str
    instance: str
    host: str
    port: int
    txt: tuple[tuple[str, str], ...] = ()


class Facts(Struct, frozen=True):
    """What a machine says of itself; nothing of it is verified. None: it does not say."""

    name: str | None = None  # of the host, "ana.local"
    nick: str | None = None  # for people
    jid: str | None = None  # XMPP address of its user
    fingerprint: str | None = None  # of the TLS key of its XMPP server: "sha256:" and hex
    services: tuple[Service, ...] = ()


Records = tuple[zeroconf.DNSRecord, ...]


def question(identifier: int, services: Iterable[str], ip: str) -> bytes:
    """Which services of these types are there, and what is the host at this address called?

    Sent from a port other than 5353 it is answered by unicast, and as a simple resolver would
    have it: with our identifier (RFC 6762, 6.7).
    """
    message = zeroconf.DNSOutgoing(_QUERY, multicast=False, id_=identifier)
    for name in (*(f"{service}.local." for service in services), _reverse(ip)):
        message.add_question(zeroconf.DNSQuestion(name, _PTR, _IN))
    (datagram,) = message.packets()
    return datagram


def identifier_of(datagram: bytes) -> int | None:
    """The transaction identifier of a message, or None if it has none."""
    return int.from_bytes(datagram[:2]) if len(datagram) >= 2 else None


def read(datagram: bytes) -> Records | None:
    """The records of an answer; None if it is not one, or cannot be read, or holds nothing."""
    if len(datagram) > MOST_BYTES:
        return None
    message = zeroconf.DNSIncoming(datagram, now=1.0)  # 0 would be: look at the clock
    if not message.valid or not message.is_response() or message.flags & _RCODE:
        return None
    return tuple(record for record in message.answers() if record.ttl > 0) or None


def facts(records: Sequence[zeroconf.DNSRecord], services: Iterable[str], ip: str) -> Facts:
    """What the records say of the machine that was asked at this address.

    A responder may speak for other hosts as well: their services are left out.
    """
    found = _Found(records)
    name = found.host_at(ip)
    offered = [
        service for type_ in services for service in found.instances(type_) if service.host == name
    ]
    presence = dict(next((service.txt for service in offered if service.type == PRESENCE), ()))
    server = dict(next((service.txt for service in offered if service.type == XMPP_SERVER), ()))
    both = " ".join(part for key in ("1st", "last") if (part := presence.get(key)))
    fingerprint = server.get("tlsfp", "")
    return Facts(
        name=name,
        nick=_text(presence.get("nick") or both, MOST_INSTANCE),
        jid=_text(presence.get("jid"), MOST_JID),
        fingerprint=fingerprint if _FINGERPRINT.match(fingerprint) else None,
        services=tuple(offered[:MOST_SERVICES]),
    )


class _Found:
    """Records by what they are asked for. Names are compared without case (RFC 1035, 2.3.3)."""

    def __init__(self, records: Sequence[zeroconf.DNSRecord]) -> None:
        self._pointers: dict[str, dict[str, str]] = {}
        self._servers: dict[str, zeroconf.DNSService] = {}
        self._texts: dict[str, bytes] = {}
        self._addresses: dict[str, set[bytes]] = {}
        for record in records:
            key = record.name.lower()
            match record:
                case zeroconf.DNSPointer():
                    self._pointers.setdefault(key, {})[record.alias.lower()] = record.alias
                case zeroconf.DNSService():
                    self._servers[key] = record
                case zeroconf.DNSText():
                    self._texts[key] = record.text
                case zeroconf.DNSAddress():
                    self._addresses.setdefault(key, set()).add(record.address)

    def host_at(self, ip: str) -> str | None:
        """The name of the host with this address: as the reverse record says, or else the target
        of a service, at best one with this address. python-zeroconf answers no reverse question.
        """
        address = IPv6Address(ip).packed
        targets = [server.server for server in self._servers.values()]
        named = [
            *self._pointers.get(_reverse(ip).lower(), {}).values(),
            *(host for host in targets if address in self._addresses.get(host.lower(), ())),
            *targets,
        ]
        return next((name for host in named if (name := _host(host))), None)

    def instances(self, type_: str) -> list[Service]:
        """The instances of a type that can be reached."""
        parent = f"{type_}.local."
        found = []
        for key, alias in sorted(self._pointers.get(parent.lower(), {}).items()):
            server = self._servers.get(key)
            instance = _text(alias[: -len(parent) - 1], MOST_INSTANCE)
            host = _host(server.server) if server else None
            if key.endswith("." + parent.lower()) and instance and server and server.port and host:
                txt = _txt(self._texts.get(key, b""))
                found.append(Service(type_, instance, host, server.port, txt))
        return found


def _reverse(ip: str) -> str:
    return IPv6Address(ip).reverse_pointer + "."


def _host(name: str) -> str | None:
    return _text(name.removesuffix("."), MOST_NAME)


def _text(text: str | None, most: int) -> str | None:
    """The text, if it has anything, is not too long, and no terminal would obey it."""
    return text if text and len(text) <= most and text.isprintable() else None


def _txt(data: bytes) -> tuple[tuple[str, str], ...]:
    """Pairs of a TXT record (RFC 6763, 6.3 to 6.5): the first of a key counts, keys have no case;
    values that are no text are left out."""
    pairs: dict[str, str] = {}
    while data:
        part, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        key, _, value = part.partition(b"=")
        try:
            name, text = key.decode("ascii").lower(), value.decode()
        except UnicodeDecodeError:
            continue
        if name and len(name) <= MOST_INSTANCE and (name + text).isprintable():
            pairs.setdefault(name, text)
    return tuple(pairs.items())[:MOST_TXT]
