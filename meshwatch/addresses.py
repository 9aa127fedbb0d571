"""Which IP addresses are behind the hardware addresses on one interface's link."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from meshwatch.eui64 import LINK_LOCAL, derived
from meshwatch.model import Address, AddressProof, AddressScope

MOST_IPS = 16  # of one hardware address
MOST_ADDRESSES = 512  # hardware addresses

_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_PRIVATE = [IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]

# Who tries one after the other begins with what works without any configuration.
_ORDER = {
    (6, AddressScope.LINK): 0,
    (6, AddressScope.UNIQUE_LOCAL): 1,
    (6, AddressScope.GLOBAL): 2,
    (4, AddressScope.PRIVATE): 3,
    (4, AddressScope.GLOBAL): 4,
    (4, AddressScope.LINK): 5,
}


class _Behind(NamedTuple):
    """One IP address behind a hardware address."""

    ip: IPv4Address | IPv6Address
    scope: AddressScope
    proof: AddressProof
    learned_ns: int

    @property
    def order(self) -> tuple[int, int, int]:
        """That learned last goes before others of its kind: addresses change."""
        return _ORDER[self.ip.version, self.scope], -self.learned_ns, int(self.ip)


class Addresses:
    """Hardware addresses and the IP addresses behind them, bounded: anybody can send in any name.

    An IP address is behind one hardware address at a time, the one that was said last.
    """

    def __init__(self) -> None:
        self._behind: dict[str, dict[str, _Behind]] = {}  # oldest first
        self._owner: dict[str, str] = {}

    def see(
        self, address: str, ip: str, proof: AddressProof, now: int, kept: Container[str]
    ) -> tuple[str, ...]:
        """The IP address is behind this hardware address; for which of those that is new.

        What is no address of a single machine is not noted, nor is what nobody verified. When
        there is no room the oldest hardware address that is not in ``kept`` makes it.
        """
        parsed = _parsed(ip)
        scope = _scope(parsed) if parsed else None
        if parsed is None or scope is None or proof is AddressProof.DERIVED:
            return ()
        text = str(parsed)
        owner = self._owner.get(text)
        if owner == address:
            known = self._behind[address][text]
            if known.proof is proof or proof is not AddressProof.ECHO:
                return ()
            self._behind[address][text] = known._replace(proof=proof)
            return (address,)
        if address not in self._behind and not self._make_room(kept):
            return ()
        self.fail(text)
        behind = self._behind.setdefault(address, {})
        if len(behind) >= MOST_IPS:
            self.fail(min(behind, key=lambda each: (behind[each].learned_ns, each)))
        behind[text] = _Behind(parsed, scope, proof, now)
        self._owner[text] = address
        return (address, owner) if owner else (address,)

    def fail(self, ip: str) -> str | None:
        """Nobody answers for the IP address; behind which hardware address it was."""
        owner = self._owner.pop(ip, None)
        if owner is not None:
            del self._behind[owner][ip]
            if not self._behind[owner]:
                del self._behind[owner]
        return owner

    def clear(self) -> None:
        """The link went down, and with it whatever was known of it."""
        self._behind.clear()
        self._owner.clear()

    def linked(self, address: str) -> bool:
        """A link-local IPv6 address behind this hardware address is verified."""
        return any(_linked(each) for each in self._behind.get(address, {}).values())

    def known(
        self, address: str, interface: str
    ) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
        """The verified IP addresses, best first; and these with the derived one, if it counts."""
        behind = sorted(self._behind.get(address, {}).values(), key=lambda each: each.order)
        verified = tuple(_told(each, interface) for each in behind)
        if any(map(_linked, behind)):
            return verified, verified
        guess = Address(
            f"{derived(LINK_LOCAL, address)}%{interface}", AddressScope.LINK, AddressProof.DERIVED
        )
        return verified, (*verified, guess)

    def _make_room(self, kept: Container[str]) -> bool:
        if len(self._behind) < MOST_ADDRESSES:
            return True
        spare = next((address for address in self._behind if address not in kept), None)
        if spare is None:
            return False
        for ip in self._behind.pop(spare):
            del self._owner[ip]
        return True


def _parsed(ip: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(ip.partition("%")[0])
    except ValueError:
        return None


def _scope(ip: IPv4Address | IPv6Address) -> AddressScope | None:
    """None: not the address of a single machine on a network."""
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback or int(ip) == 0xFFFFFFFF:
        return None
    if ip.is_link_local:
        return AddressScope.LINK
    if isinstance(ip, IPv4Address):
        private = any(ip in network for network in _PRIVATE)
        return AddressScope.PRIVATE if private else AddressScope.GLOBAL
    return AddressScope.UNIQUE_LOCAL if ip in _UNIQUE_LOCAL else AddressScope.GLOBAL


def _linked(behind: _Behind) -> bool:
    return behind.ip.version == 6 and behind.scope is AddressScope.LINK


def _told(behind: _Behind, interface: str) -> Address:
    zone = f"%{interface}" if _linked(behind) else ""
    return Address(f"{behind.ip}{zone}", behind.scope, behind.proof)
