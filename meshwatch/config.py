"""The daemon's settings, from meshwatch.toml and the command line, as one frozen value."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from meshwatch import __version__

DEFAULT_FILE = Path("/etc/meshwatch/meshwatch.toml")
DEFAULT_RUNTIME_DIRECTORY = "/run/meshwatch"
FAMILIES = range(0x11, 0x400)  # numbers of netlink families (linux/genetlink.h)


class ConfigError(ValueError):
    """A setting is unknown, of the wrong type or out of range; the text names file and key."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of meshwatchd; every field but the last five may stand in meshwatch.toml."""

    runtime_directory: str = DEFAULT_RUNTIME_DIRECTORY
    bus: str = "system"  # system, session, none, or a D-Bus address
    interfaces: tuple[str, ...] = ()  # empty: every mesh and IBSS interface
    receive_buffer_bytes: int = 1 << 20  # of the kernel sockets
    tap: bool = True  # hear the frames of a monitor interface, if there is one
    monitors: tuple[str, ...] = ()  # the tap's interfaces; empty: any monitor interface
    beacons: bool = True  # heard by the tap
    probes: bool = True  # of a link that fell silent
    echoes: bool = True  # asked of who arrived, for its addresses
    measure: bool = False  # links over which nothing was sent
    record: str | None = None
    replay: str | None = None
    family: int = 0  # nl80211's number in a capture; 0: it tells it
    speed: float = 1.0  # of the replay; 0 = as fast as possible
    verbose: bool = False


_ONLY_ON_COMMAND_LINE = frozenset({"record", "replay", "family", "speed", "verbose"})


def parser() -> argparse.ArgumentParser:
    """The command line of meshwatchd(8)."""
    parser = argparse.ArgumentParser(
        prog="meshwatchd",
        description="Watch 802.11s mesh peer links and publish one true neighbor table.",
        epilog="See meshwatchd(8). Exit status: 0 ended by SIGTERM or SIGINT, 1 cannot run, "
        "2 usage or configuration.",
    )
    add = parser.add_argument
    add("--config", metavar="FILE", help=f"settings (default: {DEFAULT_FILE}, if it exists)")
    add("--runtime-directory", metavar="DIR", help="where the sockets are made")
    add("--bus", metavar="BUS", help="system, session, none, or a D-Bus address")
    add(
        "--interface",
        metavar="NAME",
        action="append",
        dest="interfaces",
        help="watch only this interface; may be repeated (default: all mesh and IBSS interfaces)",
    )
    add("--no-tap", action="store_const", const=False, dest="tap", help="hear no frames")
    add(
        "--monitor",
        metavar="NAME",
        action="append",
        dest="monitors",
        help="hear frames on this monitor interface only; may be repeated (default: on any)",
    )
    add(
        "--no-beacons",
        action="store_const",
        const=False,
        dest="beacons",
        help="hear only our peering frames and what becomes of probes",
    )
    add("--no-probes", action="store_const", const=False, dest="probes", help="send no probes")
    add("--no-echoes", action="store_const", const=False, dest="echoes", help="ask for no address")
    add("--record", metavar="FILE", help="write what the kernel says to a pcapng file")
    add("--replay", metavar="FILE", help="take what the kernel said from a recording or capture")
    add(
        "--family",
        metavar="N",
        type=int,
        help="with --replay: nl80211's number in a capture that does not tell it",
    )
    add(
        "--speed",
        metavar="N",
        type=float,
        help="replay N times as fast; 0: as fast as possible (default: 1)",
    )
    add("--verbose", action="store_true", default=None, help="log every change")
    add("--version", action="version", version=f"meshwatchd {__version__}")
    return parser


def load(argv: list[str] | None = None) -> Config:
    """Settings from the file and, above them, from the command line.

    Raises :class:`ConfigError`; a usage error ends the program as argparse does (status 2).
    """
    arguments = vars(parser().parse_args(argv))
    chosen = arguments.pop("config")
    settings = _read(Path(chosen or DEFAULT_FILE), must_exist=chosen is not None)
    settings |= {key: value for key, value in arguments.items() if value is not None}
    try:
        config = msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{chosen or DEFAULT_FILE}: {error}") from None
    if config.record and config.replay:
        raise ConfigError("--record and --replay exclude each other")
    if config.family and not config.replay:
        raise ConfigError("--family is of use only with --replay")
    if config.family and config.family not in FAMILIES:
        raise ConfigError(f"--family must be {FAMILIES[0]} to {FAMILIES[-1]}, not {config.family}")
    if not config.speed >= 0:
        raise ConfigError(f"--speed must be 0 or more, not {config.speed}")
    if config.receive_buffer_bytes < 2048:
        raise ConfigError("receive_buffer_bytes must be at least 2048")
    if config.bus not in {"system", "session", "none"} and "=" not in config.bus:
        raise ConfigError(
            f"bus must be system, session, none or a D-Bus address, not {config.bus!r}"
        )
    return config


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            settings = tomllib.load(file)
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path}: no such file") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if misplaced := _ONLY_ON_COMMAND_LINE & settings.keys():
        raise ConfigError(f"{path}: {min(misplaced)} belongs on the command line")
    return settings
