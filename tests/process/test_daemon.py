"""meshwatchd as a program: its doors, its exit status, several side by side."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from meshwatch.client import DaemonAbsent, Mirror, Resynchronised, connect, look
from meshwatch.model import Presence
from meshwatch.protocol import Source
from meshwatch.recording import open_recording
from tests.pure.kernel_bytes import (
    FAMILY,
    IBSS,
    MESH0,
    NEW_STATION,
    A,
    attribute,
    interface,
    link,
    mac,
    nl80211,
    u32,
)

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests/recordings"
PATIENCE_S = 30.0


def command(directory: Path, *options: str, bus: str = "none") -> list[str]:
    return [
        *(sys.executable, "-m", "meshwatch.daemon"),
        *("--runtime-directory", str(directory), "--bus", bus, *options),
    ]


@contextmanager
def daemon(
    directory: Path, *options: str, bus: str = "none", under: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    """A running meshwatchd, ended with SIGTERM if the block did not; ``under`` a command."""
    process = subprocess.Popen(
        [*under, *command(directory, *options, bus=bus)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def refused(*options: str, directory: Path) -> tuple[int, str]:
    """Exit status and complaint of a daemon that cannot run."""
    done = subprocess.run(
        command(directory, *options), cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    return done.returncode, done.stderr


def table(directory: Path) -> Mirror:
    """The daemon's first snapshot, as soon as it has one."""
    with connect(str(directory), timeout=PATIENCE_S) as following:
        for event in following:
            if isinstance(event, Resynchronised):
                break
        return following.mirror


def await_source(directory: Path, name: str) -> Source:
    """The daemon's row of a source, as soon as there is one."""
    with connect(str(directory), timeout=PATIENCE_S) as following:
        for _ in following:
            if name in following.mirror.sources:
                break
        return following.mirror.sources[name]


def await_presences(directory: Path, wanted: list[Presence]) -> None:
    """Follow the daemon until its neighbors have these presences."""
    with connect(str(directory), timeout=PATIENCE_S) as following:
        for _ in following:
            found = sorted(each.presence for each in following.neighbors.values())
            if found == sorted(wanted):
                return


def until_end(process: subprocess.Popen[str]) -> str:
    """What a replay logs up to its end."""
    assert process.stderr is not None
    late = threading.Timer(PATIENCE_S, process.kill)
    late.start()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "is at its end" in line:
            break
    late.cancel()
    assert lines and "is at its end" in lines[-1], lines
    return "".join(lines)


def packet(protocol: int, data: bytes, hardware: int = 824) -> bytes:
    """A datagram as a netlink monitor device hands it to tcpdump (ARPHRD_NETLINK)."""
    data = struct.pack(">HH10xH", 4, hardware, protocol) + data
    return struct.pack("=IIII", 1, 0, len(data), len(data)) + data


