"""One line of figures for one setting, with the targets beside them."""

from __future__ import annotations

from statistics import median

from tools.bench.simulation import targets
from tools.bench.simulation.setting import Setting
from tools.bench.simulation.trials import Life

FEW = 20  # vanishes whose worst is printed apart

#: Titles and widths. After a vanish: from the last sign of life to the word, in s and in B. Of
#: neighbors that are there: quiets and departures, all of them false, and how many beacons in a
#: row were missed before a departure at least; probes or pokes, and the most that one of them got
#: in any minute; looks that the table asked for. A rate with ~ is of departures that were weighed,
#: not seen.
_COLUMNS = (
    ("form", -7), ("tries", 5), ("B/TU", 5), ("loss", -9),
    ("median/s", 9), ("/B", 5), (f"worst{FEW}/s", 10), ("/B", 5), ("worst/s", 9), ("/B", 5),
    ("target/B", -11),
    ("days", 6), ("quiet/day", 9), ("departed", 8), ("missed", 6), ("rate", 10), ("target", -9),
    ("asks/min", 8), ("most", 4), ("target", -9), ("looks/min", 9), ("seed", 4),
)  # fmt: skip


def line(setting: Setting, latencies: list[int], life: Life | None, seed: int) -> str:
    """The figures of a setting, under the titles."""
    cells = [str(setting.form), str(setting.tries), str(setting.interval_tu), str(setting.air)]
    cells += _after_a_vanish(setting, latencies) if latencies else [""] * 7
    cells += _there(setting, life) if life else [""] * 10
    return _row([*cells, str(seed)])


def _row(cells: list[str]) -> str:
    return " ".join(
        cell.ljust(-width) if width < 0 else cell.rjust(width)
        for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
    )


HEAD = _row([title for title, _ in _COLUMNS])


def _after_a_vanish(setting: Setting, latencies: list[int]) -> list[str]:
    interval_ns = setting.interval_ns
    figures = median(latencies), max(latencies[:FEW]), max(latencies)
    cells = [cell for ns in figures for cell in (f"{ns / 1e9:.3f}", f"{ns / interval_ns:.1f}")]
    target_ns = targets.latency_ns(setting)
    target = None if target_ns is None else target_ns / interval_ns
    return [*cells, _judged(figures[1] / interval_ns, target)]


def _there(setting: Setting, life: Life) -> list[str]:
    target = targets.departures_per_day(setting)
    yearly = target == targets.PER_YEAR
    spans = life.days * (targets.PER_YEAR if yearly else 1)
    if life.departures:
        rate, judged = life.departures / spans, True
        words = f"{rate:.3g}"
    elif life.weighed is not None:
        rate, judged = life.weighed / spans, True
        words = f"~{rate:.2g}"
    else:  # with none seen the rate is below three in that time, at 95 %
        rate, judged = 0.0, spans >= 3
        words = f"<{3 / spans:.2g}"
    asks = life.asks / life.days / 1440
    return [
        f"{life.days:g}",
        f"{life.quiets / life.days:.2f}",
        str(life.departures),
        "" if life.fewest_missed is None else str(life.fewest_missed),
        f"{words}/{'year' if yearly else 'day'}",
        _judged(rate, None if target is None else 1.0) if judged or target is None else "1 unshown",
        f"{asks:.3f}",
        str(life.worst_minute),
        _judged(asks, targets.asks_per_minute(setting)),
        f"{life.looks / life.days / 1440:.2f}",
    ]


def _judged(figure: float, target: float | None) -> str:
    """A target, and whether the figure meets it."""
    if target is None:
        return "-"
    return f"{target:.3g} {'met' if figure <= target else 'MISSED'}"
