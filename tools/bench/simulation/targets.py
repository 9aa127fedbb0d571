"""What the detector has to achieve, beside which the figures are printed."""

from __future__ import annotations

from tools.bench.simulation.air import MS
from tools.bench.simulation.setting import Form, Setting

PER_YEAR = 1 / 365.25  # as a rate per day

#: Departure, in beacon intervals from the last sign of life, by form, loss and interval in TU.
_LATENCY_BEACONS = {
    (Form.TAP, 0.0, 1000): 1.5,
    (Form.TAP, 0.0, 100): 1.5,
    (Form.TAP, 0.2, 1000): 5,
    (Form.TAP, 0.2, 100): 6,
    (Form.BARE, 0.0, 1000): 4,
    (Form.BARE, 0.0, 100): 4,
    (Form.PASSIVE, 0.0, 1000): 8,
    (Form.PASSIVE, 0.0, 100): 8,
    (Form.PASSIVE, 0.2, 1000): 8,
    (Form.PASSIVE, 0.2, 100): 10,
}
_TAP_GRACE_NS = 100 * MS


def latency_ns(setting: Setting) -> float | None:
    """How soon a vanish is to be told, if that was ever said."""
    if not setting.air.is_independent:
        return None
    beacons = _LATENCY_BEACONS.get((setting.form, setting.air.loss, setting.interval_tu))
    if beacons is None:
        return None
    grace_ns = _TAP_GRACE_NS if setting.form is Form.TAP and not setting.air.loss else 0
    return beacons * setting.interval_ns + grace_ns


def departures_per_day(setting: Setting) -> float | None:
    """How often at most a neighbor that is there may be told departed."""
    if not setting.air.is_independent or setting.air.loss > 0.2:
        return None
    return PER_YEAR if setting.form is Form.TAP else 1.0


def asks_per_minute(setting: Setting) -> float | None:
    """How often at most a neighbor may be probed or poked, in the mean."""
    return 1.0 if setting.air.loss else 0.0
