"""The command line of tools/record/expect."""

from __future__ import annotations

import argparse
import gzip
import lzma
import sys
from collections.abc import Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

from meshwatch.recording import Recording, open_recording
from tools.record.lines import news
from tools.vm.machine import REPOSITORY

RECORDINGS = REPOSITORY / "tests" / "recordings"
SUFFIXES = (".pcapng", ".pcapng.gz", ".pcapng.xz", ".pcap")
_UNPACK = {".gz": gzip.decompress, ".xz": lzma.decompress}


def recordings() -> list[Path]:
    """All recordings of the tests."""
    return sorted(path for path in RECORDINGS.rglob("*") if path.name.endswith(SUFFIXES))


def unpacked(path: Path) -> bytes:
    """What is in it, compressed or not."""
    unpack = _UNPACK.get(path.suffix, bytes)
    return unpack(path.read_bytes())


def opened(path: Path) -> Recording:
    """Open one, compressed or not."""
    if path.suffix in _UNPACK:
        return Recording(BytesIO(unpacked(path)))
    return open_recording(path)


def title(path: Path) -> str:
    """Its name without the suffixes: NAME-KERNEL."""
    return path.name.removesuffix(path.suffix).removesuffix(".pcapng")


def beside(path: Path, suffix: str) -> Path:
    """The file of another kind that belongs to it."""
    return path.with_name(title(path) + suffix)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is expected, or compare; 1 if the comparison finds a difference."""
    parser = argparse.ArgumentParser(
        prog="expect",
        description="Play recordings and write the news they make to NAME.lines beside them. "
        "Compare it with NAME.story, which tells what really happened, before committing it.",
    )
    parser.add_argument("files", nargs="*", type=Path, help="default: all of tests/recordings")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    options = parser.parse_args(arguments)
    different = 0
    for path in options.files or recordings():
        target = beside(path, ".lines")
        with closing(opened(path)) as recording:
            lines = b"".join(news(recording))
        if target.exists() and target.read_bytes() == lines:
            continue
        different += 1
        print(f"{target.name}: {'differs' if target.exists() else 'new'}")
        if not options.check:
            target.write_bytes(lines)
    return 1 if different and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
