"""How a program of the lab that runs in a guest tells what came of it: one JSON object a line."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.lab.listening import Event

AWAY_S = 5.0  # where nobody is told that somebody left
# Longer than anything takes that works, on an emulated processor.
PATIENCE_S = 90.0
Find = Callable[[Callable[[Event], bool], float, float], Event]


def tell(fact: str, **what: object) -> None:
    """One line for who started us."""
    print(json.dumps({"fact": fact, **what}), flush=True)


@contextmanager
def took(what: str) -> Iterator[None]:
    """Tell how long a part of it took."""
    since = time.monotonic()
    yield
    tell("took", what=what, seconds=time.monotonic() - since)


def after(
    since: float, find: Find, wanted: Callable[[Event], bool], seconds: float = PATIENCE_S
) -> float | None:
    """How long after that the event came, in s; None: not in time."""
    try:
        at: float = find(wanted, since, max(since + seconds - time.monotonic(), 0))["at"]
    except TimeoutError:
        return None
    return at - since


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


def keep_logs(homes: Path) -> None:
    """Bring the logs in the homes of all laptops of a form to who started us."""
    for log in homes.glob("*/*.log"):
        name = f"{homes.name}-{log.parent.name}-{log.name}"
        shutil.copy(log, Path(os.environ["VM_OUTPUT"]) / name)
