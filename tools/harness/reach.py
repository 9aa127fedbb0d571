"""Who can hear whom: hwsim0 shows every frame, also those that the simulated air did not carry."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

EVERYBODY = 1  # what mac80211_hwsim gives a new radio


class MalformedReach(ValueError):
    """A line that is not `SECONDS ADDRESS MASK`."""


class Reach:
    """The history of mac80211_hwsim's group masks: radios hear each other if theirs share a bit.

    Made from what tools/harness/guest_reach.py printed: lines `SECONDS ADDRESS MASK` of
    CLOCK_MONOTONIC, the address of the radio's mesh interface, and its mask from then on.
    """

    def __init__(self, text: str = "") -> None:
        self._times: dict[str, list[int]] = defaultdict(list)
        self._masks: dict[str, list[int]] = defaultdict(lambda: [EVERYBODY])
        for line in text.splitlines():
            try:
                seconds, address, mask = line.split()
                time_ns, bits = round(float(seconds) * 1e9), int(mask, 0)
            except ValueError:
                raise MalformedReach(f"not `SECONDS ADDRESS MASK`: {line!r}") from None
            self._times[address].append(time_ns)
            self._masks[address].append(bits)

    @classmethod
    def read(cls, path: Path) -> Reach:
        """From a file."""
        return cls(path.read_text())

    def hears(self, receiver: str, sender: str, time_ns: int) -> bool:
        """Whether a frame that was sent then could arrive."""
        return bool(self._mask(receiver, time_ns) & self._mask(sender, time_ns))

    def _mask(self, address: str, time_ns: int) -> int:
        return self._masks[address][bisect_right(self._times[address], time_ns)]
