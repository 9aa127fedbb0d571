"""Real netlink sockets on this machine; without cfg80211 the absent family is real as well."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from meshwatch import codec, kernel
from meshwatch.kernel import Channel, FamilyAbsent
from meshwatch.neighborhood import Neighborhood
from meshwatch.observations import LinkSeen, Observation, Settled
from meshwatch.records import FamilyInfo, Kind, Message, decode
from meshwatch.rtnetlink import Rtnetlink

DEADLINE_S = 10.0


@contextmanager
def closing(*channels: Channel) -> Iterator[None]:
    """Close them in the end."""
    try:
        yield
    finally:
        for channel in channels:
            channel.close()


def wait(channels: Sequence[Channel], until_s: float) -> None:
    """Until one of them has something to say, or the deadline has passed."""
    poll = select.poll()
    for channel in channels:
        poll.register(channel.fileno(), select.POLLIN)
    left_s = until_s - time.monotonic()
    assert left_s > 0, f"nothing more from {[channel.name for channel in channels]}"
    poll.poll(left_s * 1000)


def hear(channel: Channel, *kinds: Kind) -> Message:
    """The next message of one of these kinds."""
    until_s = time.monotonic() + DEADLINE_S
    while True:
        wait([channel], until_s)
        for datagram in channel.drain().datagrams:
            for message in decode(datagram, 0):
                if message.kind in kinds:
                    return message


def open_files() -> dict[str, str]:
    """Descriptors of this process, and what they are."""
    files = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            files[entry.name] = str(entry.readlink())
        except FileNotFoundError:  # the directory's own
            continue
    return files


def test_nlctrl_answers_on_the_descriptor_taken_over() -> None:
    channel = asyncio.run(kernel.open_nlctrl())
    with closing(channel):
        assert (channel.name, channel.protocol) == ("nlctrl", 16)
        channel.send(codec.get_family("nlctrl"))
        body = hear(channel, Kind.FAMILY).body
        assert isinstance(body, FamilyInfo)
        assert (body.id, body.name) == (16, "nlctrl")
        assert "notify" in body.groups


def test_nlctrl_is_a_member_of_its_group() -> None:
    channel = asyncio.run(kernel.open_nlctrl())
    with closing(channel):
        channel.send(codec.get_family("nlctrl"))
        body = hear(channel, Kind.FAMILY).body
        assert isinstance(body, FamilyInfo)
        assert memberships(channel) == {body.groups["notify"]}


def memberships(channel: Channel) -> set[int]:
    """The multicast groups the socket has joined (NETLINK_LIST_MEMBERSHIPS)."""
    with socket.socket(fileno=os.dup(channel.fileno())) as asked:
        words = asked.getsockopt(270, 9, 64)
    bits = int.from_bytes(words, sys.byteorder)
    return {number + 1 for number in range(bits.bit_length()) if bits >> number & 1}


def test_nl80211_is_opened_if_the_kernel_has_it_and_absent_otherwise() -> None:
    nlctrl = asyncio.run(kernel.open_nlctrl())
    with closing(nlctrl):
        kernel.ask_family(nlctrl)
        answer = hear(nlctrl, Kind.FAMILY, Kind.ERROR)
    assert answer.seq == 0
    if not isinstance(answer.body, FamilyInfo):
        assert answer.error == errno.ENOENT
        with pytest.raises(FamilyAbsent, match="nl80211"):
            asyncio.run(kernel.open_nl80211())
        return
    events, requests = asyncio.run(kernel.open_nl80211())
    with closing(events, requests):
        groups = {answer.body.groups[name] for name in ("config", "mlme", "scan")}
        assert memberships(events) == groups
        assert hear(requests, Kind.FAMILY).body == answer.body


def test_paths_has_a_socket_even_without_nl80211() -> None:
    channel = asyncio.run(kernel.open_paths())
    with closing(channel):
        assert (channel.name, channel.protocol) == ("paths", 16)
        assert memberships(channel) == set()
        kernel.ask_family(channel)
        assert hear(channel, Kind.FAMILY, Kind.ERROR).seq == 0


def test_rtnetlink_describes_the_loopback() -> None:
    events, requests = asyncio.run(kernel.open_rtnetlink())
    with closing(events, requests):
        assert (events.name, requests.name) == ("rtnetlink-events", "rtnetlink-requests")
        assert events.protocol == requests.protocol == socket.NETLINK_ROUTE
        assert memberships(events) == {1}
        assert memberships(requests) == set()
        seen = converse(Rtnetlink(), [events, requests], Settled)
    (loopback,) = (o for o in seen if isinstance(o, LinkSeen) and o.name == "lo")
    assert (loopback.ifindex, loopback.up) == (1, True)


def test_the_neighborhood_has_sockets_of_its_own() -> None:
    events, requests = asyncio.run(kernel.open_neighborhood())
    with closing(events, requests):
        assert (events.name, requests.name) == ("addresses-events", "addresses-requests")
        assert memberships(events) == {3, 9}  # RTNLGRP_NEIGH, RTNLGRP_IPV6_IFADDR
        assert memberships(requests) == set()


def converse(
    conversation: Rtnetlink | Neighborhood, channels: Sequence[Channel], until: type[Observation]
) -> list[Observation]:
    """Turns with real sockets (the last of which is asked) until something is observed."""
    seen: list[Observation] = []
    until_s = time.monotonic() + DEADLINE_S
    while not any(isinstance(observation, until) for observation in seen):
        for channel in channels:
            for datagram in channel.drain().datagrams:
                seen.extend(conversation.receive(datagram, time.monotonic_ns()))
        seen.extend(conversation.wake(time.monotonic_ns()))
        for request in conversation.outgoing():
            channels[-1].send(request)
            conversation.sent(request, time.monotonic_ns())
        if not any(isinstance(observation, until) for observation in seen):
            wait(channels, until_s)
    return seen


def test_links_come_and_go_in_the_namespace_of_the_process() -> None:
    """In a namespace of its own, where a link may be made."""
    script = """