def write_capture(path: Path, *packets: bytes) -> None:
    """A pcap file of link type NETLINK."""
    head = struct.pack("=IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 253)
    path.write_bytes(head + b"".join(packets))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with daemon(tmp_path) as process:
        table(tmp_path)
        process.send_signal(number)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "Traceback" not in log
    assert list(tmp_path.iterdir()) == []


def test_a_replay_serves_its_last_table_and_says_what_it_is(tmp_path: Path) -> None:
    recording = RECORDINGS / "meet-6.1.pcapng"
    with daemon(tmp_path, "--replay", str(recording), "--speed", "0"):
        await_presences(tmp_path, [Presence.PRESENT] * 2)
        mirror = table(tmp_path)
        assert mirror.version is not None
        assert mirror.version.replay == "meet-6.1.pcapng"


def test_a_replay_says_at_its_end_what_the_recording_lacks(tmp_path: Path) -> None:
    recording = tmp_path / "cut.pcapng"
    recording.write_bytes((RECORDINGS / "meet-6.1.pcapng").read_bytes()[:-10])
    with daemon(tmp_path, "--replay", str(recording), "--speed", "0") as process:
        log = until_end(process)
        assert f"WARNING {recording} ends within a packet" in log
        assert log.count("WARNING") == 1
        assert await_source(tmp_path, "nl80211").failure is None


def test_a_capture_without_nl80211_says_so(tmp_path: Path) -> None:
    capture = tmp_path / "links.pcap"
    ethernet = packet(0, b"a frame", hardware=1)
    write_capture(capture, packet(0, link(MESH0, "mesh0")), ethernet)
    with daemon(tmp_path, "--replay", str(capture), "--speed", "0") as process:
        log = until_end(process)
        assert f"{capture}: nl80211: no complete look in this recording; see --family" in log
        assert f"{capture}: packets that are no netlink or bear no time: 1" in log
        failure = "no complete look in this recording"
        assert await_source(tmp_path, "nl80211").failure == failure


def test_the_family_of_a_capture_can_be_given(tmp_path: Path) -> None:
    """Nothing says of a station without a peer link that it is nl80211 which describes one."""
    capture = tmp_path / "ibss.pcap"
    info = attribute(21, u32(1, 100))
    station = nl80211(NEW_STATION, u32(3, MESH0), mac(A), u32(46, 1), info)
    write_capture(capture, packet(16, interface(type_=IBSS)), packet(16, station))
    options = ("--replay", str(capture), "--speed", "0")
    with daemon(tmp_path, *options) as process:
        until_end(process)
        assert table(tmp_path).neighbors == {}
    with daemon(tmp_path, *options, "--family", str(FAMILY)):
        await_presences(tmp_path, [Presence.PRESENT])


def test_two_run_side_by_side_and_one_directory_is_for_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with daemon(first), daemon(second):
        table(first)
        table(second)
        status, complaint = refused(directory=first)
        assert status == 1
        assert "another meshwatchd serves" in complaint
        assert "Traceback" not in complaint
        table(first)


def test_what_it_records_can_be_replayed(tmp_path: Path) -> None:
    live, again = tmp_path / "live", tmp_path / "again"
    live.mkdir()
    again.mkdir()
    file = tmp_path / "here.pcapng"
    with daemon(live, "--record", str(file)) as process:
        table(live)
        # rtnetlink settles on its own; its row says that its dump is in the recording.
        await_source(live, "rtnetlink")
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    recording = open_recording(file)
    protocols = {packet.protocol for packet in recording}
    assert recording.ours
    assert 0 in protocols  # rtnetlink; nl80211 only where the kernel has it
    recording.close()
    with daemon(again, "--replay", str(file), "--speed", "0"):
        await_source(again, "rtnetlink")


def test_frames_that_others_captured_are_refused(tmp_path: Path) -> None:
    air = tmp_path / "air.pcap"
    beacon = bytes.fromhex("0000080000000000 80000000ffffffffffff")
    head = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 127)  # radiotap
    air.write_bytes(head + struct.pack("<IIII", 1, 0, len(beacon), len(beacon)) + beacon)
    status, complaint = refused("--replay", str(air), directory=tmp_path)
    assert status == 1
    assert "link type 127, not netlink (253): frames alone" in complaint
    assert "Traceback" not in complaint


def test_a_capture_from_a_machine_of_the_other_byte_order_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pcap"
    order = ">" if sys.byteorder == "little" else "<"
    foreign.write_bytes(struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 253))
    status, complaint = refused("--replay", str(foreign), directory=tmp_path)
    assert status == 1
    assert "the other byte order" in complaint
    assert "Traceback" not in complaint


def test_mistakes_are_named(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pcapng"
    garbage.write_bytes(b"not a capture at all, whatever its name says")
    status, complaint = refused("--replay", str(garbage), directory=tmp_path)
    assert status == 1
    assert "Traceback" not in complaint
    status, complaint = refused("--replay", str(tmp_path / "absent"), directory=tmp_path)
    assert status == 1
    assert "No such file" in complaint
    status, complaint = refused("--record", str(tmp_path / "no/where"), directory=tmp_path)
    assert status == 1
    assert "no/where" in complaint
    status, complaint = refused("--speed", "-1", directory=tmp_path)
    assert status == 2
    assert "--speed" in complaint
    status, complaint = refused(directory=tmp_path / "absent")
    assert status == 1
    assert "news.sock" in complaint


@pytest.mark.parametrize(
    ("soft", "hard", "subscribers"), [(64, 4096, 200), (40, 80, 16), (40, 40, 1)]
)
def test_descriptors_are_asked_for_and_one_subscriber_always_fits(
    tmp_path: Path, soft: int, hard: int, subscribers: int
) -> None:
    limits = ("prlimit", f"--nofile={soft}:{hard}")
    with daemon(tmp_path, under=limits), ExitStack() as stack:
        for _ in range(subscribers):
            following = stack.enter_context(connect(str(tmp_path), timeout=PATIENCE_S))
            next(following)
            assert following.mirror.synchronised
        if subscribers < 200:
            with pytest.raises(DaemonAbsent, match="closed the connection"):
                look(str(tmp_path))


def test_without_a_bus_the_sockets_go_on_and_say_so(tmp_path: Path) -> None:
    nowhere = f"unix:path={tmp_path}/no-bus"
    with daemon(tmp_path, bus=nowhere):
        assert "no bus" in (await_source(tmp_path, "dbus").failure or "")
