"""Who follows "Two laptops that chat" of README.md, word for word, has two laptops that chat.

The steps that need the Internet are taken in the root of a fresh Debian 12 on this machine, once
for both, as nothing in them depends on the laptop. Those on the mesh are taken in two containers of
that root in a booted kernel, each with its own radio: systemd starts the units, udev the daemon,
avahi and Prosody are Debian's. Unlike on a laptop no daemon runs yet while packages are installed,
and the laptop starts between the two parts. Each test goes on where the one before it ended.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.fresh import steps
from tools.fresh.laptop import Event, Laptop

UNITS = (
    *("meshwatchd", "meshwatch-agent", "meshwatch-monitor@mesh0"),
    *("prosody", "avahi-daemon", "networking"),
)


def row(laptop: Laptop, other: Laptop) -> dict[str, Any]:
    """What a laptop's table says of the other one, {} if nothing."""
    listed = json.loads(laptop.run("meshwatch list --json").stdout)
    name = f"{other.name}.local"
    return next((row for row in listed["neighbors"] if row.get("name") == name), {})


def shows(other: Laptop, presence: str) -> Any:
    def wanted(event: Event) -> bool:
        return (event["event"], event.get("by"), event.get("type")) == (
            "presence",
            other.jid,
            presence,
        )

    return wanted


def brings(other: Laptop, body: str) -> Any:
    def wanted(event: Event) -> bool:
        return (event["event"], event.get("by"), event.get("body")) == ("message", other.jid, body)

    return wanted


@pytest.mark.parametrize("heading", [f"## {steps.SECTION}", "### In a messenger"])
def test_a_step_for_nobody_is_an_error(heading: str) -> None:
    page = steps.README.read_text().replace(heading, f"{heading}\n\n```sh\ntrue\n```", 1)
    with pytest.raises(ValueError, match="who takes this step"):
        steps.read(page)


@pytest.mark.parametrize("fence", ["```", "```xml", "~~~"])
def test_a_step_for_no_shell_is_an_error(fence: str) -> None:
    heading = f"### {steps.MESH}"
    page = steps.README.read_text().replace(heading, f"{heading}\n\n{fence}\ntrue\n{fence[:3]}", 1)
    with pytest.raises(ValueError, match="not for a shell"):
        steps.read(page)


def test_all_that_was_set_up_runs(laptops: tuple[Laptop, Laptop]) -> None:
    for laptop in laptops:
        # The agent is started after the daemon, and nobody waits for it.
        laptop.await_output(f"systemctl is-active {' '.join(UNITS)}", "active\n" * len(UNITS))
        assert "org.meshwatch" in laptop.run("busctl --no-pager list --acquired").stdout


def test_they_know_each_other(laptops: tuple[Laptop, Laptop]) -> None:
    ana, ben = laptops
    for laptop, other in ((ana, ben), (ben, ana)):
        laptop.await_output("prosodyctl shell meshwatch neighbors", other.domain)
        assert row(laptop, other)["presence"] == "present"
        assert laptop.run("meshwatch list").returncode == 0


def test_they_become_contacts(laptops: tuple[Laptop, Laptop]) -> None:
    ana, ben = laptops
    for laptop in laptops:
        laptop.log_in()
    for laptop in laptops:
        laptop.wait(lambda event: event["event"] == "ready")
    ana.order("subscribe", ben.jid)
    ana.wait(shows(ben, "available"))
    ben.wait(shows(ana, "available"))


def test_a_message_goes_each_way(laptops: tuple[Laptop, Laptop]) -> None:
    ana, ben = laptops
    ana.order("say", ben.jid, "hello Ben")
    ben.wait(brings(ana, "hello Ben"))
    ben.order("say", ana.jid, "hello Ana")
    ana.wait(brings(ben, "hello Ana"))


def test_what_is_written_out_of_range_waits(laptops: tuple[Laptop, Laptop]) -> None:
    ana, ben = laptops
    ben.walk_away()
    ana.wait(shows(ben, "unavailable"))
    ben.wait(shows(ana, "unavailable"))
    ana.order("say", ben.jid, "are you there?")
    ben.come_back()
    ana.wait(shows(ben, "available"), count=2)
    ben.wait(brings(ana, "are you there?"))


def test_udev_starts_the_daemon(laptops: tuple[Laptop, Laptop]) -> None:
    """It ran before the step that starts it again."""
    for laptop in laptops:
        journal = laptop.run("journalctl --boot --no-pager --output=cat --unit=meshwatchd").stdout
        assert journal.count("Started meshwatchd.service") == 2, journal
