"""Writes standard input to standard output, each line behind CLOCK_MONOTONIC in seconds."""

import sys
import time

for line in sys.stdin.buffer:
    sys.stdout.buffer.write(b"%.6f " % time.monotonic() + line)
    sys.stdout.buffer.flush()
