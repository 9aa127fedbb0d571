"""What the host's managers read is what they accept: unit, rule, user."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "udev/meshwatchd.service"
RULES = ROOT / "udev/70-meshwatch.rules"
SYSUSERS = ROOT / "udev/meshwatch.sysusers"
POLICY = ROOT / "udev/org.meshwatch.conf"

MOST_EXPOSURE = 0.8  # of 10, as systemd counts it


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as systemd can judge it here, where no meshwatchd is installed."""
    path = tmp_path / UNIT.name
    text, count = re.subn(
        r"^ExecStart=meshwatchd",
        f"ExecStart={sys.executable}",
        UNIT.read_text(),
        flags=re.MULTILINE,
    )
    assert count == 1
    path.write_text(text)
    return path


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


def settings() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNIT)
    return parser["Service"]


def test_systemd_understands_the_unit(unit: Path) -> None:
    about_it = [
        line for line in analyze("verify", "--man=no", unit).splitlines() if unit.name in line
    ]
    assert about_it == []


def test_exposure(unit: Path) -> None:
    output = analyze("security", "--offline=yes", unit)
    figure = re.search(r"exposure level for \S+: ([0-9.]+)", output)
    assert figure is not None, output
    assert float(figure[1]) <= MOST_EXPOSURE, output


def test_the_unit_gives_no_privilege() -> None:
    service = settings()
    assert service["CapabilityBoundingSet"] == ""
    assert service["AmbientCapabilities"] == ""
    assert service["RestrictAddressFamilies"] == "AF_UNIX AF_NETLINK"
    assert service["Type"] == "notify"


def test_udev_understands_the_rule() -> None:
    """Each rule has the keys that udev knows; ``udevadm verify`` says more where it exists."""
    version = int(subprocess.check_output(["udevadm", "--version"], text=True).split()[0])
    if version >= 254:
        subprocess.run(["udevadm", "verify", "--no-style", RULES], check=True)
    text = RULES.read_text()
    assert 'SUBSYSTEM=="net", ENV{DEVTYPE}=="wlan", TAG+="systemd"' in text
    assert f'ENV{{SYSTEMD_WANTS}}+="{UNIT.name}"' in text


def test_one_user_everywhere(tmp_path: Path) -> None:
    user = settings()["User"]
    (tmp_path / "etc").mkdir()
    created = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", SYSUSERS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert created.returncode == 0, created.stderr
    assert re.search(rf"^{user}:", (tmp_path / "etc/passwd").read_text(), flags=re.MULTILINE)
    owners = {
        policy.attrib.get("user")
        for policy in ET.parse(POLICY).getroot().iter("policy")
        if any("own" in rule.attrib for rule in policy.iter("allow"))
    }
    assert user in owners
    assert owners <= {user, "root"}
