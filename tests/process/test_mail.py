"""Mail for a neighbor that is away waits, and leaves when meshwatch tells that it is there."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.lab.air import Air
from tools.lab.mailer import EXIM4, POSTFIX, Hooked, Laptop, MailSystem
from tools.lab.unpacked import UNPACKED


@pytest.mark.parametrize("system", [EXIM4, POSTFIX], ids=["exim4", "postfix"])
def test_a_letter_that_waits_is_delivered_on_arrival(system: MailSystem, tmp_path: Path) -> None:
    if not all((UNPACKED / each.package).is_dir() for each in (system, EXIM4)):
        pytest.skip("`tools/install test` unpacks it")
    with ExitStack() as stack:
        air = stack.enter_context(Air())
        stations = {user: air.join(number) for number, user in enumerate(("ronaldo", "ana"), 1)}
        ronaldo, ana = (
            stack.enter_context(Laptop(each, station, tmp_path / user, user, stations))
            for each, (user, station) in zip((system, EXIM4), stations.items(), strict=True)
        )
        for laptop in (ronaldo, ana):
            laptop.unique_local_address()
        hooked = stack.enter_context(Hooked(ronaldo))
        ana.station.leave()
        ronaldo.write("ana", "Tomorrow")
        ronaldo.has_to_wait()
        told_at = hooked.meets(ana)
        assert ana.has("Tomorrow") - told_at < 10  # alone it would be fifteen minutes
        assert ana.letters() == ["Tomorrow"]
