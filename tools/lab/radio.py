"""Machines that have a radio of their own: mac80211_hwsim in a booted kernel (tools/vm)."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from pathlib import Path

from tools.lab.stations import Nl80211
from tools.vm import deeds
from tools.vm.guest import radio

CLONE_NEWNET = 0x40000000
LOOK_INTERVAL_S = 0.02
IN_REACH, ALONE = "0x1", "0x0"  # masks: who shares a bit hears the other


class Station:
    """A namespace with mesh0 and mon0 on its own radio, in a mesh, at first out of reach."""

    def __init__(self, name: str, number: int) -> None:
        self.namespace = name
        # The driver's own switch: written at once, without the start of a program.
        self._mask = Path(deeds.SWITCHES) / radio.phy(number) / "hwsim/group"
        radio.create_laptop(name, number)
        radio.up("mesh0", name)
        radio.create_monitor(radio.phy(number), "mon0", name)
        self.address = self.run("cat", "/sys/class/net/mesh0/address").strip()
        self.link_local = deeds.link_local(self.address)
        self._ifindex = int(self.run("cat", "/sys/class/net/mesh0/ifindex"))
        self._nl80211 = self._open_nl80211()
        self.leave()
        self.join()

    def delete(self) -> None:
        """Give the radio back."""
        self._nl80211.socket.close()
        self.run("iw", "dev", "mon0", "del")
        radio.delete_laptop(self.namespace)

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command, to be run on this machine."""
        return ("ip", "netns", "exec", self.namespace, *command)

    def run(self, *command: str) -> str:
        """Run it; its output."""
        done = subprocess.run(self.inside(*command), check=True, capture_output=True, text=True)
        return done.stdout

    def enter(self) -> None:
        """Come into radio range of all others who did."""
        self._mask.write_text(IN_REACH)

    def leave(self) -> None:
        """Go out of radio range; no program is told."""
        self._mask.write_text(ALONE)

    def join(self) -> None:
        """Join the mesh, and wait until the kernel has checked that our addresses are ours."""
        radio.join("mesh0", self.namespace)
        self.run("sh", "-c", _UNTIL_CHECKED)

    def join_anew(self) -> None:
        """Forget all peer links, as after a restart; does it out of range, they are not closed."""
        radio.leave("mesh0", self.namespace)
        self.join()

    def linked(self, address: str, seconds: float) -> float:
        """Wait until the kernel's own station dump shows the link established; when it did (s)."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while self._nl80211.stations(self._ifindex).get(address) != "ESTAB":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.namespace} has no link to {address}")
            pause.wait(LOOK_INTERVAL_S)
        return time.monotonic()

    def _open_nl80211(self) -> Nl80211:
        """A socket, which stays in the namespace in which it was made."""
        with Path("/proc/thread-self/ns/net").open() as ours:
            with Path("/run/netns", self.namespace).open() as theirs:
                _go_into(theirs.fileno())
            try:
                return Nl80211()
            finally:
                _go_into(ours.fileno())


def clear() -> None:
    """Remove the interfaces with which the driver begins."""
    for interface in Path("/sys/class/net").glob("wlan*"):
        subprocess.run(("iw", "dev", interface.name, "del"), check=True)


def _go_into(namespace: int) -> None:
    """Have this thread be in this network namespace; setns(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


_UNTIL_CHECKED = """
until ip -6 -o address show dev mesh0 scope link -tentative | grep -q inet6; do sleep 0.05; done
"""
