"""A meshwatchd whose machine seems to have slept for a minute when SIGUSR1 comes.

Runs in the guest, as root: a process may enter another time namespace at any time, and there
CLOCK_BOOTTIME may be ahead (time_namespaces(7)). CLOCK_MONOTONIC goes on, as it does after sleep.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from meshwatch.daemon import main

CLONE_NEWTIME = 0x80  # linux/sched.h
SLEEP_S = 60

_libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    """Raise OSError if a call failed."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


checked(_libc.unshare(CLONE_NEWTIME))  # for children; nobody is in it yet
Path("/proc/self/timens_offsets").write_text(f"boottime {SLEEP_S} 0\n")
later = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
signal.signal(signal.SIGUSR1, lambda *_: checked(_libc.setns(later, CLONE_NEWTIME)))
sys.exit(main())
