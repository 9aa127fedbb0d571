"""meshwatch agent promises to poke, so that the daemon looks for whom to poke."""

from __future__ import annotations

from pathlib import Path

from meshwatch.model import Presence
from meshwatch.observations import Poked, PokesPromised
from meshwatch.poking import PROMISED_S, RENEWED_S
from tests.process.agents import agent, daemon, play
from tests.process.air import IFINDEX, NEIGHBOR, Air

POKE = ("--no-names", "--no-hooks")
PROMISE = PokesPromised(IFINDEX, PROMISED_S * 10**9)
NO_MORE = PokesPromised(IFINDEX, 0)


def test_a_promise_is_made_for_each_interface_and_taken_back_at_the_end(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving:
            serving.tell_interface()
            async with agent(tmp_path, air, *POKE) as running:
                assert await serving.claims(1) == [PROMISE]
                serving.tell_interface(there=False)
                serving.tell_interface()
                assert await serving.claims(1) == [PROMISE]
                assert await running.end() == 0
            assert await serving.claims(1) == [NO_MORE]

    play(scene)


def test_the_next_daemon_is_promised_too(tmp_path: Path) -> None:
    async def scene(air: Air) -> None:
        async with agent(tmp_path, air, *POKE) as running:
            for _ in range(2):
                async with daemon(tmp_path) as serving:
                    serving.tell_interface()
                    assert await serving.claims(1) == [PROMISE]
                await running.says("lost meshwatchd")

    play(scene)


def test_an_agent_that_does_not_poke_promises_nothing(tmp_path: Path) -> None:
    """Another, that does, shows that a promise would have come."""

    async def scene(air: Air) -> None:
        async with daemon(tmp_path) as serving:
            serving.tell_interface()
            async with agent(tmp_path, air, "--no-hooks", "--no-poke") as running:
                await running.says("following meshwatchd")
                async with agent(tmp_path, air, *POKE):
                    assert await serving.claims(1) == [PROMISE]
                    serving.tell(Presence.QUIET)
                    assert await serving.claims(1) == [Poked(IFINDEX, NEIGHBOR)]

    play(scene)


def test_a_promise_is_renewed_long_before_it_ends() -> None:
    assert 2 * RENEWED_S < PROMISED_S
