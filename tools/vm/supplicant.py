"""A mesh that demands a password: wpa_supplicant, which brings a peering manager of its own."""

from __future__ import annotations

import json
import signal
import time
from typing import Self

from tools.vm import deeds
from tools.vm.machine import Machine, MachineError, Process

DIRECTORY = "/run/supplicants"
# It looks around for some 4 s before it starts or joins a mesh; emulation adds to that.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_INTERVAL_S = 0.1
STARTED = "MESH-GROUP-STARTED"


class Supplicant:
    """wpa_supplicant on one mesh interface, for the time of a with block.

    Two who are given different passwords hear each other and never become peers. The interface
    must not be joined. ``laptop`` is the network namespace that has it.
    """

    def __init__(
        self,
        machine: Machine,
        interface: str,
        password: str,
        *,
        laptop: str | None = None,
        mesh_id: str = deeds.MESH_ID,
        frequency_mhz: int = deeds.FREQUENCY_MHZ,
        beacon_interval_tu: int = 1000,
    ) -> None:
        self._machine = machine
        self._interface = interface
        self._laptop = laptop
        self._directory = f"{DIRECTORY}/{laptop or 'here'}-{interface}"
        self._configuration = (
            f"ctrl_interface={self._directory}\n"
            "p2p_disabled=1\n"
            "network={\n"
            f" ssid={json.dumps(mesh_id)}\n"
            " mode=5\n"
            f" frequency={frequency_mhz}\n"
            f" scan_freq={frequency_mhz}\n"
            f" beacon_int={beacon_interval_tu}\n"
            " key_mgmt=SAE\n"
            " ieee80211w=2\n"
            f" sae_password={json.dumps(password)}\n"
            "}\n"
        )
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, for the first time or again; it is in the mesh on return, alone or not."""
        file = f"{self._directory}.conf"
        self._machine.run(
            f"mkdir -p {DIRECTORY}; cat > {file} <<'END'\n{self._configuration}END", check=True
        )
        inside = ["ip", "netns", "exec", self._laptop] if self._laptop else []
        self._process = self._machine.spawn(
            [*inside, "wpa_supplicant", "-i", self._interface, "-c", file]
        )
        self._await_words(STARTED, START_TIMEOUT_S)

    def leave(self) -> None:
        """End it in order: every peer is sent a Close."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word; the kernel leaves the mesh, and nobody is told."""
        self._end(signal.SIGKILL)

    @property
    def output(self) -> str:
        """What it has printed since it was last started."""
        return self._process.output if self._process else ""

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.kill(number)
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def _await_words(self, words: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while words not in self.output:
            if self._process is None or self._process.poll() is not None:
                raise MachineError(f"wpa_supplicant ended:\n{self.output}")
            if time.monotonic() > deadline:
                raise MachineError(f"wpa_supplicant does not start the mesh:\n{self.output}")
            time.sleep(POLL_INTERVAL_S)
