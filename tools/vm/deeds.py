"""What is done with simulated radios, in the words of iw and the driver: scripts for a shell.

Each runs in the namespace of the interface it names. Those that name a radio alone turn the
driver's switches, which know every radio, but are to be seen only in the first namespace. Unlike
the radio command they cost no start of Python, half a second under emulation.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

MESH_ID = "classroom"
FREQUENCY_MHZ = 2412
SWITCHES = "/sys/kernel/debug/ieee80211"
# What the driver adds to its rx_rssi: the power with which the radios transmit.
TRANSMIT_POWER_DBM = 20
TIMER_MAX_MS = 255
PEER_LINKS_MAX = 255
PING_INTERVAL_S = 0.2


def mesh(phy: str, interface: str) -> str:
    """A mesh interface, up, in no mesh yet."""
    return f"iw phy {phy} interface add {interface} type mp; ip link set {interface} up\n"


def monitor(phy: str, interface: str) -> str:
    """A monitor interface, up, beside whatever else the radio has.

    The mesh interface comes first: an interface takes the radio's address unless another has it.
    """
    return f"iw phy {phy} interface add {interface} type monitor; ip link set {interface} up\n"


def join(
    interface: str,
    mesh_id: str = MESH_ID,
    frequency_mhz: int = FREQUENCY_MHZ,
    beacon_interval_tu: int | None = None,
    crowd: bool = False,
) -> str:
    """Join a mesh; without an interval the kernel's own, 1000 TU of 1.024 ms.

    In a crowd of more than 30 peering with the usual timers overruns an emulated processor, and so
    does what IPv6 sends to all, which everybody repeats; more than 32 peers are not accepted.
    """
    words = ["iw", "dev", interface, "mesh", "join", mesh_id, "freq", str(frequency_mhz)]
    if beacon_interval_tu is not None:
        words += ["beacon-interval", str(beacon_interval_tu)]
    if crowd:
        timers = (f"mesh_{name}_timeout" for name in ("retry", "confirm", "holding"))
        words += [f"mesh_max_peer_links={PEER_LINKS_MAX}"]
        words += [f"{timer}={TIMER_MAX_MS}" for timer in timers]
        return f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6\n{shlex.join(words)}\n"
    return shlex.join(words) + "\n"


def leave(interface: str) -> str:
    """Leave it, with a Close to every peer."""
    return f"iw dev {interface} mesh leave\n"


def scan(interface: str, frequencies_mhz: Iterable[int] = ()) -> str:
    """Begin a scan of these frequencies, by default of all: about 4 s away from the channel."""
    return " ".join(["iw dev", interface, "scan trigger", *_frequencies(frequencies_mhz)]) + "\n"


def scan_to_the_end(interface: str) -> str:
    """Scan everything; done when it is over.

    iw's own scan that waits for its end (5.19) now and then waits for ever. The kernel refuses the
    next scan until the last is over, and this next one is short.
    """
    again = scan(interface, [FREQUENCY_MHZ]).strip()
    return f"{scan(interface)}until {again} 2> /dev/null; do sleep 0.1; done\n"


def switch_channel(interface: str, frequency_mhz: int, beacons: int = 3) -> str:
    """Announce in so many beacons that the mesh moves, then move; whoever hears it follows."""
    # Without a count iw sends what the kernel refuses.
    return f"iw dev {interface} switch freq {frequency_mhz} beacons {beacons}\n"


def set_power_mode(interface: str, mode: str) -> str:
    """ "active", "light" or "deep"; the peers buffer what they have for one who may be asleep."""
    return f"iw dev {interface} set mesh_param mesh_power_mode={mode}\n"


def announce_gate(interface: str, announced: bool) -> str:
    """Say in beacons and in gate announcements that a mesh gate is here, or no more."""
    root_mode, announcements = (4, 1) if announced else (0, 0)
    return (
        f"iw dev {interface} set mesh_param mesh_hwmp_rootmode={root_mode} "
        f"mesh_gate_announcements={announcements}\n"
    )


def set_rssi_threshold(interface: str, threshold_dbm: int) -> str:
    """Open no link to those who are heard weaker; 0 opens to all. What is open stays so."""
    return f"iw dev {interface} set mesh_param mesh_rssi_threshold={threshold_dbm}\n"


def block(interface: str, address: str) -> str:
    """Hold a peer's link blocked: no Close is sent, it goes on believing in the link."""
    return f"iw dev {interface} station set {address} plink_action block\n"


def unblock(interface: str, address: str) -> str:
    """Open the link again; it takes some seconds until the peer's old one is given up."""
    return f"iw dev {interface} station set {address} plink_action open\n"


def fix_path(interface: str, address: str) -> str:
    """Send to this peer straight, whatever way around the others offer."""
    return f"iw dev {interface} mpath new {address} next_hop {address}\n"


def free_path(interface: str, address: str) -> str:
    """Forget the path to it; the next frame has one searched again."""
    return f"iw dev {interface} mpath del {address}\n"


def reach(phy: str, mask: int) -> str:
    """Two radios hear each other when their masks share a bit; 0 is out of everybody's reach."""
    return f"echo {mask:#x} > {SWITCHES}/{phy}/hwsim/group\n"


def chain(phys: Sequence[str]) -> str:
    """Each hears only the one before and the one after."""
    masks = chain_masks(len(phys))
    return "".join(reach(phy, mask) for phy, mask in zip(phys, masks, strict=True))


def chain_masks(count: int) -> list[int]:
    """The masks of so many radios of which each hears only the one before and the one after."""
    return [
        (1 << place - 1 if place > 0 else 0) | (1 << place if place < count - 1 else 0)
        for place in range(count)
    ]


def set_signal(phy: str, signal_dbm: int) -> str:
    """How strong everybody hears this radio, and it everybody: -80 to -10."""
    received = (signal_dbm - TRANSMIT_POWER_DBM) & 0xFFFFFFFFFFFFFFFF  # it takes no minus sign
    return f"echo {received} > {SWITCHES}/{phy}/hwsim/rx_rssi\n"


def ping(interface: str, address: str, count: int | None = None) -> str:
    """Unicast traffic to the one with this hardware address, both ways, for ever or so often."""
    often = "" if count is None else f"-c {count} "
    return f"busybox ping -6 -q -i {PING_INTERVAL_S} {often}{link_local(address)}%{interface}\n"


def link_local(address: str) -> str:
    """The address that Linux gives an interface by default (RFC 4291, modified EUI-64)."""
    octets = [int(octet, 16) for octet in address.split(":")]
    octets = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    words = (octets[place] << 8 | octets[place + 1] for place in range(0, 8, 2))
    return "fe80::" + ":".join(f"{word:x}" for word in words)


def _frequencies(frequencies_mhz: Iterable[int]) -> list[str]:
    chosen = [str(frequency) for frequency in frequencies_mhz]
    return ["freq", *chosen] if chosen else []
