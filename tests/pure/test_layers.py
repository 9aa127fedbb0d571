"""A module imports only lower layers, and foreign libraries stay behind their fences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "meshwatch"

LAYERS: dict[str, int] = {}
for level, names in enumerate(
    [
        "__init__ model observations eui64",
        "hearing account means cadence loss doubt reach obstacle sides traffic voice patience"
        " questions who link portrait beyond addresses claimed entry port register table feed",
        "pyroute codec records frames netlink pace look nl80211 rtnetlink neighborhood capture"
        " claims echo_packet echoes protocol pcap recording replay interfaces watched glances"
        " probes measuring paths absences",
        "kernel bpf tap echo_socket bus server letterbox",
        "config pump taps wires sources tee wall playback systemd daemon",
    ]
):
    LAYERS |= dict.fromkeys(names.split(), level)

# Clients stand beside the daemon: they know the words and the form, nothing of its insides.
CLIENTS = {
    "client",
    "cli",
    "agent",
    "poke",
    "notify",
    "discretion",
    "claimant",
    "complaints",
    "poking",
    "services",
    "names",
    "asking",
    "inquiry",
    "hooks",
    "scripts",
    "runner",
    "reconfirm",
    "reconfirming",
}
FOR_CLIENTS = {"__init__", "model", "eui64", "protocol", "account", "systemd"} | CLIENTS

FENCES = {
    "pyroute2": {"kernel", "codec"},
    "dbus_next": {"bus", "notify"},
    "meshwatch._csrc": {"records", "frames", "kernel", "tap"},
    "asyncio": {
        "reconfirming",
        "kernel",
        "bus",
        "server",
        "letterbox",
        "client",
        "cli",
        "agent",
        "poking",
        "inquiry",
        "runner",
        "notify",
        "pump",
        "taps",
        "wires",
        "sources",
        "playback",
        "daemon",
    },
    "zeroconf": {"names"},
    "scapy": set(),
}
NEVER_BELOW_IO = {"time", "socket", "os"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str) -> str | None:
    """The module of meshwatch that an import names, if it names one."""
    package, _, rest = name.partition(".")
    module = rest.partition(".")[0]
    known = LAYERS.keys() | CLIENTS
    return module if package == "meshwatch" and module in known else None


@pytest.mark.parametrize(
    ("module", "path"), list(modules()), ids=lambda value: getattr(value, "stem", value)
)
def test_imports(module: str, path: Path) -> None:
    for name in imports(path):
        target = within(name)
        if target is not None and target != module:
            if module in CLIENTS:
                assert target in FOR_CLIENTS, f"{path.name} is a client and imports {target}"
            else:
                assert target not in CLIENTS
                assert LAYERS[target] <= LAYERS[module], f"{path.name} imports {target} above it"
        for fenced, allowed in FENCES.items():
            if name == fenced or name.startswith(fenced + "."):
                assert module in allowed, f"{path.name} reaches over the fence to {fenced}"
        if module not in CLIENTS and LAYERS[module] < LAYERS["kernel"]:
            assert name.partition(".")[0] not in NEVER_BELOW_IO, f"{path.name} imports {name}"


def test_every_module_has_its_layer() -> None:
    assert {module for module, _ in modules()} <= LAYERS.keys() | CLIENTS
