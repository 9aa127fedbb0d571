"""What is loaded of pyroute2, each time in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

OPEN = """
import asyncio, sys
from meshwatch import codec, kernel

async def main():
    for channel in (await kernel.open_nlctrl(), *await kernel.open_rtnetlink()):
        channel.close()
    codec.get_stations(30, 3), codec.get_links(), codec.get_neighbors()

asyncio.run(main())
print("sqlite3" in sys.modules or "pyroute2.ndb" in sys.modules)
"""
WHOLE = """
from pyroute2 import config, IPRoute
print(config.__name__, IPRoute.__module__)
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_daemon_loads_parts_of_it() -> None:
    assert python(OPEN) == "False"


def test_whoever_wants_the_whole_has_it() -> None:
    assert python("import meshwatch.codec" + WHOLE) == python("pass" + WHOLE)
