"""A comparison as text."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tools.harness.bounds import Bounds
from tools.harness.compare import Comparison, Disagreement, Event


def report(comparison: Comparison) -> str:
    """Events with their delays, disagreements with their length, and the verdict."""
    return "".join(f"{line}\n" for line in _lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    judged_s = sum(end - begin for begin, end in comparison.windows) / 1e9
    yield (
        f"observer {comparison.observer}: {len(comparison.lanes)} neighbors, "
        f"{judged_s:.1f} s judged; times are seconds of CLOCK_MONOTONIC"
    )
    yield ""
    yield f"{'at':>12}  {'neighbor':17}  {'on the air':11}  {'told after':>10}  {'bound':>7}"
    for event in comparison.events:
        yield _event(event)
    yield ""
    if not comparison.disagreements:
        yield "no disagreement"
    else:
        yield (
            f"{'from':>12}  {'to':>12}  {'for':>8}  {'neighbor':17}  {'air':8}"
            f"  {'meshwatch':22}  {'because':11}  {'may last':>8}"
        )
    for one in comparison.disagreements:
        yield _disagreement(one)
    yield ""
    yield from _worst(comparison)
    excessive = len(comparison.excessive)
    yield (
        f"{len(comparison.disagreements)} disagreements, "
        f"{excessive} longer than allowed: {'WRONG' if excessive else 'right'}"
    )


def _event(event: Event) -> str:
    told = "-" if event.delay_ns is None else f"{event.delay_ns / 1e9:.3f}"
    quiet = "" if event.quiet_ns is None else f"  not present after {event.quiet_ns / 1e9:.3f}"
    return (
        f"{event.time_ns / 1e9:12.3f}  {event.neighbor}  {event.kind:11}  {told:>10}"
        f"  {event.bound_ns / 1e9:7.3f}{quiet}"
    )


def _disagreement(one: Disagreement) -> str:
    allowed = (one.deadline_ns - one.begin_ns) / 1e9
    mark = "  <-- TOO LONG" if one.excessive else ""
    return (
        f"{one.begin_ns / 1e9:12.3f}  {one.end_ns / 1e9:12.3f}"
        f"  {(one.end_ns - one.begin_ns) / 1e9:8.3f}  {one.neighbor}  {one.truth:8}"
        f"  {one.published:22}  {one.kind:11}  {max(allowed, 0):8.3f}{mark}"
    )


def _worst(comparison: Comparison) -> Iterator[str]:
    """For each kind of event, how many there were, and the middle and the longest delay."""
    for kind in Bounds.__dataclass_fields__:
        events = [event for event in comparison.events if event.kind == kind]
        delays = [event.delay_ns for event in events if event.delay_ns is not None]
        if events:
            told = "none told"
            if delays:
                told = f"median {median(delays) / 1e9:.3f} s, slowest {max(delays) / 1e9:.3f} s"
            yield f"{kind:11}  {len(events):3} times, {len(delays):3} told, {told}"
