"""Writes every line of a meshwatch socket to standard output, behind its time of arrival.

Runs in the guest: `follow.py SOCKET`. A line is CLOCK_MONOTONIC in seconds, a space, the JSON.
It connects again when the daemon went away, saying so with a line of its own.
"""

import socket
import sys
import time


def main(path: str) -> None:
    while True:
        with socket.socket(socket.AF_UNIX) as stream:
            try:
                stream.connect(path)
            except OSError:
                time.sleep(0.05)  # nothing tells that a socket appears where none is
                continue
            with stream.makefile("rb") as lines:
                for line in lines:
                    stamp = b"%.6f " % time.monotonic()
                    sys.stdout.buffer.write(stamp + line)
                    sys.stdout.buffer.flush()
        sys.stdout.buffer.write(b'%.6f {"class":"disconnected"}\n' % time.monotonic())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
