"""Plays the air between simulated radios: decides which frame reaches whom, and how strong.

The kernel hands every frame that a radio sends to the process that has registered with
mac80211_hwsim, and takes back over when that process ends.
"""

import argparse
import json
import random
import selectors
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.vm.guest.links import BadLinks, Link, Links
from tools.vm.guest.netlink import Family, Message, attribute

FAMILY = "MAC80211_HWSIM"
REGISTER, FRAME, TX_INFO_FRAME = 1, 2, 3
(
    ADDR_RECEIVER,
    ADDR_TRANSMITTER,
    ATTR_FRAME,
    ATTR_FLAGS,
    ATTR_RX_RATE,
    ATTR_SIGNAL,
    ATTR_TX_INFO,
    ATTR_COOKIE,
) = range(1, 9)
ATTR_FREQUENCY = 19
FLAG_NO_ACK, FLAG_ACKNOWLEDGED = 1 << 1, 1 << 2

RATES = 4
RATE = struct.Struct("=bB")  # index, tries
UNUSED_RATE = (-1, 0)
BITRATES_2GHZ, BITRATES_5GHZ = 12, 8
RADIO_CLASS = Path("/sys/class/mac80211_hwsim")
POLL_INTERVAL_S = 0.05
REPORT_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Transmission:
    """What a radio sends."""

    sender: int
    frame: bytes
    flags: int
    rates: list[tuple[int, int]]
    cookie: bytes
    frequency: bytes | None

    @property
    def destination(self) -> bytes:
        return self.frame[4:10]

    @property
    def source(self) -> bytes:
        return self.frame[10:16]

    @property
    def to_many(self) -> bool:
        return bool(self.destination[0] & 1)


def radio_numbers() -> list[int]:
    """The radios there are, also those whose phy lives in another network namespace."""
    return sorted(int(path.name.removeprefix("hwsim")) for path in RADIO_CLASS.glob("hwsim*"))


def radio_address(number: int) -> bytes:
    """The address by which the kernel knows the radio here, whatever its interfaces are called."""
    return bytes([0x42, 0, 0, number >> 8, number & 0xFF, 0])


class Medium:
    def __init__(self, links: Links, seed: int) -> None:
        self.links = links
        self.counters: Counter[tuple[int, int, str]] = Counter()
        self._chance = random.Random(seed)
        self._owners: dict[bytes, int] = {}
        self._radios: list[int] = []
        self._link = cache(links.between)
        self._family = Family(FAMILY)
        self._family.request(REGISTER)
        self.look_around()

    def fileno(self) -> int:
        return self._family.fileno()

    def change(self, links: Links) -> None:
        self.links = links
        self._link = cache(links.between)

    def look_around(self) -> None:
        self._radios = radio_numbers()

    def carry(self) -> None:
        """Deal with every frame that waits to be carried."""
        for message in self._family.pending():
            if message.command == FRAME:
                transmission = read(message)
                if transmission.sender not in self._radios:
                    self.look_around()
                self._transmit(transmission)

    def _transmit(self, sent: Transmission) -> None:
        self._owners[sent.source] = sent.sender
        addressee = None if sent.to_many else self._owner(sent.destination)
        for receiver in self._radios:
            # Also what is meant for another is heard: that is how monitor interfaces see it.
            if receiver not in (sent.sender, addressee) and self._arrives(sent.sender, receiver):
                self._deliver(sent, receiver)
        if sent.to_many:
            self._report(sent, sent.rates, acknowledged=False)
        else:
            self._report(sent, *self._exchange(sent, addressee))

    def _exchange(
        self, sent: Transmission, addressee: int | None
    ) -> tuple[list[tuple[int, int]], bool]:
        """Try as often as the sender is ready to: what was tried, and whether it was acknowledged.

        The acknowledgement travels the link in the other direction and may be lost there.
        """
        wants_answer = not sent.flags & FLAG_NO_ACK
        delivered = False
        tried: list[tuple[int, int]] = []
        for index, allowed in sent.rates:
            if index < 0:
                break
            for tries in range(1, max(allowed, 1) + 1):
                arrived = addressee is not None and self._arrives(sent.sender, addressee)
                if arrived and not delivered and addressee is not None:
                    delivered = self._deliver(sent, addressee)
                    if not delivered:  # switched off, or on another channel
                        addressee = None
                        arrived = False
                answered = (
                    arrived and addressee is not None and self._arrives(addressee, sent.sender)
                )
                if answered or not wants_answer:
                    return [*tried, (index, tries)], answered and wants_answer
            tried.append((index, max(allowed, 1)))
        return tried, False

    def _owner(self, address: bytes) -> int | None:
        """The radio behind an interface address: the one that has used it, or was born with it."""
        owner = self._owners.get(address)
        if owner is None:
            born = (radio for radio in self._radios if radio_address(radio)[1:] == address[1:])
            owner = next(born, None)
        return owner

    def _arrives(self, sender: int, receiver: int) -> bool:
        lost = self._chance.random() < self._link(sender, receiver).loss
        self.counters[sender, receiver, "lost" if lost else "passed"] += 1
        return not lost

    def _deliver(self, sent: Transmission, receiver: int) -> bool:
        """Hand the frame over; false when the radio is not listening on its frequency."""
        index = sent.rates[0][0]
        (frequency_mhz,) = struct.unpack("=I", sent.frequency) if sent.frequency else (0,)
        bitrates = BITRATES_5GHZ if frequency_mhz > 3000 else BITRATES_2GHZ
        body = (
            attribute(ADDR_RECEIVER, radio_address(receiver))
            + attribute(ATTR_FRAME, sent.frame)
            # An index beyond the legacy rates, as of HT, is one that the kernel takes amiss.
            + attribute(ATTR_RX_RATE, struct.pack("=I", index if 0 <= index < bitrates else 0))
            + attribute(
                ATTR_SIGNAL, struct.pack("=i", self._link(sent.sender, receiver).signal_dbm)
            )
        )
        if sent.frequency:
            # The kernel compares it with where the receiver is tuned to.
            body += attribute(ATTR_FREQUENCY, sent.frequency)
        try:
            self._family.request(FRAME, body)
        except OSError:
            self.counters[sent.sender, receiver, "not listening"] += 1
            return False
        return True

    def _report(self, sent: Transmission, rates: list[tuple[int, int]], acknowledged: bool) -> None:
        """Tell the sender how it went: it keeps the frame until then."""
        padded = [*rates, *[UNUSED_RATE] * RATES][:RATES]
        flags = sent.flags | (FLAG_ACKNOWLEDGED if acknowledged else 0)
        signal_dbm = Link().signal_dbm
        self._family.post(
            TX_INFO_FRAME,
            attribute(ADDR_TRANSMITTER, radio_address(sent.sender))
            + attribute(ATTR_FLAGS, struct.pack("=I", flags))
            + attribute(ATTR_COOKIE, sent.cookie)
            + attribute(ATTR_SIGNAL, struct.pack("=i", signal_dbm))
            + attribute(ATTR_TX_INFO, b"".join(RATE.pack(*rate) for rate in padded)),
        )

    def report(self) -> dict[str, dict[str, int]]:
        """For every directed link, how many frames it passed and how many it lost."""
        links: dict[str, dict[str, int]] = {}
        for (sender, receiver, fate), number in sorted(self.counters.items()):
            links.setdefault(f"{sender}>{receiver}", {})[fate] = number
        return links


