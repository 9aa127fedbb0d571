"""Makes the samples of these tests: radios meet, part, vanish and return before a meshwatchd.

python -m tests.harness.record DIRECTORY [KERNEL]     some three minutes

Leaves hwsim0.pcap, mon0.pcap (what the first radio alone hears), news.log and reach there.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from tests.kernel.lab import Daemon, Lab, address, until
from tools.harness.guest import Capture, reach
from tools.vm.machine import Machine

RADIOS = 3
SILENCE_S = 60.0
REST_S = 3.0


class Scene:
    """What the radios do, each step when the daemon has followed the one before."""

    def __init__(self, lab: Lab, daemon: Daemon, history: Path) -> None:
        self._lab = lab
        self._daemon = daemon
        self._history = history

    def move(self, index: int, mask: int) -> None:
        """Out of the others' reach with a mask of its own, and back with 1."""
        phy = self._lab.radios()[index]
        reach(self._lab.machine, self._history, (phy, address(index), mask))

    def follows(self, index: int, *presences: str | None) -> None:
        """Wait until mesh0's table shows that neighbor so."""

        def row() -> str | None:
            shown = self._daemon.rows().get(("mesh0", address(index)))
            return None if shown is None else str(shown["presence"])

        until(lambda: row() in presences, SILENCE_S, lambda: f"{index} is shown as {row()}")
        # The air goes on for a while, so that late second thoughts of the daemon are seen.
        time.sleep(REST_S)

    def play(self) -> None:
        lab = self._lab
        lab.join(0, 1, 2)
        self.follows(1, "present")
        self.follows(2, "present")
        lab.leave(1)
        self.follows(1, None, "heard")
        lab.join(1)
        self.follows(1, "present")
        self.move(2, 2)
        self.follows(2, None)
        self.move(2, 1)
        self.follows(2, "present")
        self.move(2, 2)  # restarted before anybody misses it
        lab.leave(2)
        lab.join(2)
        self.move(2, 1)
        time.sleep(REST_S)  # nothing needs to be told: the table said "present" all the while
        self.follows(2, "present")
        lab.sh("ip link set mesh1 down")
        self.follows(1, None)


def main(directory: Path, kernel: str = "6.1") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with Machine(kernel=kernel, radios=RADIOS, memory_mib=1024) as machine:
        lab = Lab(machine)
        lab.make_meshes(RADIOS)
        phy = lab.radios()[0]
        lab.sh(f"iw phy {phy} interface add mon0 type monitor")
        history = machine.output / "reach"
        history.touch()
        lab.sh("mkdir -p /run/meshwatch-sample")
        daemon = Daemon(machine, "sample")
        daemon.await_ready()
        with Capture(machine, "hwsim0", "hwsim0") as all_, Capture(machine, "mon0", "mon0") as own:
            Scene(lab, daemon, history).play()
        print(all_.summary, "/", own.summary)
        status = daemon.stop()
        assert status == 0, daemon.process.output
        for name in ("hwsim0.pcap", "mon0.pcap", "reach"):
            shutil.copy(machine.output / name, directory / name)
        shutil.copy(machine.output / "sample-news.log", directory / "news.log")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
