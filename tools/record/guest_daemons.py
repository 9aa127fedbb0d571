"""Starts meshwatchd again and again, each as a fork of one that has imported everything.

guest_daemons.py DIRECTORY     until it is killed

Each file NAME.arguments there, one argument a line, starts one. Its number is in NAME.pid then,
what it says in NAME.log, and its exit status in NAME.status in the end.
"""

import faulthandler
import os
import sys
import time
from pathlib import Path

from meshwatch import daemon

LOOK_INTERVAL_S = 0.05
# What codec.py and kernel.py import when they first need it.
LATER = (
    "pyroute2.netlink.generic",
    "pyroute2.netlink.nl80211",
    "pyroute2.iproute",
    "pyroute2.netlink.rtnl.iprsocket",
)


def start(directory: Path, name: str, arguments: list[str]) -> int:
    """Fork one; its process id."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        log = os.open(directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable()
        status = 1
        try:
            status = daemon.main(arguments)
        finally:
            os._exit(status)
    return pid


def note(directory: Path, name: str, number: int) -> None:
    """Say a number in a file that is there only when it is whole."""
    fresh = directory / f"{name}.new"
    fresh.write_text(str(number))
    fresh.rename(directory / name)


def main(directory: Path) -> None:
    for module in LATER:
        __import__(module)
    running: dict[int, str] = {}
    print("ready", flush=True)
    while True:
        for path in directory.glob("*.arguments"):
            arguments = path.read_text().splitlines()
            path.unlink()
            pid = start(directory, path.stem, arguments)
            running[pid] = path.stem
            note(directory, f"{path.stem}.pid", pid)
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            note(directory, f"{running.pop(pid)}.status", os.waitstatus_to_exitcode(status))
        time.sleep(LOOK_INTERVAL_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
