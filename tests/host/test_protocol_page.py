"""meshwatch-protocol(7) says what the code does: every key, every word, every example."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec
import pytest

from meshwatch import model, protocol
from meshwatch.client import Mirror
from meshwatch.protocol.rows import MAX_GATES
from meshwatch.server import MOST_SUBSCRIBERS, Server

PAGE = Path(__file__).parents[2] / "man" / "meshwatch-protocol.7.scd"
TEXT = PAGE.read_text()
CLASSES = {str(kind.__struct_config__.tag): kind for kind in get_args(protocol.Message)}
# Was is told in a sentence: it has the keys of a neighbor (tests/pure/test_protocol.py).
OBJECTS = {
    kind.__name__.lower(): kind
    for kind in (
        protocol.Protocol,
        protocol.Neighbor,
        protocol.Evidence,
        protocol.Address,
        protocol.Claim,
        protocol.Service,
        protocol.Readings,
        protocol.Interface,
        protocol.Source,
    )
}
_KEY = re.compile(r"^\*(\w+)\* (\w+); (always|absent .+)$", re.MULTILINE)
_EXAMPLES = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Key(NamedTuple):
    """What the page says of a key."""

    type: str
    always: bool


def sections(level: str, text: str) -> dict[str, str]:
    """Text under each heading of a level."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


TOP = sections("#", TEXT)
LINES = sections("##", TOP["LINES"])
ABOUT_OBJECTS = sections("##", TOP["OBJECTS"])
EXAMPLES = {name: "".join(_EXAMPLES.findall(text)).splitlines() for name, text in LINES.items()}


def documented(text: str) -> dict[str, Key]:
    return {name: Key(kind, when == "always") for name, kind, when in _KEY.findall(text)}


def built(kind: type[msgspec.Struct]) -> dict[str, Key]:
    """The same from the struct."""
    keys = {}
    for field in msgspec.structs.fields(kind):
        types = [t for t in get_args(field.type) if t is not type(None)] or [field.type]
        if str(field.type).startswith(("tuple", "dict")):
            name = "array" if str(field.type).startswith("tuple") else "object"
        elif types[0] in (int, bool):
            name = {int: "integer", bool: "boolean"}[types[0]]
        else:
            name = "string" if issubclass(types[0], str) else "object"
        keys[field.encode_name] = Key(name, field.required)
    return keys


def test_the_page_is_found_whole() -> None:
    assert set(LINES) == set(CLASSES)
    assert set(ABOUT_OBJECTS) == set(OBJECTS)


@pytest.mark.parametrize("name", CLASSES)
def test_keys_of_lines(name: str) -> None:
    assert documented(LINES[name]) == built(CLASSES[name])


@pytest.mark.parametrize("name", OBJECTS)
def test_keys_of_objects(name: str) -> None:
    assert documented(ABOUT_OBJECTS[name]) == built(OBJECTS[name])


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("neighbor", list(model.Presence)),
        ("neighbor", list(model.Reason)),
        ("neighbor", [state.name.lower() for state in model.Plink]),
        ("neighbor", list(model.Proximity)),
        ("neighbor", ["open", "sae", "802.1x"]),
        ("neighbor", list(model.OneSided)),
        ("neighbor", list(model.Clash)),
        ("evidence", list(model.Proof)),
        ("address", list(model.AddressScope)),
        ("address", list(model.AddressProof)),
        ("readings", [mode.name.lower() for mode in model.PowerMode]),
        ("interface", list(model.InterfaceType)),
    ],
    ids=[
        "presence",
        "reason",
        "plink",
        "proximity",
        "security",
        "one-sided",
        "clash",
        "proof",
        "scope",
        "proof of an address",
        "power mode",
        "type",
    ],
)
def test_every_word_is_explained(section: str, words: list[str]) -> None:
    assert [word for word in words if f"_{word}_" not in ABOUT_OBJECTS[section]] == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_example_is_what_the_code_writes(name: str) -> None:
    assert EXAMPLES[name]
    for example in EXAMPLES[name]:
        message = protocol.decode(example.encode())
        assert message is not None
        assert message.__struct_config__.tag == name
        assert protocol.encode(message).numbered(message.seq) == example.encode() + b"\n"


def test_the_examples_in_a_row_are_a_connection() -> None:
    mirror = Mirror()
    examples = [example for name in LINES for example in EXAMPLES[name]]
    for example in examples:
        mirror.receive(example.encode())
    assert [json.loads(example)["seq"] for example in examples] == list(range(1, len(examples) + 1))
    assert mirror.sources["nl80211"].failure is not None


def test_numbers_in_the_page() -> None:
    assert f"at most {protocol.MAX_LINE} bytes" in TEXT
    newest = re.findall(r"^\*(\d+)\.(\d+)\* \(\d{4}-\d\d-\d\d\)$", TOP["HISTORY"], re.MULTILINE)[0]
    assert newest == (str(protocol.MAJOR), str(protocol.MINOR))
    assert re.findall(r"at most (\d+)\.\n", ABOUT_OBJECTS["interface"]) == [str(MAX_GATES)]
    mode = inspect.signature(Server).parameters["mode"].default
    assert f"(mode {mode:04o})" in TEXT
    assert f"At most {MOST_SUBSCRIBERS} connections" in TEXT


@pytest.mark.skipif(shutil.which("scdoc") is None, reason="scdoc is not installed")
def test_scdoc_takes_it() -> None:
    with PAGE.open() as source:
        page = subprocess.run(["scdoc"], stdin=source, capture_output=True, text=True, check=True)
    for name in CLASSES:
        assert name in page.stdout
