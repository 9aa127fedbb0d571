"""The command line of tools/record/expect."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from meshwatch.recording import open_recording
from tools.record.lines import news
from tools.vm.machine import REPOSITORY

RECORDINGS = REPOSITORY / "tests" / "recordings"
SUFFIXES = {".pcapng", ".pcap"}


def recordings() -> list[Path]:
    """All recordings of the tests."""
    return sorted(path for path in RECORDINGS.iterdir() if path.suffix in SUFFIXES)


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
        target = path.with_suffix(".lines")
        with closing(open_recording(path)) as recording:
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
