"""What certificates a laptop has pinned, what there is to pin, and who was refused."""

from __future__ import annotations

import hashlib
import json
import ssl
from pathlib import Path

from tools.lab.laptop import Laptop
from tools.lab.listening import until


def pins_file(laptop: Laptop) -> Path:
    """Where they are."""
    return laptop.home / "data/meshwatch/pins.json"


def pins(laptop: Laptop) -> dict[str, dict[str, str]]:
    """The pinned certificates on the disk, by domain."""
    pinned: dict[str, dict[str, str]] = json.loads(pins_file(laptop).read_text())
    return pinned


def fingerprint(laptop: Laptop) -> str:
    """The SHA-256 of the laptop's certificate, in hex."""
    text = (laptop.home / f"{laptop.domain}.crt").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


def is_refused_again(laptop: Laptop, why: str) -> None:
    """Wait until it has refused somebody for this reason, who began after now."""

    def refusals() -> int:
        return (laptop.home / "prosody.log").read_text(errors="replace").count(f"refused: {why}")

    enough = refusals() + 2  # one may have begun before
    until(lambda: refusals() >= enough)
