"""Compiles the C programs beside it, for the guest, which sees the host's files."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def compiled(name: str, *libraries: str) -> Path:
    """The program of this name, linked with these."""
    binary = HERE.parents[2] / "build/bench" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    linked = [f"-l{library}" for library in libraries]
    source = str(HERE / f"{name}.c")
    subprocess.run(["cc", *flags, "-o", str(binary), source, *linked], check=True)
    return binary
