"""Our signals are, byte for byte, those of dbus-next."""

from __future__ import annotations

from typing import Any

import pytest
from dbus_next.message import Message
from dbus_next.signature import Variant
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.bus import marshal
from meshwatch.bus.contract import INTEGERS

WHERE = "/org/meshwatch/mesh0/n_02_00_00_00_00_01", "org.meshwatch.Neighbor1", "Changed"

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "s": TEXTS,
    "o": st.sampled_from(["/", "/org", "/org/meshwatch/mesh0"]),
    "g": st.sampled_from(["", "s", "a{sv}", "oas"]),
    "b": st.booleans(),
    "d": st.floats(allow_nan=False),
    "x": st.integers(-(1 << 63), (1 << 63) - 1),
    **{code: st.integers(*bounds) for code, bounds in INTEGERS.items()},
}


def typed(children: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    """A signature and a value for it, made of such."""
    variant = children.map(lambda each: ("v", Variant(*each)))
    variants = st.lists(children, max_size=4).map(lambda all_: [Variant(*each) for each in all_])
    structure = st.lists(children, min_size=1, max_size=4).map(
        lambda all_: ("(" + "".join(kind for kind, _ in all_) + ")", [value for _, value in all_])
    )
    alike = st.sampled_from(sorted(PLAIN)).flatmap(
        lambda kind: st.lists(PLAIN[kind], max_size=5).map(lambda values: (f"a{kind}", values))
    )
    mapped = st.dictionaries(TEXTS, children.map(lambda each: Variant(*each)), max_size=4)
    numbered = st.dictionaries(PLAIN["q"], PLAIN["t"], max_size=4)
    return st.one_of(
        variant,
        variants.map(lambda values: ("av", values)),
        structure,
        alike,
        mapped.map(lambda values: ("a{sv}", values)),
        numbered.map(lambda values: ("a{qt}", values)),
        st.lists(mapped, max_size=3).map(lambda values: ("aa{sv}", values)),
    )


PLAIN_TYPED = st.sampled_from(sorted(PLAIN)).flatmap(
    lambda kind: PLAIN[kind].map(lambda value: (kind, value))
)
TYPED = st.recursive(PLAIN_TYPED, typed, max_leaves=8)


@given(st.lists(TYPED, min_size=1, max_size=4), st.integers(1, (1 << 32) - 1))
def test_a_signal_of_any_values(values: list[tuple[str, Any]], serial: int) -> None:
    signature, body = "".join(kind for kind, _ in values), [value for _, value in values]
    message = Message.new_signal(*WHERE, signature, body)
    message.serial = serial
    theirs = message._marshall()  # type: ignore[no-untyped-call]
    assert marshal.signal(serial, WHERE, signature, tuple(body)) == theirs


def test_too_few_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        marshal.signal(1, WHERE, "ss", ("one",))
