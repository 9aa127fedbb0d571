"""What a program knows that reads `iw station dump` every now and then, as many do.

poller.py INTERFACE SECONDS GONE_MS     until it is killed

For every station it writes a line when its verdict changes: CLOCK_MONOTONIC in seconds, address,
and `here` (established, and heard of within GONE_MS) or `gone`.
"""

import re
import subprocess
import sys
import time


def main(interface: str, period_s: float, gone_ms: int) -> None:
    verdicts: dict[str, str] = {}
    while True:
        dump = subprocess.run(
            ["iw", "dev", interface, "station", "dump"], capture_output=True, text=True, check=False
        ).stdout
        now = time.monotonic()
        seen = {}
        for part in re.split(r"^Station ", dump, flags=re.M)[1:]:
            inactive = re.search(r"inactive time:\s*(\d+)", part)
            alive = "ESTAB" in part and inactive is not None and int(inactive[1]) <= gone_ms
            seen[part[:17]] = "here" if alive else "gone"
        for address in verdicts.keys() | seen.keys():
            verdict = seen.get(address, "gone")
            if verdicts.get(address) != verdict:
                print(f"{now:.6f} {address} {verdict}", flush=True)
                verdicts[address] = verdict
        time.sleep(period_s)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
