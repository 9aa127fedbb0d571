"""org.meshwatch(5) says what the D-Bus contract says: every member, and none besides."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from msgspec import Struct

from meshwatch.bus.contract import DICTIONARIES
from meshwatch.model import (
    Address,
    AddressProof,
    AddressScope,
    Claim,
    Clash,
    Evidence,
    OneSided,
    Plink,
    PowerMode,
    Presence,
    Proof,
    Proximity,
    Reason,
    Service,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "man/org.meshwatch.5.scd").read_text()
XML = ET.parse(ROOT / "meshwatch/bus/org.meshwatch.xml").getroot()
POLICY = ET.parse(ROOT / "udev/org.meshwatch.conf").getroot()

READINGS = "And the readings"


def sections() -> dict[str, str]:
    parts = re.split(r"^# (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(text: str) -> set[tuple[str, str]]:
    """Members that head an indented explanation, with what the parentheses say."""
    heads = re.findall(r"^(\*[A-Z]\w+\* \(.+\))\n\t\S", text, flags=re.MULTILINE)
    return {match for head in heads for match in re.findall(r"\*(\w+)\* \(([^)]+)\)", head)}


def contract(interface: ET.Element, *, readings: bool) -> set[tuple[str, str]]:
    """The same, out of the XML."""
    members = set()
    for each in interface.iter("property"):
        annotation = each.find("annotation")
        emits = "true" if annotation is None else annotation.attrib["value"]
        if (emits == "false") == readings:
            const = ", const" if emits == "const" else ""
            members.add((each.attrib["name"], each.attrib["type"] + const))
    for each in () if readings else interface.iter("signal"):
        arguments = [f"{arg.attrib['type']} {arg.attrib['name']}" for arg in each.iter("arg")]
        members.add((each.attrib["name"], ", ".join(arguments)))
    return members


def test_every_member_is_documented_and_none_invented() -> None:
    ours = [each for each in XML if each.attrib["name"].startswith("org.meshwatch.")]
    assert {each.attrib["name"] for each in ours} == {
        name for name in sections() if name.startswith("org.meshwatch.")
    }
    for interface in ours:
        news, _, readings = sections()[interface.attrib["name"]].partition(READINGS)
        assert documented(news) == contract(interface, readings=False)
        assert documented(readings) == contract(interface, readings=True)
        assert list(interface.iter("method")) == []  # the page says that nothing can be called


def test_every_word_is_explained() -> None:
    words: dict[str, set[str]] = {
        "*Presence* (s)": {str(each) for each in Presence},
        "*Reason* (s)": {str(each) for each in Reason},
        "*Evidence* (a{sv})": {str(each) for each in Proof},
        "*Proximity* (s)": {str(each) for each in Proximity},
        "*OneSided* (s)": {str(each) for each in OneSided},
        "*Addresses* (aa{sv})": {str(each) for each in [*AddressScope, *AddressProof]},
        "*Clash* (s)": {str(each) for each in Clash},
        "*Plink* (s)": {each.name.lower() for each in Plink},
        "*LocalPm* (s)": {each.name.lower() for each in PowerMode},
    }
    for head, expected in words.items():
        explanation = re.split(r"\n\n|\n\*", PAGE.split(head, 1)[1], maxsplit=1)[0]
        told = set(re.findall(r"\*([a-z_]+)\*", explanation))
        assert expected <= told, head
        assert told - expected <= {"estab"}, head


@pytest.mark.parametrize(
    ("head", "kinds"),
    [
        ("*Evidence* (a{sv})", [Evidence]),
        ("*Addresses* (aa{sv})", [Address]),
        ("*Claims* (aa{sv})", [Claim, Service]),
    ],
)
def test_every_key_of_a_dictionary_is_explained(head: str, kinds: list[type[Struct]]) -> None:
    explanation = PAGE.split(head, 1)[1].split("\n\n", 1)[0]
    told = re.findall(r"_(\w+)_\s+\(([a-z{}]+)[,)]", explanation)
    assert dict(told) == {key: type_ for kind in kinds for key, type_ in DICTIONARIES[kind].items()}


def test_the_page_is_a_manual_page() -> None:
    done = subprocess.run(["scdoc"], input=PAGE, capture_output=True, text=True, check=True)
    assert ".TH" in done.stdout
    assert PAGE.startswith("org.meshwatch(5)\n")


def test_the_policy_names_the_name() -> None:
    owners = {
        policy.get("user")
        for policy in POLICY.iter("policy")
        if policy.find("allow[@own]") is not None
    }
    assert owners == {"root", "meshwatch"}
    assert {each.get("own") for each in POLICY.iter("allow") if each.get("own")} == {
        "org.meshwatch"
    }
    (default,) = [each for each in POLICY.iter("policy") if each.get("context") == "default"]
    assert [each.attrib for each in default] == [{"send_destination": "org.meshwatch"}]
