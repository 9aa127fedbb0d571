"""Two laptops with radios, meshwatchd, exim4 and avahi on a real kernel: one walks away."""

from __future__ import annotations

import pytest

from tests.laptops.facts import Fact, of, soon, told
from tools.lab.unpacked import UNPACKED

DEPARTURES = 2
# On an emulated processor, of which these programs want more than there is. Avahi by itself drops
# nobody for 75 minutes, and exim4's own next attempt is fifteen away.
SOON_S = 40.0

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (UNPACKED / "exim4-daemon-light").is_dir(), reason="`tools/install test` unpacks it"
    ),
]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> list[Fact]:
    """What came of a meeting and some departures."""
    output = tmp_path_factory.mktemp("guest")
    return told("tools.lab.away", output, 2, "--departures", DEPARTURES)


def test_a_letter_that_waited_is_in_the_mailbox_after_the_return(facts: list[Fact]) -> None:
    returns = of(facts, "meeting", "return")
    assert len(returns) == 1 + DEPARTURES
    for fact in returns:
        assert soon([fact["read_s"]], SOON_S), fact


def test_no_letter_is_lost_or_comes_twice(facts: list[Fact]) -> None:
    (letters,) = of(facts, "letters")
    assert len(letters["sent"]) == 1 + 4 * DEPARTURES
    assert sorted(letters["read"]) == sorted(letters["sent"])


def test_a_roster_loses_who_walked_away(facts: list[Fact]) -> None:
    departures = of(facts, "departure")
    assert len(departures) == DEPARTURES
    for fact in departures:
        assert soon([fact["avahi-browse"]], SOON_S), fact


def test_a_roster_regains_who_returned(facts: list[Fact]) -> None:
    for fact in of(facts, "return"):
        assert soon([fact["avahi-browse"]], SOON_S), fact
