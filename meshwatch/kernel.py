"""The only opener of netlink sockets.

pyroute2 opens: it binds, resolves the family and joins the groups. Then its descriptor is
duplicated and its own socket closed, so that its transport, which checks neither sender nor
truncation and is of no use after one overrun, never reads our bytes: the C extension drains the
duplicate, which keeps memberships and port. Events and requests have a socket each: an overrun
of events must not cost the answer to a request. None of this needs a capability.

Importing pyroute2 blocks for as long as it takes (0.2 s, on slow machines seconds), so open
before anything else is served.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

from meshwatch import codec
from meshwatch.records import Drain, Drained, FamilyInfo, Kind, decode

BIND_TIMEOUT_S = 2.0
RECEIVE_BUFFER_BYTES = 1 << 20
NL80211_GROUPS = ("config", "mlme", "scan")
# linux/rtnetlink.h: group n is bit n-1.
RTNLGRP_LINK_MASK = 1 << 0
RTNLGRP_NEIGH_MASK = 1 << 2
RTNLGRP_IPV6_IFADDR_MASK = 1 << 8

# asm-generic/socket.h; Python has no name for it.
SO_RCVBUFFORCE = 33


class FamilyAbsent(Exception):
    """The kernel has no such generic netlink family: its module is not loaded."""


class Channel:
    """One netlink socket: ``protocol`` is its netlink protocol (0 route, 16 generic)."""

    monitor = None

    def __init__(self, name: str, bound: socket.socket) -> None:
        self.name = name
        self.protocol = bound.proto
        self._socket = bound
        self._drain = Drain()

    def fileno(self) -> int:
        """The descriptor, to wait on; -1 when closed."""
        return self._socket.fileno()

    def drain(self) -> Drained:
        """Everything the kernel has to say at the moment, without blocking."""
        return self._drain.drain(self._socket.fileno())

    def send(self, message: bytes) -> None:
        """Send one request; OSError if the kernel does not take it."""
        self._socket.send(message)

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()


class Channels(NamedTuple):
    """The two sockets of one source."""

    events: Channel
    requests: Channel


async def open_nlctrl(receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> Channel:
    """Hear of generic netlink families that come and go. OSError, TimeoutError."""
    return await _open_generic("nlctrl", "nlctrl", ("notify",), receive_buffer_bytes)


async def open_nl80211(receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> Channels:
    """Hear and ask nl80211; its number is the first thing there is to read on ``requests``.

    FamilyAbsent while cfg80211 is not loaded; OSError, TimeoutError.
    """
    if not await _has_family("nl80211"):
        raise FamilyAbsent("generic netlink family nl80211 is not in the kernel")
    events = await _open_generic("nl80211-events", "nl80211", NL80211_GROUPS, receive_buffer_bytes)
    try:
        requests = await _open_generic("nl80211-requests", "nl80211", (), receive_buffer_bytes)
        ask_family(requests)
    except BaseException:
        events.close()
        raise
    return Channels(events, requests)


async def open_paths(receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> Channel:
    """Ask nl80211 for path tables, whether or not it is there yet. OSError, TimeoutError.

    A socket of its own: the dump of a large table delays no look at a station.
    """
    return await _open_generic("paths", "nlctrl", (), receive_buffer_bytes)


async def open_rtnetlink(receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> Channels:
    """Hear and ask rtnetlink of network devices. OSError, TimeoutError."""
    return await _open_both("rtnetlink", RTNLGRP_LINK_MASK, receive_buffer_bytes)


async def open_neighborhood(receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> Channels:
    """Hear and ask rtnetlink of neighbor tables and our addresses. OSError, TimeoutError.

    Sockets of its own: a storm of neighbors must not cost the news of a network device.
    """
    groups = RTNLGRP_NEIGH_MASK | RTNLGRP_IPV6_IFADDR_MASK
    return await _open_both("addresses", groups, receive_buffer_bytes)


def ask_family(channel: Channel) -> None:
    """Ask for the number of nl80211 on our own descriptor.

    pyroute2 swallows the answer it got, and a recording is readable (for us and for Wireshark)
    only if it holds one before the first message of the family. Sequence number 0 sets the
    answer apart from those of a conversation.
    """
    channel.send(codec.get_family("nl80211"))


async def _has_family(name: str) -> bool:
    """Whether this generic netlink family is there; unlike pyroute2 we do not make it come."""
    channel = await _open_generic("families", "nlctrl", (), RECEIVE_BUFFER_BYTES)
    with closing(channel):
        channel.send(codec.get_families())
        found, more = False, True
        while more:
            # The kernel dumps before ``send`` and ``recv`` return (net/netlink/af_netlink.c).
            drained = channel.drain()
            more = drained.more
            for message in (m for data in drained.datagrams for m in decode(data, 0)):
                if message.kind is Kind.DONE:
                    return found
                if isinstance(message.body, FamilyInfo):
                    found |= message.body.name == name
    raise OSError(errno.ENODATA, "the list of generic netlink families has no end")


async def _open_generic(
    name: str, family: str, groups: Sequence[str], receive_buffer_bytes: int
) -> Channel:
    from pyroute2.netlink import ctrlmsg
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.generic import AsyncGenericNetlinkSocket

    opener = AsyncGenericNetlinkSocket(rcvbuf=receive_buffer_bytes)
    opener.module_err_level = "debug"  # an absent family is for the caller to report
    try:
        await asyncio.wait_for(opener.bind(family, ctrlmsg), BIND_TIMEOUT_S)
        for group in groups:
            opener.add_membership(group)
        return _take_over(name, opener, receive_buffer_bytes)
    except NetlinkError as error:
        if error.code == errno.ENOENT:
            raise FamilyAbsent(f"generic netlink family {family} is not in the kernel") from None
        raise OSError(error.code, os.strerror(error.code)) from error
    finally:
        opener.close()


async def _open_both(name: str, groups: int, receive_buffer_bytes: int) -> Channels:
    events = await _open_route(f"{name}-events", groups, receive_buffer_bytes)
    try:
        requests = await _open_route(f"{name}-requests", 0, receive_buffer_bytes)
    except BaseException:
        events.close()
        raise
    return Channels(events, requests)


async def _open_route(name: str, groups: int, receive_buffer_bytes: int) -> Channel:
    import pyroute2.iproute  # noqa: F401  (the next import needs it first: they go in a circle)
    from pyroute2.netlink.rtnl.iprsocket import AsyncIPRSocket

    opener = AsyncIPRSocket(rcvbuf=receive_buffer_bytes)
    try:
        await asyncio.wait_for(opener.bind(groups=groups), BIND_TIMEOUT_S)
        return _take_over(name, opener, receive_buffer_bytes)
    finally:
        opener.close()


def _take_over(name: str, opener: Any, receive_buffer_bytes: int) -> Channel:
    """Duplicate pyroute2's descriptor before its transport gets to read from it."""
    taken = socket.socket(fileno=os.dup(opener.fileno()))
    taken.setblocking(False)
    with suppress(PermissionError):  # SO_RCVBUF, set by pyroute2, is limited by rmem_max
        taken.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_bytes)
    return Channel(name, taken)
