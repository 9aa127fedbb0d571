"""What the air is like between every two radios: the links file and its meaning."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

RULE = re.compile(r"(\d+|\*)\s*([>=])\s*(\d+|\*)((?:\s+\w+=\S+)*)")


class BadLinks(Exception):
    """The links file has a line that means nothing."""


@dataclass(frozen=True)
class Link:
    """How well one radio hears another."""

    loss: float = 0.0  # the part of the frames that is lost
    signal_dbm: int = -50


@dataclass(frozen=True)
class Links:
    """The rules, in their order: of those that concern a pair, a later one changes an earlier."""

    rules: tuple[tuple[str, str, dict[str, str]], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Links":
        rules: list[tuple[str, str, dict[str, str]]] = []
        for number, line in enumerate(text.splitlines(), 1):
            meaning = line.partition("#")[0].strip()
            if not meaning:
                continue
            match = RULE.fullmatch(meaning)
            if match is None:
                raise BadLinks(f"line {number}: {line!r} is not FROM > TO or ONE = OTHER, settings")
            one, way, other, rest = match.groups()
            settings = dict(word.split("=", 1) for word in rest.split())
            try:
                changed(Link(), settings)
            except (KeyError, ValueError) as error:
                raise BadLinks(f"line {number}: {line!r}: {error}") from error
            rules.append((one, other, settings))
            if way == "=":
                rules.append((other, one, settings))
        return cls(tuple(rules))

    def between(self, sender: int, receiver: int) -> Link:
        link = Link()
        for settings in self._concerning(str(sender), str(receiver)):
            link = changed(link, settings)
        return link

    def _concerning(self, sender: str, receiver: str) -> Iterator[dict[str, str]]:
        for one, other, settings in self.rules:
            if one in ("*", sender) and other in ("*", receiver):
                yield settings


def changed(link: Link, settings: dict[str, str]) -> Link:
    for name, value in settings.items():
        if name == "loss":
            link = replace(link, loss=float(value))
            if not 0 <= link.loss <= 1:
                raise ValueError("a loss lies between 0 and 1")
        elif name == "signal":
            link = replace(link, signal_dbm=int(value))
        else:
            raise KeyError(f"there is no setting {name}")
    return link
