"""A laptop in the booted kernel (tools/vm): a root of its own, its own radio, systemd, a person.

A container, but for its kernel a machine of its own: systemd is its first program and udev sees
its devices appear. What it writes stays in the guest's memory.
"""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.fresh.root import COPY, ENVIRONMENT
from tools.vm import deeds
from tools.vm.machine import Completed, Machine, Process

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = str(REPOSITORY / ".venv/bin/python")
PASSWORD = "secret"
# Longer than anything takes that works, on an emulated processor.
PATIENCE_S = 240.0
LOOK_AGAIN_S = 0.2

_PREPARE = """
set -e
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p {home}/upper/etc {home}/work {home}/root /sys/fs/cgroup/{name}
echo {name} >{home}/upper/etc/hostname
mkfifo {home}/orders
mount -t overlay -o lowerdir={root},upperdir={home}/upper,workdir={home}/work {name} {home}/root
ip netns add {name}
iw phy {phy} set netns name {name}
"""
# Begun in the namespace, and not told of it, nspawn mounts the /sys in which the radio is; udev
# needs to write there. The unit files close what is open here.
_BOOT = """
echo $$ >/sys/fs/cgroup/{name}/cgroup.procs
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
exec nsenter --net=/run/netns/{name} systemd-nspawn --boot --keep-unit --register=no \
    --capability=all '--system-call-filter=bpf keyctl' --console=pipe --machine={name} \
    --directory={home}/root
"""
_STATE = """
meshwatch list --json || true
prosodyctl shell meshwatch neighbors || true
tail -n 20 /var/log/prosody/prosody.log
journalctl --boot --no-pager --unit=meshwatchd --unit=meshwatch-agent --lines=20
"""
_LEADER = "read -r leader _ </proc/{pid}/task/{pid}/children; echo $leader"

Event = dict[str, Any]


class Laptop:
    """One of them; it ends with the machine."""

    def __init__(self, machine: Machine, name: str, radio: int, root: Path) -> None:
        self.name = name
        self.domain = f"{name}.laptop.example"
        self.jid = f"{name}@{self.domain}"
        self._machine = machine
        self._words = {
            "name": name,
            "home": f"/run/fresh/{name}",
            "root": shlex.quote(str(root)),
            "phy": f"phy{radio}",
        }
        self._leader = ""
        self._chat: Process | None = None

    def begin(self) -> None:
        """Switch it on."""
        self._machine.run(_PREPARE.format(**self._words), check=True)
        self._console = self._machine.spawn(
            _BOOT.format(**self._words), log=f"{self.name}-console.log"
        )

    def await_boot(self) -> None:
        """Wait until all that starts at its start has started."""
        deadline = time.monotonic() + PATIENCE_S
        script = _LEADER.format(pid=self._console.pid)
        while not self._leader or not self._system_runs():
            self._leader = self._machine.run(script).stdout.strip()
            assert time.monotonic() < deadline, self._console.output
            assert self._console.poll() is None, self._console.output
            _pause()

    def _system_runs(self) -> bool:
        asked = self.run("systemctl is-system-running")
        return asked.stdout.strip() in {"running", "degraded"}

    def run(self, script: str, typed: str = "") -> Completed:
        """Run a script on it, as root in the working copy, and type what it asks for."""
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        inside = ["nsenter", "--all", "--target", self._leader, "env", "-i", *environment]
        command = shlex.join([*inside, "bash", "-ec", f"cd {COPY}\n{script}"])
        return self._machine.run(
            f"printf %s {shlex.quote(typed)} | {command}", timeout_s=PATIENCE_S
        )

    def take(self, step: str) -> None:
        """Take one of the steps on the mesh; who is asked for a password gives it."""
        done = self.run(step, typed=f"{PASSWORD}\n{PASSWORD}\n")
        assert done.returncode == 0, f"{step}\non {self.name}: {done.stdout}{done.stderr}"

    def await_output(self, script: str, wanted: str) -> None:
        """Run the script again and again until it prints what is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in (output := self.run(script).stdout):
            assert time.monotonic() < deadline, f"{self.name}: {output}\n{self.run(_STATE).stdout}"
            _pause()

    def walk_away(self) -> None:
        """Go out of radio range; no program is told."""
        self._machine.run(deeds.reach(self._words["phy"], 0), check=True)

    def come_back(self) -> None:
        """Come into radio range again."""
        self._machine.run(deeds.reach(self._words["phy"], 1), check=True)

    def log_in(self) -> None:
        """Sit down at a messenger."""
        home = self._words["home"]
        certificate = f"{home}/root/etc/prosody/certs/{self.domain}.crt"
        words = [PYTHON, "-m", "tools.fresh.chat", self.jid, PASSWORD, certificate]
        self._chat = self._machine.spawn(
            f"exec ip netns exec {self.name} {shlex.join(words)} <>{home}/orders",
            log=f"{self.name}-chat.log",
        )

    def order(self, *words: str) -> None:
        """Have the person do something, see tools.lab.chat."""
        line = shlex.quote(" ".join(words))
        self._machine.run(f"echo {line} >{self._words['home']}/orders", check=True)

    def shown(self) -> list[Event]:
        """What the messenger has shown so far; what it printed else is no event."""
        assert self._chat is not None
        lines = self._chat.output.rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, wanted: Callable[[Event], bool], count: int = 1) -> Event:
        """The count-th event that is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        assert self._chat is not None
        while len(found := [event for event in self.shown() if wanted(event)]) < count:
            assert time.monotonic() < deadline, (
                f"{self.name} was shown {self._chat.output}\n{self.run(_STATE).stdout}"
            )
            assert self._chat.poll() is None, f"{self.name} logged out: {self._chat.output}"
            _pause()
        return found[count - 1]


def _pause() -> None:
    threading.Event().wait(LOOK_AGAIN_S)
