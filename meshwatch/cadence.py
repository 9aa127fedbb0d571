"""The interval at which a neighbor sends beacons: as it says, or as its signs of life show.

A tap hears what the beacons claim. Anybody may send beacons in a neighbor's name, and a claim of
a short interval would make its silence look long: of all that was claimed in the last minute the
largest counts, and the neighbor's own is always among them.

Without a tap, the times of the signs of life tell: beacons come at multiples of their interval
(IEEE 802.11-2020 11.1.3.2, target beacon transmission times), traffic does not. An interval fits
if the distance of two signs was a multiple of it, and if no more frames came than beacons had to:
what is sent all the time is seen at multiples of our own interval of looking, and where looks
follow the beacons, all they see may be multiples of twice the interval, too. It is believed after
twelve fits, of which each misfit takes four away, as of other times one in four fits by chance;
and the largest such one counts. A silence of more than two of them at a look is a misfit.
"""

from __future__ import annotations

TU_NS = 1_024_000  # IEEE 802.11-2020 3.1: 1024 us

#: mac80211's interval when nobody chose; wpa_supplicant and OpenWrt choose 100.
DEFAULT_TU = 1000

_MINUTE_NS = 60_000_000_000
_LEAST_TU, _MOST_TU = 10, 10_000  # what cfg80211 admits: net/wireless/nl80211.c, 10 to 10000
_USUAL_TU = (1000, 500, 400, 300, 250, 200, 100)  # descending
_FITS_NEEDED, _MISFIT = 12, 4
_TOLERANCE_NS = 12_000_000  # beacons are late, and the kernel counts in jiffies
_SPAN_NS = 2 * _TOLERANCE_NS
# mac80211 counts the beacons of peers twice; and a little traffic beside them does not matter.
_MOST_PER_BEACON = 2.5
# At a look a new beacon is due already, and one may be lost.
_USUAL_NS = tuple((place, tu * TU_NS, tu * TU_NS * 9 // 4) for place, tu in enumerate(_USUAL_TU))


class Cadence:
    """One neighbor's beacon interval."""

    __slots__ = (
        "_claimed", "_claimed_before", "_fits", "_frames", "_learned", "_life_ns", "_minute_ns",
        "tu",
    )  # fmt: skip

    def __init__(self) -> None:
        self.tu = DEFAULT_TU
        self._claimed = 0  # the largest claim since _minute_ns
        self._claimed_before = 0  # and in the minute before
        self._minute_ns = 0
        self._fits: bytearray | None = None  # of each usual interval
        self._life_ns = 0
        self._frames = 0
        self._learned = False

    @property
    def known_tu(self) -> int | None:
        """The interval, if it is more than an assumption."""
        return self.tu if self._claimed or self._learned else None

    @property
    def ns(self) -> int:
        """The interval."""
        return self.tu * TU_NS

    @property
    def claimed(self) -> bool:
        """It is known from beacons."""
        return self._claimed > 0

    def claim(self, tu: int, now: int) -> None:
        """A beacon in the neighbor's name says this interval."""
        tu = min(max(tu, _LEAST_TU), _MOST_TU)
        if now - self._minute_ns >= _MINUTE_NS:
            recent = now - self._minute_ns < 2 * _MINUTE_NS
            self._claimed_before = self._claimed if recent else 0
            self._claimed, self._minute_ns = 0, now
        self._claimed = max(self._claimed, tu)
        self.tu = max(self._claimed, self._claimed_before)

    def forget_claims(self) -> None:
        """There is no tap any more."""
        self._claimed = self._claimed_before = 0

    def live(self, life_ns: int, frames: int, silence_ns: int = 0) -> None:
        """A sign of life that the kernel dated, perhaps a beacon, and how many frames came yet;
        and for how long there was silence when it was looked for."""
        if self._claimed:
            return
        distance_ns = life_ns - self._life_ns
        if distance_ns < _LEAST_TU * TU_NS:  # the same one, dated anew
            return
        came, self._frames = frames - self._frames, frames
        self._life_ns = life_ns
        if self._fits is None:
            self._fits = bytearray(len(_USUAL_TU))
            return
        fits, near_ns = self._fits, distance_ns + _TOLERANCE_NS
        for place, interval_ns, longest_ns in _USUAL_NS:
            if (
                near_ns % interval_ns <= _SPAN_NS
                and silence_ns <= longest_ns
                and came <= _MOST_PER_BEACON * (near_ns // interval_ns)
            ):
                if fits[place] < 2 * _FITS_NEEDED:
                    fits[place] += 1
            elif fits[place]:
                fits[place] = max(fits[place] - _MISFIT, 0)
        for tu, fit in zip(_USUAL_TU, self._fits, strict=True):
            if fit >= _FITS_NEEDED:
                self.tu = tu
                self._learned = True
                return
            if fit >= _FITS_NEEDED // 2:  # a shorter one fits too, whatever this one turns out
                return
