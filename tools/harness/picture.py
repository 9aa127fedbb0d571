"""A comparison as an SVG picture: one lane per neighbor, the air above, meshwatch below."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import NamedTuple

from tools.harness.compare import Comparison, Lane

_LEFT, _RIGHT, _TOP, _WIDTH = 150, 20, 50, 1000
_BAR, _LANE = 16, 54  # heights
_COLORS = {
    "linked": "#2a7f3f", "present": "#2a7f3f",
    "silent": "#c9b458", "quiet": "#c9b458",
    "heard": "#7fa8d6",
    "unknown": "#dddddd",
    "absent": "#f4f4f4",
}  # fmt: skip
_WRONG, _TOLERATED = "#d00000", "#f0a0a0"
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def picture(comparison: Comparison) -> str:
    """The whole picture as the text of an SVG file."""
    height = _TOP + _LANE * len(comparison.lanes) + 30
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
            f'height="{height}" font-family="sans-serif" font-size="11">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="8" y="18" font-size="13">observer {escape(comparison.observer)}</text>',
            *_legend(),
            *_axis(comparison, height - 30),
            *(
                element
                for number, lane in enumerate(comparison.lanes)
                for element in _lane(comparison, lane, _TOP + _LANE * number)
            ),
            "</svg>\n",
        ]
    )


def _x(comparison: Comparison, time_ns: int) -> float:
    length_ns = max(comparison.end_ns - comparison.begin_ns, 1)
    return _LEFT + _WIDTH * (time_ns - comparison.begin_ns) / length_ns


class _Bar(NamedTuple):
    begin_ns: int
    end_ns: int
    y: int
    height: int
    color: str
    title: str


def _drawn(comparison: Comparison, bar: _Bar) -> str:
    begin_ns = max(bar.begin_ns, comparison.begin_ns)
    end_ns = min(bar.end_ns, comparison.end_ns)
    left, right = _x(comparison, begin_ns), _x(comparison, end_ns)
    title = f"{escape(bar.title)}, {begin_ns / 1e9:.3f} to {end_ns / 1e9:.3f} s"
    # Whatever happened must be seen, however short it was.
    return (
        f'<rect x="{left:.2f}" y="{bar.y}" width="{max(right - left, 0.8):.2f}" '
        f'height="{bar.height}" fill="{bar.color}"><title>{title}</title></rect>'
    )


def _lane(comparison: Comparison, lane: Lane, y: int) -> Iterator[str]:
    yield f'<text x="8" y="{y + _BAR + 6}">{escape(lane.neighbor)}</text>'
    yield f'<text x="{_LEFT - 6}" y="{y + 12}" text-anchor="end" fill="#888">air</text>'
    yield f'<text x="{_LEFT - 6}" y="{y + 37}" text-anchor="end" fill="#888">table</text>'
    for bar in _bars(comparison, lane, y):
        yield _drawn(comparison, bar)


def _bars(comparison: Comparison, lane: Lane, y: int) -> Iterator[_Bar]:
    for spell in lane.truth:
        color = _COLORS[spell.state]
        yield _Bar(spell.begin_ns, spell.end_ns, y, _BAR, color, spell.state)
    for begin_ns, end_ns in comparison.windows:
        times = {begin_ns, end_ns}
        times |= {view.time_ns for view in lane.views if begin_ns < view.time_ns < end_ns}
        for since_ns, until_ns in pairwise(sorted(times)):
            shown = [view for view in lane.views if view.time_ns <= since_ns]
            presence = (shown[-1].presence if shown else None) or "absent"
            reason = f" ({shown[-1].reason})" if shown and shown[-1].reason else ""
            color = _COLORS.get(presence, "#aaaaaa")
            yield _Bar(since_ns, until_ns, y + 25, _BAR, color, presence + reason)
    for one in comparison.disagreements:
        if one.neighbor == lane.neighbor:
            title = f"{one.kind}: air {one.truth}, table {one.published}"
            right_ns = min(one.end_ns, max(one.deadline_ns, one.begin_ns))
            if right_ns > one.begin_ns:
                yield _Bar(one.begin_ns, right_ns, y + 17, 7, _TOLERATED, title)
            if one.excessive:
                yield _Bar(right_ns, one.end_ns, y + 17, 7, _WRONG, title)


def _legend() -> Iterator[str]:
    entries = [
        ("linked / present", _COLORS["linked"]),
        ("silent / quiet", _COLORS["silent"]),
        ("heard", _COLORS["heard"]),
        ("absent", _COLORS["absent"]),
        ("not known", _COLORS["unknown"]),
        ("disagreement within its bound", _TOLERATED),
        ("longer", _WRONG),
    ]
    x = 300
    for word, color in entries:
        yield f'<rect x="{x}" y="8" width="12" height="12" fill="{color}" stroke="#888"/>'
        yield f'<text x="{x + 16}" y="18">{word}</text>'
        x += 34 + 6 * len(word)


def _axis(comparison: Comparison, bottom: int) -> Iterator[str]:
    length_s = (comparison.end_ns - comparison.begin_ns) / 1e9
    step_s = next((step for step in _STEPS_S if length_s / step <= 20), 10_000)
    second = 0.0
    while second <= length_s:
        x = _x(comparison, comparison.begin_ns + round(second * 1e9))
        yield f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="#eeeeee"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{second:g}</text>'
        second = round(second + step_s, 6)
    yield (
        f'<text x="{_LEFT}" y="{bottom + 18}" fill="#888">seconds since '
        f"{comparison.begin_ns / 1e9:.3f} of CLOCK_MONOTONIC</text>"
    )
