"""Answers method calls for the whole subtree from the table; there is no object per neighbor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dbus_next.constants import ErrorType
from dbus_next.message import Message
from dbus_next.signature import Variant

from meshwatch.bus.connection import CallError
from meshwatch.bus.contract import (
    INTERFACE_OF,
    INTROSPECTABLE,
    OBJECT_MANAGER,
    PEER,
    ROOT,
    Contract,
    Subject,
)
from meshwatch.bus.marshal import Typed
from meshwatch.bus.mirror import Mirror

# The property exists, its value is not known at this moment.
NOT_KNOWN = "org.meshwatch.Error.NotKnown"

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


class Answers:
    """Replies to method calls. ``fresh`` gives a subject with its readings as last published."""

    def __init__(
        self, contract: Contract, mirror: Mirror, fresh: Callable[[Subject], Subject]
    ) -> None:
        self._contract = contract
        self._mirror = mirror
        self._fresh = fresh

    def __call__(self, call: Message) -> Message:
        """The reply to a method call. Raises CallError for what it asks in vain."""
        if call.interface in (PEER, None) and call.member == "Ping":
            return Message.new_method_return(call)
        subject = self._mirror.find(call.path)
        # Children are looked for in the whole table, which is not to be paid for each property.
        if subject is None and not self._children(call.path):
            raise CallError(ErrorType.UNKNOWN_OBJECT, f"there is no object {call.path}")
        interface = self._check(call, subject)
        if interface == INTROSPECTABLE:
            xml = self._contract.introspection(subject, self._children(call.path))
            return Message.new_method_return(call, "s", [xml])
        if interface == PEER:
            return Message.new_method_return(call, "s", [_machine_id()])
        if interface == OBJECT_MANAGER:
            return Message.new_method_return(call, "a{oa{sa{sv}}}", [self._managed_objects()])
        assert subject is not None  # a mere step on the way has no other interface
        return self._properties(call, subject)

    def _check(self, call: Message, subject: Subject | None) -> str:
        """The interface of the method that is called, which takes what the call carries."""
        offered = self._contract.interfaces(subject) if subject else [INTROSPECTABLE, PEER]
        if call.interface is not None and call.interface not in offered:
            raise CallError(
                ErrorType.UNKNOWN_INTERFACE, f"{call.path} has no interface {call.interface}"
            )
        for interface in offered if call.interface is None else [call.interface]:
            signature = self._contract.methods[interface].get(call.member)
            if signature == call.signature:
                return interface
            if signature is not None:
                raise CallError(
                    ErrorType.INVALID_ARGS,
                    f"{call.member} takes '{signature}', not '{call.signature}'",
                )
        where = call.interface or call.path
        raise CallError(ErrorType.UNKNOWN_METHOD, f"{where} has no method {call.member}")

    def _properties(self, call: Message, subject: Subject) -> Message:
        asked = call.body[0] or INTERFACE_OF[type(subject)]  # the standard allows "" for "any"
        if asked not in self._contract.interfaces(subject):
            raise CallError(ErrorType.UNKNOWN_INTERFACE, f"{call.path} has no interface {asked}")
        own = asked == INTERFACE_OF[type(subject)]
        if call.member == "GetAll":
            values = _variants(self._contract.values(self._fresh(subject))) if own else {}
            return Message.new_method_return(call, "a{sv}", [values])
        name = call.body[1]
        wanted = self._contract.properties[asked].get(name)
        if wanted is None:
            raise CallError(ErrorType.UNKNOWN_PROPERTY, f"{asked} has no property {name}")
        if call.member == "Set":
            raise CallError(ErrorType.PROPERTY_READ_ONLY, f"{name} cannot be set")
        value = wanted.value(self._fresh(subject))
        if value is None:
            raise CallError(NOT_KNOWN, f"{name} of {call.path} is not known")
        return Message.new_method_return(call, "v", [_variant(Typed(wanted.signature, value))])

    def _managed_objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        return {
            path: {INTERFACE_OF[type(subject)]: _variants(self._contract.news(subject))}
            for path, subject in self._mirror.subjects()
            if path != ROOT
        }

    def _children(self, path: str) -> list[str]:
        below = path.rstrip("/") + "/"
        return sorted(
            {
                known.removeprefix(below).partition("/")[0]
                for known, _ in self._mirror.subjects()
                if known.startswith(below)
            }
        )


def _variants(values: Mapping[str, Typed]) -> dict[str, Variant]:
    """As dbus-next wants them."""
    return {name: _variant(value) for name, value in values.items()}


def _variant(of: Typed) -> Variant:
    value: Any = of.value
    if of.signature == "a{sv}":
        value = _variants(value)
    elif of.signature == "aa{sv}":
        value = [_variants(each) for each in value]
    return Variant(of.signature, value)


def _machine_id() -> str:
    for file in MACHINE_IDS:
        if file.exists():
            return file.read_text().strip()
    raise CallError(ErrorType.FAILED, "this machine has no id")
