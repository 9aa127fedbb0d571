"""Tests that the virtual machine is what the other kernel tests take it for."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tools.vm import deeds
from tools.vm.air import Air
from tools.vm.machine import JobTimeout, Machine

pytestmark = pytest.mark.kernel

KERNEL = os.environ.get("MESHWATCH_KERNEL", "6.1")
BEACONS = ["--beacon-interval", "200"]
# With a beacon each 205 ms, the one is beyond doubt and the other is not.
SILENT_MS, HEARD_MS = 1200, 600
EVENT_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    output = tmp_path_factory.mktemp("vm")
    with Machine(kernel=KERNEL, radios=4, memory_mib=1024, output=output) as booted:
        yield booted


@pytest.fixture(scope="module")
def pair(machine: Machine) -> Callable[[], int]:
    """Two radios in a mesh; how many ms ago the first one heard the second one."""
    machine.run(["radio", "mesh", "0", "1", *BEACONS], check=True)

    def inactive_ms() -> int:
        fields = station(machine, "mesh0")
        if fields.get("mesh plink") != "ESTAB":
            return -1
        return int(fields["inactive time"].split()[0])

    eventually(lambda: inactive_ms() >= 0)
    return inactive_ms


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + EVENT_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)  # what is asked about in the guest has no event here


def test_runs_the_kernel_asked_for(machine: Machine) -> None:
    assert machine.release.startswith(f"{KERNEL}.")
    assert machine.run(["uname", "-r"]).stdout.strip() == machine.release


def test_tells_output_errors_and_status_apart(machine: Machine) -> None:
    completed = machine.run("echo out; echo err >&2; exit 3")
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, "out\n", "err\n")
    assert machine.run("kill -TERM $$").returncode == -signal.SIGTERM
    missing = machine.run(["no-such-program"])
    assert missing.returncode == 127
    assert "no-such-program" in missing.stderr


def test_passes_large_output_whole(machine: Machine) -> None:
    assert machine.run("seq 100000").stdout.split()[-1] == "100000"


def test_kills_what_does_not_end_in_time(machine: Machine) -> None:
    with pytest.raises(JobTimeout) as caught:
        machine.run("echo so far; sleep 1000", timeout_s=10)
    assert caught.value.completed.stdout == "so far\n"
    assert machine.run(["pgrep", "-x", "sleep"]).returncode == 1


def test_leaves_a_process_running_with_live_output(machine: Machine) -> None:
    process = machine.spawn("echo started; trap 'echo bye; exit 7' TERM; sleep 1000 & wait")
    eventually(lambda: process.output == "started\n")
    assert process.poll() is None
    assert machine.run(["test", "-d", f"/proc/{process.pid}"]).returncode == 0
    process.kill(signal.SIGTERM)
    assert process.wait(timeout_s=10) == 7
    assert process.output == "started\nbye\n"


def test_shares_files_as_they_change(machine: Machine) -> None:
    note = machine.output / "note"
    for text in ("one", "two"):
        note.write_text(text)
        assert machine.run(["cat", str(note)]).stdout == text
    machine.run(f"echo three > {note}", check=True)
    assert note.read_text() == "three\n"
    assert machine.run(["cat", __file__]).stdout == Path(__file__).read_text()
    assert machine.run(f"echo x >> {__file__}").returncode != 0


def test_has_what_programs_expect_of_a_system(machine: Machine) -> None:
    machine.run(
        "cat <(echo fd) && test -w /dev/shm && test -w /run && ip link show up lo | grep LOOPBACK",
        check=True,
    )
    bus = machine.run("dbus-daemon --system --fork --print-pid && pkill -x dbus-daemon")
    assert bus.returncode == 0, bus.stderr


def test_out_of_reach_is_silence(machine: Machine, pair: Callable[[], int]) -> None:
    machine.run(["radio", "reach", "1", "0"], check=True)
    eventually(lambda: pair() > SILENT_MS)
    machine.run(["radio", "reach", "1", "1"], check=True)
    eventually(lambda: 0 <= pair() < HEARD_MS)


def test_medium_loses_what_it_is_told_to_lose(machine: Machine, pair: Callable[[], int]) -> None:
    with Air(machine, seed=1) as air:
        eventually(lambda: 0 <= pair() < HEARD_MS)
        air.link(1, 0, loss=1.0, both_ways=False)
        eventually(lambda: pair() > SILENT_MS)
        eventually(lambda: air.frames()["1>0"].get("lost", 0) > 0)
        assert "lost" not in air.frames()["0>1"]
        air.link(1, 0, loss=0.0, signal_dbm=-77, both_ways=False)
        eventually(lambda: 0 <= pair() < HEARD_MS)
        eventually(lambda: "signal:  \t-77 dBm" in dump(machine))
    eventually(lambda: "signal:  \t-30 dBm" in dump(machine))


def dump(machine: Machine, interface: str = "mesh0") -> str:
    return machine.run(["iw", "dev", interface, "station", "dump"], check=True).stdout


def station(machine: Machine, interface: str) -> dict[str, str]:
    """What the kernel says of the one station there is."""
    lines = (line.partition(":") for line in dump(machine, interface).splitlines()[1:])
    return {key.strip(): value.strip() for key, _, value in lines}


def address(machine: Machine, interface: str) -> str:
    return machine.run(["cat", f"/sys/class/net/{interface}/address"], check=True).stdout.strip()


def test_monitor_hears_beside_a_mesh(machine: Machine, pair: Callable[[], int]) -> None:
    machine.run(["radio", "monitor", "0"], check=True)
    frames = "cat /sys/class/net/mon0/statistics/rx_packets"
    before = int(machine.run(frames, check=True).stdout)
    eventually(lambda: int(machine.run(frames, check=True).stdout) > before + 4)
    assert pair() >= 0
    machine.run("iw dev mon0 del", check=True)


def test_traffic_crosses_the_air(machine: Machine, pair: Callable[[], int]) -> None:
    sent = int(station(machine, "mesh0")["tx packets"])
    machine.run(deeds.ping("mesh0", address(machine, "mesh1"), count=3), check=True)
    assert int(station(machine, "mesh0")["tx packets"]) >= sent + 3


def test_signal_is_as_strong_as_asked_for(machine: Machine, pair: Callable[[], int]) -> None:
    for signal_dbm in (-70, -30):
        machine.run(deeds.set_signal("phy1", signal_dbm), check=True)
        eventually(lambda: station(machine, "mesh0")["signal"] == f"{signal_dbm} dBm")  # noqa: B023


def test_gate_is_announced_and_withdrawn(machine: Machine, pair: Callable[[], int]) -> None:
    for announced, said in ((True, "yes"), (False, "no")):
        machine.run(deeds.announce_gate("mesh1", announced), check=True)
        eventually(lambda: station(machine, "mesh0")["mesh connected to gate"] == said)  # noqa: B023


def test_radio_sleeps_and_wakes(machine: Machine, pair: Callable[[], int]) -> None:
    for mode, said in (("deep", "DEEP SLEEP"), ("active", "ACTIVE")):
        machine.run(deeds.set_power_mode("mesh1", mode), check=True)
        eventually(lambda: station(machine, "mesh0")["mesh non-peer PS mode"] == said)  # noqa: B023


def test_blocked_link_is_open_on_the_other_side(machine: Machine, pair: Callable[[], int]) -> None:
    peer = address(machine, "mesh1")
    machine.run(deeds.block("mesh0", peer), check=True)
    eventually(lambda: station(machine, "mesh0")["mesh plink"] == "BLOCKED")
    assert station(machine, "mesh1")["mesh plink"] == "ESTAB"
    machine.run(deeds.unblock("mesh0", peer), check=True)
    eventually(lambda: pair() >= 0)


def test_scan_and_channel_switch_are_announced(machine: Machine, pair: Callable[[], int]) -> None:
    watcher = machine.spawn(["stdbuf", "-oL", "iw", "event"])
    eventually(lambda: machine.run(["pgrep", "-x", "iw"]).returncode == 0)
    # The events of what is done once may go by before the watcher listens.
    eventually(
        lambda: (
            machine.run(deeds.scan("mesh0", [2412, 2437])).returncode >= 0
            and "scan finished" in watcher.output
        )
    )
    for frequency_mhz in (2437, 2412):
        machine.run(deeds.switch_channel("mesh1", frequency_mhz), check=True)
        eventually(lambda: machine.run("iw dev").stdout.count(f"({frequency_mhz} MHz)") >= 2)  # noqa: B023
        eventually(lambda: pair() >= 0)
    watcher.kill(signal.SIGKILL)


def test_ciphers_of_a_secured_mesh_are_there(machine: Machine) -> None:
    machine.run(["modprobe", "-a", *("ccm", "cmac", "gcm", "ctr", "ghash-generic")], check=True)


def test_laptops_are_apart_and_reach_each_other_by_radio(machine: Machine) -> None:
    create = "laptop create {} {} --mesh away --beacon-interval 200\n"
    batch = create.format("a", 2) + create.format("b", 3)
    machine.run(f"radio batch <<'END'\n{batch}END", check=True)
    stations = "ip netns exec a iw dev mesh0 station dump"
    eventually(lambda: "ESTAB" in machine.run(stations).stdout)
    machine.run(["radio", "leave", "--laptop", "b"], check=True)
    eventually(lambda: "LISTEN" in machine.run(stations).stdout)
    again = "laptop delete a\nlaptop delete b\n" + create.format("a", 3) + "laptop delete a\n"
    machine.run(f"radio batch <<'END'\n{again}END", check=True)
    eventually(lambda: machine.run(["ip", "link", "show", "wlan3"]).returncode == 0)


def test_driver_can_be_reloaded(machine: Machine) -> None:
    """Last of those with radios, since the interfaces are gone afterwards."""
    machine.run("modprobe -r mac80211_hwsim && modprobe mac80211_hwsim radios=2", check=True)
    assert machine.run(["radio", "list"]).stdout.split() == ["phy4", "phy5"]


def test_shell_is_a_terminal(tmp_path: Path) -> None:
    """And a machine that was started serves others until it is stopped."""
    name = f"test-{os.getpid()}"
    command = Path(__file__).resolve().parents[2] / "tools" / "vm" / "vm"
    vm = [sys.executable, str(command)]
    start = ["start", "--name", name, "--kernel", KERNEL, "--radios", "0", "--memory", "512"]
    place = ["--output", str(tmp_path)]
    subprocess.run([*vm, *start, *place, "--life", "100"], check=True, timeout=90)
    try:
        done = subprocess.run(
            [*vm, "exec", "--name", name, "--", "sh", "-c", "cat; echo err >&2; exit 4"],
            input="in",
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (4, "in", "err\n")
        leader, follower = pty.openpty()
        with os.fdopen(follower) as terminal:
            shell = subprocess.Popen(
                [*vm, "shell", "--name", name, "--", "sh"],
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
            )
        os.write(leader, b"tty; echo $((6 * 7)); exit 5\n")
        screen = b""
        deadline = time.monotonic() + EVENT_TIMEOUT_S
        while shell.poll() is None and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.1)[0]:
                with suppress(OSError):  # its last user is gone
                    screen += os.read(leader, 1000)
        assert shell.poll() == 5
        assert b"/dev/pts/" in screen
        assert b"\r\n42\r\n" in screen
    finally:
        subprocess.run([*vm, "stop", "--name", name], check=True, timeout=30)
