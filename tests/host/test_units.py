"""What the host's managers read is what they accept: units, drop-ins, rule, users."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from meshwatch.model import Claim

ROOT = Path(__file__).parents[2]
UDEV = ROOT / "udev"
UNIT = UDEV / "meshwatchd.service"
AGENT = UDEV / "meshwatch-agent.service"
HOOKS = UDEV / "meshwatch-hooks.service"
MONITOR = UDEV / "meshwatch-monitor@.service"
ADDRESS = UDEV / "meshwatch-address@.service"
NOTIFY = UDEV / "meshwatch-notify.service"
RULES = UDEV / "70-meshwatch.rules"
SYSUSERS = UDEV / "meshwatch.sysusers"
POLICY = UDEV / "org.meshwatch.conf"

# Of 10, as systemd counts it, with the drop-ins of each form.
MOST_EXPOSURE = {
    (UNIT.name,): 1.0,
    (UNIT.name, "tap"): 1.4,
    (UNIT.name, "paths"): 1.3,
    (UNIT.name, "tap", "paths"): 1.6,
    (AGENT.name,): 1.2,
    (HOOKS.name,): 8.7,
    (AGENT.name, "reconfirm"): 1.3,
    ("meshwatch-monitor@mesh0.service",): 1.3,
    ("meshwatch-address@mesh0.service",): 1.3,
}
FORMS = pytest.mark.parametrize("form", MOST_EXPOSURE, ids=" ".join)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as systemd can judge them here, where no program of ours is installed."""
    for path in (UNIT, AGENT, HOOKS, MONITOR, ADDRESS, NOTIFY):
        text, count = re.subn(
            r"^(Exec\w+=-?)meshwatchd?\b",
            rf"\1{sys.executable}",
            path.read_text(),
            flags=re.MULTILINE,
        )
        assert count == text.count("\nExec")
        (tmp_path / path.name).write_text(text)
    return tmp_path


@pytest.fixture
def unit(units: Path, form: tuple[str, ...]) -> Path:
    """The unit of a form, its drop-ins beside it."""
    name, *drop_ins = form
    place = units / f"{name}.d"
    place.mkdir()
    for drop_in in drop_ins:
        text = (UDEV / f"{drop_in}.conf").read_text()
        text = re.sub(r"(?m)^(ExecStart=)meshwatch", rf"\1{sys.executable}", text)
        (place / f"{drop_in}.conf").write_text(text)
    return units / name


