"""Encodes requests and decodes rtnetlink with pyroute2, which is imported at first use.

Every request carries sequence number 0; :mod:`meshwatch.netlink` stamps the real one. What is
asked again and again is encoded once.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Any, NamedTuple

from meshwatch.pyroute import import_parts_only

# linux/rtnetlink.h: leave out the 200 bytes of statistics of every link, they are not read.
RTEXT_FILTER_SKIP_STATS = 1 << 3

# linux/nl80211.h; pyroute2 has no name for it.
NL80211_CMD_PROBE_MESH_LINK = 136

# IEEE Std 802 local experimental EtherType 1: no protocol of anybody.
ETH_P_802_EX1 = b"\x88\xb5"

# The interface stands at the same place in struct ndmsg and struct ifaddrmsg.
_NETLINK_HEADER, _IFINDEX = 16, struct.Struct("=4xi")
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")

_BEFORE_FRAME = 16 + 4 + 8 + 12 + 4  # headers, IFINDEX, MAC, head of FRAME: the last attribute


import_parts_only()


class Link(NamedTuple):
    """A network device as RTM_NEWLINK or RTM_DELLINK describes it."""

    ifindex: int
    name: str  # "" = absent
    family: int  # AF_UNSPEC; anything else is a bridge's or a protocol's view of the device
    flags: int  # IFF_*, see netdevice(7)


class NeighborEntry(NamedTuple):
    """An entry of the kernel's neighbor table (``struct ndmsg``, linux/neighbour.h)."""

    ifindex: int
    family: int  # AF_INET, AF_INET6; a bridge's entries have AF_BRIDGE
    state: int  # NUD_*
    flags: int  # NTF_*
    ip: str  # "" = absent
    address: str  # "" = absent, or not one of an Ethernet


class OwnAddress(NamedTuple):
    """An address of an interface of ours (``struct ifaddrmsg``, linux/if_addr.h)."""

    ifindex: int
    family: int
    flags: int  # IFA_F_*
    ip: str  # "" = absent


def get_family(name: str) -> bytes:
    """Ask the generic netlink controller for a family (CTRL_CMD_GETFAMILY)."""
    from pyroute2.netlink import CTRL_CMD_GETFAMILY, GENL_ID_CTRL, NLM_F_REQUEST, ctrlmsg

    message = ctrlmsg()
    message["cmd"] = CTRL_CMD_GETFAMILY
    message["version"] = 1
    message["attrs"] = [("CTRL_ATTR_FAMILY_NAME", name)]
    return _encode(message, GENL_ID_CTRL, NLM_F_REQUEST)


@lru_cache(maxsize=1)
def get_families() -> bytes:
    """Ask the generic netlink controller for all families (a dump of CTRL_CMD_GETFAMILY).

    To ask for one by name loads its module if it is not there (ctrl_getfamily in
    net/netlink/genetlink.c), also when somebody has just unloaded it.
    """
    from pyroute2.netlink import (
        CTRL_CMD_GETFAMILY,
        GENL_ID_CTRL,
        NLM_F_DUMP,
        NLM_F_REQUEST,
        ctrlmsg,
    )

    message = ctrlmsg()
    message["cmd"] = CTRL_CMD_GETFAMILY
    message["version"] = 1
    return _encode(message, GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_DUMP)


@lru_cache(maxsize=16)
def get_interfaces(family: int) -> bytes:
    """Ask nl80211 for all its interfaces (a dump of NL80211_CMD_GET_INTERFACE)."""
    from pyroute2.netlink.nl80211 import NL80211_CMD_GET_INTERFACE

    return _nl80211(family, NL80211_CMD_GET_INTERFACE, [], dump=True)


@lru_cache(maxsize=16)
def get_stations(family: int, ifindex: int) -> bytes:
    """Ask nl80211 for all stations of an interface (a dump of NL80211_CMD_GET_STATION)."""
    from pyroute2.netlink.nl80211 import NL80211_CMD_GET_STATION

    attributes = [("NL80211_ATTR_IFINDEX", ifindex)]
    return _nl80211(family, NL80211_CMD_GET_STATION, attributes, dump=True)


def get_station(family: int, ifindex: int, address: str) -> bytes:
    """Ask nl80211 for one station (NL80211_CMD_GET_STATION)."""
    before, after = _around_station(family, ifindex)
    return before + bytes.fromhex(address.replace(":", "")) + after


@lru_cache(maxsize=16)
def _around_station(family: int, ifindex: int) -> tuple[bytes, bytes]:
    """What stands before and behind the address: to encode it takes many times as long as the
    kernel takes to answer."""
    from pyroute2.netlink.nl80211 import NL80211_CMD_GET_STATION

    anybody = "ff:ff:ff:ff:ff:ff"
    attributes = [("NL80211_ATTR_IFINDEX", ifindex), ("NL80211_ATTR_MAC", anybody)]
    request = _nl80211(family, NL80211_CMD_GET_STATION, attributes)
    before, _, after = request.rpartition(bytes.fromhex(anybody.replace(":", "")))
    return before, after


def probe_mesh_link(
    family: int, ifindex: int, address: str, own_address: str, frame_bytes: int
) -> bytes:
    """Have nl80211 send the station an empty frame (NL80211_CMD_PROBE_MESH_LINK), and say so."""
    peer, own = (bytes.fromhex(text.replace(":", "")) for text in (address, own_address))
    frame = (peer + own + ETH_P_802_EX1).ljust(frame_bytes, b"\0")
    attributes = [
        ("NL80211_ATTR_IFINDEX", ifindex),
        ("NL80211_ATTR_MAC", address),
        ("NL80211_ATTR_FRAME", frame),
    ]
    return _nl80211(family, NL80211_CMD_PROBE_MESH_LINK, attributes, ack=True)


