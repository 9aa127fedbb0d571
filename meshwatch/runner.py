"""Runs the hooks: processes, their time limit and their output."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from meshwatch import scripts
from meshwatch.client import (
    Came,
    Changed,
    Event,
    InterfaceCame,
    InterfaceChanged,
    InterfaceRemoved,
    Mirror,
    Removed,
    Resynchronised,
)
from meshwatch.hooks import Hooks, Run, clean

log = logging.getLogger(__name__)

TIME_LIMIT_S = 30.0
GRACE_S = 2.0  # between SIGTERM and SIGKILL
MOST_OUTPUT = 8192  # bytes of one script that are logged
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Runner:
    """A duty of the agent: hooks for what the daemon tells."""

    def __init__(
        self, directories: Sequence[Path] = scripts.DIRECTORIES, time_limit_s: float = TIME_LIMIT_S
    ) -> None:
        self.ends: Counter[str] = Counter()  # of scripts, by how they ended
        self._directories = directories
        self._time_limit_s = time_limit_s
        self._hooks = Hooks()
        self._begun = False
        self._tasks: set[asyncio.Task[bool]] = set()
        self._refused: frozenset[scripts.Refused] = frozenset()

    def take(self, event: Event, mirror: Mirror) -> None:
        """The daemon tells this."""
        match event:
            case Came(neighbor=neighbor) | Changed(neighbor=neighbor):
                self._hooks.told(neighbor)
            case Removed(neighbor=neighbor, reason=reason):
                self._hooks.gone(neighbor, reason)
            case InterfaceCame(interface=interface) | InterfaceChanged(interface=interface):
                self._hooks.interface(interface, interface.gates)
            case InterfaceRemoved(interface=interface):
                self._hooks.interface(interface, ())
            case Resynchronised() if not self._begun:
                self._begun = True
                self._hooks.begin()
                self._find()  # what is refused is said before it is missed
        self._turn()

    def close(self) -> None:
        """Run nothing more, and end what runs."""
        self._begun = False
        for task in self._tasks:
            task.cancel()

    def summary(self) -> str:
        """What was done, for the log."""
        ends = ", ".join(f"{count} {how}" for how, count in sorted(self.ends.items()))
        return f"hooks run: {ends or 'none'}"

    def _turn(self) -> None:
        if not self._begun:
            return
        for run in self._hooks.due():
            task = asyncio.get_running_loop().create_task(self._run(run))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, run))

    def _ended(self, run: Run, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("hooks %s %s failed", run.interface, run.event, exc_info=error)
        # What failed so is not tried again, for it would fail for ever.
        self._hooks.ended(run.key, all_told=error is not None or task.result())
        self._turn()

    async def _run(self, run: Run) -> bool:
        """Whether all were told; not if it was over meanwhile."""
        for script in self._find():
            if not self._hooks.stands(run):
                return False
            how = await self._execute(script, run)
            self.ends[how] += 1
            if how != "well":
                name = f"{script} {run.interface} {run.event}"
                who = run.variables.get("MESHWATCH_ADDRESS", "")
                log.warning("hook %s (%s) ended %s", name, who, how)
        return True

    def _find(self) -> tuple[Path, ...]:
        found = scripts.find(self._directories)
        refused = frozenset(found.refused)
        for path, why in sorted(refused - self._refused):
            log.warning("hook %s is not run: it %s", path, why)
        self._refused = refused
        return found.scripts

    async def _execute(self, script: Path, run: Run) -> str:
        """How it ended, in a word or some."""
        try:
            output = _Output(script.name)
        except OSError as error:
            return _unbegun(error)
        try:
            try:
                process = subprocess.Popen(  # noqa: ASYNC220 - it waits for exec, no longer
                    [script, run.interface, run.event],
                    stdin=subprocess.DEVNULL,
                    stdout=output.end,
                    stderr=output.end,
                    cwd="/",
                    env=_environment(run.variables),
                    start_new_session=True,
                )
            except OSError as error:
                return _unbegun(error)
            finally:
                output.begun()
            return await self._await(process)
        finally:
            output.close()

    async def _await(self, process: subprocess.Popen[bytes]) -> str:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError as error:
            _kill(process, signal.SIGKILL)  # nothing would tell when its time is over
            process.poll()
            return f"at once: it was killed, for it cannot be watched: {error.strerror}"
        loop.add_reader(descriptor, ended.set)
        late = False
        try:
            try:
                async with asyncio.timeout(self._time_limit_s):
                    await ended.wait()
            except TimeoutError:
                late = True
                _kill(process, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE_S):
                        await ended.wait()
                _kill(process, signal.SIGKILL)
                await ended.wait()  # for as long as the kernel does not let go of it
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            # What it left behind in its group goes with it; not reaped yet, it keeps its number.
            _kill(process, signal.SIGKILL)
            status = process.poll()
        if late:
            return f"late: it was killed after {self._time_limit_s:g} s"
        return "well" if not status else _told(status)


class _Output:
    """What a script writes, line by line into the log, up to a limit."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MOST_OUTPUT
        self._dropped = 0
        self._line = b""
        self._pipe, self.end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.end, True)  # the script would not know what EAGAIN is
        asyncio.get_running_loop().add_reader(self._pipe, self._read)

    def begun(self) -> None:
        """Only the script has the other end now."""
        os.close(self.end)

    def close(self) -> None:
        """Log the rest; who still writes gets SIGPIPE."""
        while self._read():
            pass
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        if self._line:
            self._log(self._line)
        if self._dropped:
            log.warning("hook %s: %d bytes more", self._name, self._dropped)

    def _read(self) -> bool:
        """Take in what there is; whether there may be more."""
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return False
        taken = data[: self._left]
        self._left -= len(taken)
        self._dropped += len(data) - len(taken)
        *lines, self._line = (self._line + taken).split(b"\n")
        for line in lines:
            self._log(line)
        return self._dropped < 2**20

    def _log(self, line: bytes) -> None:
        log.info("hook %s: %s", self._name, clean(line.decode(errors="backslashreplace")))


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but the language."""
    return {"PATH": PATH, "LANG": os.environ.get("LANG", "C.UTF-8"), **variables}


def _unbegun(error: OSError) -> str:
    return f"before it began: {error.strerror or error}"


def _kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _told(status: int) -> str:
    return f"with status {status}" if status > 0 else f"by signal {-status}"