def analyze(*words: str | Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def settings(path: Path, section: str = "Service") -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(path)
    return parser[section]


@FORMS
def test_systemd_understands_the_unit(unit: Path) -> None:
    output = analyze("verify", "--man=no", unit)
    assert [
        line for line in output.splitlines() if unit.name in line or str(unit.parent) in line
    ] == []


def test_systemd_understands_the_unit_of_a_session(
    units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(units))
    output = analyze("verify", "--user", "--man=no", units / NOTIFY.name)
    assert [line for line in output.splitlines() if NOTIFY.name in line] == []


@FORMS
def test_exposure(unit: Path, form: tuple[str, ...]) -> None:
    output = analyze("security", "--offline=yes", unit)
    figure = re.search(r"exposure level for \S+: ([0-9.]+)", output)
    assert figure is not None, output
    assert float(figure[1]) <= MOST_EXPOSURE[form], output


def test_the_page_tells_the_exposure() -> None:
    page = " ".join((ROOT / "man" / "meshwatchd.8.scd").read_text().split())
    bare, tap, paths, both = (
        MOST_EXPOSURE[UNIT.name, *forms] for forms in ((), ("tap",), ("paths",), ("tap", "paths"))
    )
    assert (
        f"an exposure of {bare} of 10 for the bare form,"
        f" {tap} with _tap.conf_, {paths} with _paths.conf_, {both} with both" in page
    )


@pytest.mark.parametrize(
    ("path", "families"), [(UNIT, "AF_UNIX AF_NETLINK"), (AGENT, "AF_UNIX AF_INET6")]
)
def test_a_service_has_no_privilege(path: Path, families: str) -> None:
    service = settings(path)
    assert service["CapabilityBoundingSet"] == ""
    assert service["AmbientCapabilities"] == ""
    assert service["RestrictAddressFamilies"] == families
    assert service["Type"] == "notify"


def test_who_reads_the_network_runs_no_hooks() -> None:
    """And who runs hooks, which is root, sends and asks nothing."""
    assert settings(AGENT)["ExecStart"].split()[1:] == ["agent", "--no-hooks"]
    assert settings(HOOKS)["ExecStart"].split()[1:] == ["agent", "--no-poke", "--no-names"]
    assert "User" in settings(AGENT)
    assert "User" not in settings(HOOKS)


def test_what_a_hook_began_outlives_the_unit_that_ran_it() -> None:
    """It ends when meshwatchd does, and a letter that is half sent would be sent twice."""
    assert settings(HOOKS)["KillMode"] == "process"


def test_hooks_may_come_later() -> None:
    unit = settings(HOOKS, "Unit")
    assert [key for key in unit if key.startswith(("Condition", "Assert"))] == []


@pytest.mark.parametrize(
    ("drop_in", "capability"), [("tap", "CAP_NET_RAW"), ("paths", "CAP_NET_ADMIN")]
)
def test_a_drop_in_gives_one_capability_and_it_counts(drop_in: str, capability: str) -> None:
    service = settings(UDEV / f"{drop_in}.conf")
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == capability
    assert set(service) <= {
        *("CapabilityBoundingSet", "AmbientCapabilities", "RestrictAddressFamilies"),
    }


def test_whose_claim_it_is_can_be_told() -> None:
    """In a user namespace of its own the daemon would take nearly all users for one."""
    assert "uid" in Claim.__struct_fields__
    for path in (UNIT, *(UDEV / f"{form}.conf" for form in ("tap", "paths"))):
        assert settings(path).get("PrivateUsers", "no") == "no"


@pytest.mark.parametrize("unit", [MONITOR, ADDRESS], ids=lambda path: path.stem)
def test_a_unit_for_an_interface_may_do_what_it_is_for(unit: Path) -> None:
    service = settings(unit)
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_ADMIN"
    assert "PrivateUsers" not in service


def test_the_address_can_be_kept() -> None:
    """Of the variables of the kernel the unit may write those of its interface."""
    assert settings(ADDRESS)["ProtectKernelTunables"] == "yes"
    assert settings(ADDRESS)["ReadWritePaths"] == "-/proc/sys/net/ipv6/conf/%I"


@pytest.mark.parametrize(
    ("name", "link"),
    [
        (AGENT.name, "meshwatchd.service.wants"),
        (HOOKS.name, "meshwatchd.service.wants"),
        (
            "meshwatch-monitor@mesh0.service",
            "sys-subsystem-net-devices-mesh0.device.wants",
        ),
        (
            "meshwatch-address@mesh0.service",
            "sys-subsystem-net-devices-mesh0.device.wants",
        ),
    ],
)
def test_what_is_started_is_for_the_administrator_to_say(units: Path, name: str, link: str) -> None:
    """``systemctl enable`` makes the daemon, or the device, want the unit; nothing else does."""
    place = units / "etc/systemd/system"
    place.mkdir(parents=True)
    for unit in units.glob("*.service"):
        shutil.copy(unit, place)
    subprocess.run(["systemctl", f"--root={units}", "enable", name], check=True)
    assert [str(path.relative_to(place)) for path in place.glob("*.*/*")] == [f"{link}/{name}"]
    assert name.partition("@")[0] not in UNIT.read_text() + RULES.read_text()


def test_udev_understands_the_rule() -> None:
    """Each rule has the keys that udev knows; ``udevadm verify`` says more where it exists."""
    version = int(subprocess.check_output(["udevadm", "--version"], text=True).split()[0])
    if version >= 254:
        subprocess.run(["udevadm", "verify", "--no-style", RULES], check=True)
    text = RULES.read_text()
    assert 'SUBSYSTEM=="net", ENV{DEVTYPE}=="wlan", TAG+="systemd"' in text
    assert f'ENV{{SYSTEMD_WANTS}}+="{UNIT.name}"' in text


def test_one_user_everywhere(tmp_path: Path) -> None:
    user = settings(UNIT)["User"]
    (tmp_path / "etc").mkdir()
    created = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", SYSUSERS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert created.returncode == 0, created.stderr
    passwd, group = ((tmp_path / "etc" / name).read_text() for name in ("passwd", "group"))
    assert re.search(rf"^{user}:", passwd, flags=re.MULTILINE)
    agent = settings(AGENT)["User"]
    assert re.search(rf"^{agent}:", passwd, flags=re.MULTILINE)
    assert settings(UNIT)["Group"] == settings(UNIT)["RuntimeDirectory"] == user
    assert re.search(rf"^{user}:.*:{agent}$", group, flags=re.MULTILINE)  # for claims.sock
    owners = {
        policy.attrib.get("user")
        for policy in ET.parse(POLICY).getroot().iter("policy")
        if any("own" in rule.attrib for rule in policy.iter("allow"))
    }
    assert user in owners
    assert owners <= {user, "root"}
