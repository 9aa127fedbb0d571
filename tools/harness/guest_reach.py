"""Sets the group masks of simulated radios, and says when: lines for tools/harness/reach.py.

guest_reach.py PHY ADDRESS MASK [PHY ADDRESS MASK ...]

The address is that of the radio's mesh interface, which may be in another network namespace.
"""

import sys
import time
from pathlib import Path

SWITCHES = Path("/sys/kernel/debug/ieee80211")


def main(words: list[str]) -> None:
    for phy, address, mask in zip(words[::3], words[1::3], words[2::3], strict=True):
        (SWITCHES / phy / "hwsim/group").write_text(mask)
        print(f"{time.monotonic():.6f} {address} {mask}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
