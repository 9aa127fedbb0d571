"""Compiles the C programs that run in the guest, which sees the host's files."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tools/bench/guest"


def compiled(name: str) -> Path:
    """The program of this name."""
    binary = ROOT / "build/bench" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", str(binary), str(SOURCES / f"{name}.c")], check=True)
    return binary