def frame_bytes(request: bytes) -> int:
    """How long the frame is in a request of :func:`probe_mesh_link`."""
    return max(0, len(request) - _BEFORE_FRAME)


@lru_cache(maxsize=16)
def get_paths(family: int, ifindex: int) -> bytes:
    """Ask nl80211 for all mesh paths of an interface (a dump of NL80211_CMD_GET_MPATH)."""
    from pyroute2.netlink.nl80211 import NL80211_CMD_GET_MPATH

    return _nl80211(family, NL80211_CMD_GET_MPATH, [("NL80211_ATTR_IFINDEX", ifindex)], dump=True)


@lru_cache(maxsize=16)
def get_proxies(family: int, ifindex: int) -> bytes:
    """Ask nl80211 for all proxied addresses of an interface (a dump of NL80211_CMD_GET_MPP)."""
    from pyroute2.netlink.nl80211 import NL80211_CMD_GET_MPP

    return _nl80211(family, NL80211_CMD_GET_MPP, [("NL80211_ATTR_IFINDEX", ifindex)], dump=True)


def get_links() -> bytes:
    """Ask rtnetlink for all network devices (a dump of RTM_GETLINK)."""
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.rtnl import RTM_GETLINK
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    message = ifinfmsg()
    message["attrs"] = [("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]
    return _encode(message, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP)


def link(message: bytes) -> Link | None:
    """Decode one RTM_NEWLINK or RTM_DELLINK with its netlink header; None if it cannot be."""
    from pyroute2.netlink.exceptions import NetlinkDecodeError
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    decoded = ifinfmsg(message)
    try:
        decoded.decode()
        name = decoded.get_attr("IFLA_IFNAME", "")
    except (NetlinkDecodeError, struct.error, ValueError):
        return None
    if not isinstance(name, str):  # what pyroute2 makes of an attribute it cannot decode
        return None
    return Link(decoded["index"], name, decoded["family"], decoded["flags"])


@lru_cache(maxsize=1)
def get_neighbors() -> bytes:
    """Ask rtnetlink for all entries of the neighbor tables (a dump of RTM_GETNEIGH)."""
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.rtnl import RTM_GETNEIGH
    from pyroute2.netlink.rtnl.ndmsg import ndmsg

    return _encode(ndmsg(), RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP)


@lru_cache(maxsize=1)
def get_own_addresses(family: int) -> bytes:
    """Ask rtnetlink for the addresses of all our interfaces (a dump of RTM_GETADDR)."""
    from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.rtnl import RTM_GETADDR
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

    message = ifaddrmsg()
    message["family"] = family
    return _encode(message, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)


def interface_of(message: memoryview) -> int:
    """The interface of a message for :func:`neighbor_entry` or :func:`own_address`, which it is
    not worth while to decode for others; 0 if it is cut off."""
    if len(message) < _NETLINK_HEADER + _IFINDEX.size:
        return 0
    ifindex: int = _IFINDEX.unpack_from(message, _NETLINK_HEADER)[0]
    return ifindex


def neighbor_entry(message: bytes) -> NeighborEntry | None:
    """Decode one RTM_NEWNEIGH or RTM_DELNEIGH with its netlink header; None if it cannot be."""
    from pyroute2.netlink.rtnl.ndmsg import ndmsg

    decoded = _decoded(ndmsg(message), "NDA_DST", "NDA_LLADDR")
    if decoded is None:
        return None
    head, ip, address = decoded
    return NeighborEntry(
        head["ifindex"],
        head["family"],
        head["state"],
        head["flags"],
        ip,
        address if _MAC.fullmatch(address) else "",
    )


def own_address(message: bytes) -> OwnAddress | None:
    """Decode one RTM_NEWADDR or RTM_DELADDR with its netlink header; None if it cannot be."""
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

    decoded = _decoded(ifaddrmsg(message), "IFA_LOCAL", "IFA_ADDRESS")
    if decoded is None:
        return None
    head, local, ip = decoded
    flags = head.get_attr("IFA_FLAGS", head["flags"])  # eight bits are not enough any more
    if not isinstance(flags, int):
        return None
    return OwnAddress(head["index"], head["family"], flags, local or ip)


def _decoded(message: Any, *names: str) -> tuple[Any, str, str] | None:
    """The message, decoded, and the text of two attributes, "" where one is absent."""
    from pyroute2.netlink.exceptions import NetlinkDecodeError

    try:
        message.decode()
        first, second = (message.get_attr(name, "") for name in names)
    except (NetlinkDecodeError, struct.error, ValueError):
        return None
    if not isinstance(first, str) or not isinstance(second, str):
        return None  # what pyroute2 makes of an attribute that it cannot decode
    return message, first, second


def _nl80211(
    family: int,
    command: int,
    attributes: list[tuple[str, Any]],
    *,
    dump: bool = False,
    ack: bool = False,
) -> bytes:
    from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
    from pyroute2.netlink.nl80211 import nl80211cmd

    message = nl80211cmd()
    message["cmd"] = command
    message["attrs"] = attributes
    flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else 0) | (NLM_F_ACK if ack else 0)
    return _encode(message, family, flags)


def _encode(message: Any, message_type: int, flags: int) -> bytes:
    message["header"]["type"] = message_type
    message["header"]["flags"] = flags
    message.encode()
    return bytes(message.data)