def read(message: Message) -> Transmission:
    found = message.attributes
    address = found[ADDR_TRANSMITTER]
    return Transmission(
        sender=address[3] << 8 | address[4],
        frame=found[ATTR_FRAME],
        flags=struct.unpack("=I", found[ATTR_FLAGS])[0],
        rates=list(RATE.iter_unpack(found[ATTR_TX_INFO][: RATE.size * RATES])),
        cookie=found[ATTR_COOKIE],
        frequency=found.get(ATTR_FREQUENCY),
    )


def serve(medium: Medium, control: Path, report: Path) -> None:
    """Carry frames until a signal ends it, following the links file as it changes."""
    text = control.read_text()
    reported_s = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(medium, selectors.EVENT_READ)
        looked_s = 0.0
        while True:
            if selector.select(POLL_INTERVAL_S):
                medium.carry()
            now_s = time.monotonic()
            if now_s - looked_s < POLL_INTERVAL_S:
                continue
            looked_s = now_s
            fresh = control.read_text()
            if fresh != text:
                text = fresh
                try:
                    medium.change(Links.parse(text))
                except BadLinks as error:
                    print(f"medium: {control}: {error}", file=sys.stderr, flush=True)
            elif now_s - reported_s < REPORT_INTERVAL_S:
                continue
            reported_s = now_s
            medium.look_around()
            write_whole(report, json.dumps({"links": text, "frames": medium.report()}, indent=1))


def write_whole(path: Path, text: str) -> None:
    """Readers see the old content or the new one, never a part."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text)
    scratch.rename(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="medium",
        description="Carry frames between the simulated radios, well or badly, as a file says.",
        epilog="Lines of the links file, of which later ones change earlier ones: "
        "'0 > 1 loss=0.3 signal=-70' is how radio 1 hears radio 0; '0 = 1 loss=1' is both ways; "
        "'* = * loss=0.1' is everybody. Radio N is the one whose addresses end in :NN:00. "
        "Replace the file (rename) to change the air; FILE.report says what is in force, with "
        "counters. Group masks have no effect meanwhile.",
    )
    parser.add_argument("links", type=Path, metavar="FILE", help="the links file")
    parser.add_argument("--seed", type=int, default=0, help="of the chance; 0 by default")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        medium = Medium(Links.parse(options.links.read_text()), options.seed)
    except (BadLinks, OSError) as error:
        print(f"medium: {error}", file=sys.stderr)
        return 2
    serve(medium, options.links, options.links.with_name(f"{options.links.name}.report"))
    return 0