import asyncio, subprocess, sys
from meshwatch import kernel
from meshwatch.observations import (InterfaceDeleted, LinkSeen,)
from meshwatch.rtnetlink import Rtnetlink
from tests.process.test_kernel_sockets import Settled, converse
channels = asyncio.run(kernel.open_rtnetlink())
talk = Rtnetlink()
converse(talk, channels, Settled)
subprocess.run(["ip", "link", "add", "mesh0", "type", "bridge"], check=True)
(seen,) = converse(talk, channels, LinkSeen)
print(seen.name, seen.up, seen.running)
subprocess.run(["ip", "link", "del", "mesh0"], check=True)
print(converse(talk, channels, InterfaceDeleted)[-1] == InterfaceDeleted(seen.ifindex))
"""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", *as_root, "--net", sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == ["mesh0", "False", "False", "True"], done.stderr


def test_nobody_may_do_all_this() -> None:
    script = """
import asyncio, os
import meshwatch.kernel as kernel, pyroute2.iproute, pyroute2.netlink.nl80211
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
asyncio.run(kernel.open_nlctrl(64 << 20))
asyncio.run(kernel.open_rtnetlink())
asyncio.run(kernel.open_neighborhood())
try:
    asyncio.run(kernel.open_nl80211())
except kernel.FamilyAbsent:
    pass
"""
    subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True, timeout=60
    )


def test_the_receive_buffer_is_as_large_as_asked_for_when_that_is_allowed() -> None:
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    wanted = 8 << 20
    channel = asyncio.run(kernel.open_nlctrl(wanted))
    with closing(channel), socket.socket(fileno=os.dup(channel.fileno())) as asked:
        size = asked.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # The kernel counts its own overhead in, by doubling (socket(7)).
    assert size == 2 * (wanted if os.geteuid() == 0 else min(wanted, limit))


def test_no_descriptor_is_left_behind() -> None:
    async def cycle() -> None:
        channels = [await kernel.open_nlctrl(), await kernel.open_paths()]
        channels += await kernel.open_rtnetlink()
        channels += await kernel.open_neighborhood()
        with suppress(FamilyAbsent):
            channels += await kernel.open_nl80211()
        for channel in channels:
            channel.close()
            channel.close()

    async def cycles(count: int) -> dict[str, str]:
        for _ in range(count):
            await cycle()
        await asyncio.sleep(0)  # one turn of the loop, in which transports close their sockets
        return open_files()

    async def main() -> tuple[dict[str, str], dict[str, str]]:
        return await cycles(1), await cycles(50)

    once, often = asyncio.run(main())
    assert often.keys() == once.keys()


def test_a_closed_channel_has_no_descriptor() -> None:
    channel = asyncio.run(kernel.open_nlctrl())
    channel.close()
    assert channel.fileno() == -1
    with pytest.raises(OSError, match="descriptor"):
        channel.send(b"")


def test_an_overrun_is_noticed_and_the_channel_goes_on() -> None:
    """Replies that nobody reads fill the smallest buffer there is."""
    channel = asyncio.run(kernel.open_nlctrl(0))
    with closing(channel):
        request = codec.get_family("nlctrl")
        overrun = False
        for _ in range(64):
            try:
                channel.send(request)
            except OSError:
                break
        while True:
            drained = channel.drain()
            overrun |= drained.overrun
            if not drained.more:
                break
        channel.send(request)
        assert hear(channel, Kind.FAMILY)
        assert overrun
