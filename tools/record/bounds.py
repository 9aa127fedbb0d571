"""How long the table of a daemon with a tap may disagree with the air, scene by scene.

What is promised, and what an emulated machine takes beside it, are separate terms.
"""

from __future__ import annotations

import re

from tools.harness.bounds import Bound, Bounds

# The guest's two processors are emulated, and its host has other work as well: now and then
# nobody there runs for so long.
EMULATED_S = 1.0

AT_ONCE = Bound(0, 0.1)
# A beacon and a quarter, and three probes in vain, make 1.5 B + 0.1 s; of a neighbor of which fewer
# than 32 beacons were heard, as of most in these scenes, two and a quarter. Until then one beacon
# in five might get lost.
DEPARTURE = Bound(2.5, 0.1)
DEPARTURE_OF_A_LOSSY_ONE, DEPARTURE_OF_A_LOSSY_ONE_OFTEN = Bound(5, 0.1), Bound(6, 0.1)
# Who sleeps acknowledges no probe, and a daemon may be told to send none: silence decides, as
# without a tap.
DEPARTURE_UNASKED = Bound(8, 0.1)
# A silence before, of some beacons in a row, is held for losses: then as where one in five is lost.
DEPARTURE_AFTER_A_SILENCE = Bound(10, 0.1)
NEXT_LOOK = Bound(0, 1.1)

_PROMISED = Bounds(
    established=AT_ONCE,
    returned=AT_ONCE,
    closed=AT_ONCE,
    vanished=DEPARTURE,
    forgotten=Bound(8, 0.1),
)
_OTHERWISE = {
    "asleep": _PROMISED.but(vanished=DEPARTURE_UNASKED),
    "doubt": _PROMISED.but(vanished=DEPARTURE_AFTER_A_SILENCE),
    "blocked": _PROMISED.but(closed=NEXT_LOOK),  # no frame tells of it
    "lossy": _PROMISED.but(vanished=DEPARTURE_OF_A_LOSSY_ONE),
    "lossy-often": _PROMISED.but(vanished=DEPARTURE_OF_A_LOSSY_ONE_OFTEN),
}


def bounds(title: str, *, replay: bool = False) -> Bounds:
    """Those of a scene on a kernel: SCENE-KERNEL.

    A replay asks nothing: it has the probes that were sent when it was recorded, which may not be
    enough for a daemon of another time, and then silence decides.
    """
    scene = re.sub(r"-\d+\.\d+$", "", title)
    allowed = _OTHERWISE.get(scene, _PROMISED)
    if replay:
        allowed = allowed.but(vanished=max(allowed.vanished, DEPARTURE_UNASKED))
    return allowed.later(EMULATED_S)
