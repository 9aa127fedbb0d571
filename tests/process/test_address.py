"""meshwatch address with the real ip(8), in a namespace; and what neighbors make of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from ipaddress import IPv6Network

from meshwatch.cli.address import prefix
from meshwatch.eui64 import derived
from meshwatch.model import AddressProof
from meshwatch.observations import AddressSeen
from tests.process.test_wires import Watch, is_echo, watching
from tests.process.wired import IFINDEX, OURS, PEER, ROOT, here, in_namespace, neighbor, sysctl

ADDRESS = (sys.executable, "-m", "meshwatch.cli", "address")
MESH = ("--mesh", "classroom-7b")
KEEP_FILE = "/proc/sys/net/ipv6/conf/mesh0/keep_addr_on_down"
READ_ONLY = 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "$@"'
IP, THEIRS = (derived(prefix("classroom-7b"), address) for address in (OURS, PEER))


def address(*words: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit status of the verb, begun by another program or not, and all that it said."""
    done = subprocess.run(
        [*before, *ADDRESS, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stdout


def addresses() -> str:
    """What mesh0 has."""
    shown = ["ip", "-6", "-oneline", "address", "show", "dev", "mesh0"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def given() -> bool:
    """Whether mesh0 has the address."""
    return f" {IP}/64 " in addresses()


def test_the_prefix_of_a_mesh_is_unique_local_and_its_own() -> None:
    digest = hashlib.sha256(b"meshwatch classroom").hexdigest()
    classroom = f"fd{digest[:2]}:{digest[2:6]}:{digest[6:10]}::/64"
    assert prefix("classroom") == IPv6Network(classroom)
    assert prefix("classroom").subnet_of(IPv6Network("fc00::/7"))
    assert prefix("classroom") != prefix("library")
    assert prefix("ñandú \udcff")  # whatever a command line holds


@in_namespace
def test_it_comes_once_and_goes() -> None:
    with neighbor() as there:
        there.up()
        assert not given()
        assert address("add", "mesh0", *MESH) == (0, f"mesh0 has {IP}\n")
        assert given()
        assert address("add", "mesh0", *MESH) == (0, f"mesh0 has {IP}, it had it already\n")
        other = derived(prefix("mesh0"), OURS)  # without --mesh, the name of the interface
        status, said = address("remove", "mesh0")
        assert (status, said) == (5, f"meshwatch: mesh0 has no {other}\n")
        assert address("remove", "mesh0", *MESH) == (0, f"mesh0 has {IP} no more\n")
        assert not given()


@in_namespace
def test_it_stays_while_the_interface_is_down() -> None:
    with neighbor() as there:
        there.up()
        here("address", "add", "fd00::1/64", "dev", "mesh0")
        here("link", "set", "mesh0", "down")
        assert "fd00::1" not in addresses()  # as the kernel does with those of others
        here("link", "set", "mesh0", "up")
        assert address("add", "mesh0", *MESH)[0] == 0
        here("link", "property", "add", "dev", "mesh0", "altname", "school")
        for _ in range(2):
            here("link", "set", "mesh0", "down")
            assert given()
            here("link", "set", "mesh0", "up")
        sysctl(
            "net.ipv6.conf.mesh0.keep_addr_on_down", "0"
        )  # as if it had been given by an older release
        assert address("add", "school", *MESH)[1].endswith("had it already\n")
        here("link", "set", "mesh0", "down")
        assert given()


@in_namespace
def test_where_it_cannot_be_kept_it_is_given_all_the_same() -> None:
    with neighbor() as there:
        there.up()
        before = ("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh")
        status, said = address("add", "mesh0", *MESH, before=before)
        assert status == 0
        assert f"will be lost when mesh0 is set down: {KEEP_FILE}: Read-only file system\n" in said
        assert given()


@in_namespace
def test_what_is_refused() -> None:
    status, said = address("add", "mesh7")
    assert (status, "Traceback" in said) == (5, False)
    assert "mesh7" in said
    assert address("add", "lo") == (5, "meshwatch: lo has no hardware address of an Ethernet\n")
    assert address("add", "-x")[0] == 2
    assert address("add", "--", "-x")[0] == 5


@in_namespace
def test_neighbors_that_have_one_are_found_at_it() -> None:
    with neighbor() as there:
        there.up()
        assert address("add", "mesh0", *MESH)[0] == 0
        there.run(*ADDRESS, "add", "far", *MESH)

        async def scenario(watch: Watch) -> None:
            watch.want()
            await watch.until(is_echo)
            await watch.until_told(AddressSeen(IFINDEX, PEER, THEIRS, AddressProof.ECHO))

        watching(scenario)
