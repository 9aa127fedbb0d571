"""Runs iw(8) and ip(8) for the verbs that are acts of an administrator."""

from __future__ import annotations

import os
import shutil
import subprocess

# Users who are not administrators often lack these in PATH.
_MORE_PATH = "/usr/sbin:/sbin"
_PACKAGES = {"iw": "iw", "ip": "iproute2"}


class Refused(Exception):
    """It cannot be done; the text says why."""


def run(program: str, *words: str) -> str:
    """What the program writes. Raises Refused if it is not there, or fails."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_MORE_PATH}")
    if path is None:
        raise Refused(f"the program {program} is needed: install {_PACKAGES[program]}")
    done = subprocess.run(
        [path, *words],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    said = (done.stderr or done.stdout).strip()
    command = " ".join((program, *words))
    if "Operation not permitted" in said:
        raise Refused(f"{command}: not permitted; this takes root, or CAP_NET_ADMIN")
    if "Operation not supported" in said:
        raise Refused(f"{command}: the driver of this radio does not support it")
    why = said.partition("\n")[0] or f"exit status {done.returncode}"
    raise Refused(f"{command}: {why}")
