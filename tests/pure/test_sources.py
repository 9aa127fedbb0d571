"""What was learned is told before it makes work for the other sources."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from meshwatch.config import load
from meshwatch.observations import LookWanted, Observation, Settled
from meshwatch.pump import Pump
from meshwatch.sources import Sources


def orders(monkeypatch: pytest.MonkeyPatch, *, closed: bool = False) -> list[str]:
    """What happens, in order, when rtnetlink has settled and the table wants a look at somebody;
    a publisher writes in the loop's next turn."""
    order: list[str] = []

    def noticed(pump: Pump, hints: Iterable[object], _: int) -> None:
        order.extend(f"{pump.conversation.name}: {type(hint).__name__}" for hint in hints)

    async def scenario() -> None:
        def hand_on(_: Iterable[Observation], now: int) -> None:
            asyncio.get_running_loop().call_soon(order.append, "told")
            sources.ask([LookWanted(3, "02:00:00:00:00:01")], now)

        sources = Sources(load([]), hand_on, None)
        sources._rtnetlink_pump.observed([Settled("rtnetlink")])
        sources._closed = closed
        assert not order
        await asyncio.sleep(0)

    monkeypatch.setattr(Pump, "notice", noticed)
    asyncio.run(scenario())
    return order


def test_news_go_out_before_anything_is_asked_because_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert orders(monkeypatch) == [
        "told",
        "nl80211: LookWanted",
        "nl80211: Settled",
        "addresses: Settled",
        "paths: Settled",
    ]


def test_who_is_closed_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert orders(monkeypatch, closed=True) == ["told"]
