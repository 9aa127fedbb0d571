"""Machines with Debian packages that the one they run on need not have installed.

A mail system would replace this machine's own, so ``tools/install test`` only unpacks it; here it
is laid over the files of the machine, for those in one mount namespace. Needs root.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab.mobile import Mobile
from tools.lab.person import ROOT

UNPACKED = ROOT / "build/debian"
DEADLINE_S = 60

# Resolvers ask nobody, as there is nobody: an empty resolv.conf means this machine.
_LAY = """
for directory in usr etc var; do
    install -d -m 755 "$2/$directory/upper" "$2/$directory/work"
    below="lowerdir=$1/$directory:/$directory"
    above="upperdir=$2/$directory/upper,workdir=$2/$directory/work"
    mount -t overlay overlay -o "$below,$above" /$directory
done
mount -t tmpfs none /run
: >/etc/resolv.conf
shift
. "$1/begin"
echo ready
exec cat
"""


class Machine:
    """Files and processes of its own, and the network of a station, from the first line of
    ``begin``, a shell script, to the end of the block."""

    def __init__(self, station: Mobile, home: Path, package: str, begin: str) -> None:
        self.station = station
        self.home = home
        self._package = UNPACKED / package
        self._begin = begin
        self._inside: tuple[str, ...] = ()
        self._begun: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True)
        (self.home / "begin").write_text(self._begin)
        # All its processes end with the first one, wherever they went.
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        words = ("sh", "-ec", _LAY, "sh", str(self._package), str(self.home))
        self._holder = subprocess.Popen(
            self.station.inside(*alone, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert self._holder.stdout is not None
            if self._holder.stdout.readline() != "ready\n":
                raise RuntimeError(f"a machine with {self._package.name} did not begin")
            children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
            first = children.read_text().split()[0]
        except BaseException:
            self._end()
            raise
        self._inside = ("nsenter", f"--target={first}", "--net", "--mount", "--pid")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        for process in (self._holder, *self._begun):
            process.kill()
            process.communicate()

    def file(self, path: str) -> Path:
        """Where a file that was written there is to be found from outside."""
        directory, _, rest = path.removeprefix("/").partition("/")
        return self.home / directory / "upper" / rest

    def run(self, *command: str, given: str = "") -> str:
        """What a program says here, whether it fails or not."""
        words = (*self._inside, *command)
        pipe = subprocess.PIPE
        done = subprocess.run(
            words, input=given, stdout=pipe, text=True, check=False, timeout=DEADLINE_S
        )
        return done.stdout

    def goes_on(self) -> bool:
        """Whether the block has not ended."""
        return self._holder.poll() is None

    def begin(self, log: Path, *command: str) -> None:
        """A program that goes on to the end of the block; its errors go to a file."""
        with log.open("w") as errors:
            words = (*self._inside, *command)
            self._begun.append(subprocess.Popen(words, cwd=ROOT, stderr=errors, text=True))
