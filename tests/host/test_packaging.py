"""What a packager gets: one version, a wheel of the package alone, host files where they belong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import pytest

import meshwatch
from tools.package_files import package_files

ROOT = Path(__file__).parents[2]
UDEV = ROOT / "udev"
BIN = Path(sys.executable).parent
BUILT = "meshwatch/_csrc.abi3.so"


def run(*words: str | Path) -> str:
    """What a program of the virtual environment prints."""
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_version() -> None:
    """meson.build has it, the wheel takes it from there, and the package says the same."""
    told = json.loads(run("meson", "introspect", "--projectinfo", ROOT / "meson.build"))
    assert told["version"] == meshwatch.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]


def test_wheel(tmp_path: Path) -> None:
    """The package and its module, under the version, with the page that everybody reads first."""
    code = f"""
import mesonpy
mesonpy.build_wheel({str(tmp_path)!r}, {{"build-dir": {str(tmp_path / "build")!r}}})
"""
    run(sys.executable, "-c", code)
    (wheel,) = tmp_path.glob("*.whl")
    name, version, *_ = wheel.name.split("-")
    assert (name, version) == ("meshwatch", meshwatch.__version__)
    with ZipFile(wheel) as packed:
        metadata = packed.read(f"meshwatch-{version}.dist-info/METADATA").decode()
        files = {file for file in packed.namelist() if file.startswith("meshwatch/")}
    told = message_from_string(metadata)
    assert told["Version"] == version
    assert told.get_payload() == (ROOT / "README.md").read_text()
    assert files == {*package_files(), BUILT}


DEFAULT = {
    "meshwatchd.service": "lib/systemd/system/meshwatchd.service",
    "meshwatch-notify.service": "lib/systemd/user/meshwatch-notify.service",
    "70-meshwatch.rules": "lib/udev/rules.d/70-meshwatch.rules",
    "meshwatch.sysusers": "lib/sysusers.d/meshwatch.conf",
}
OPTIONS = {
    "systemdsystemunitdir": "/units",
    "systemduserunitdir": "/of-users",
    "udevrulesdir": "rules",
    "sysusersdir": "/users",
    "dbuspolicydir": "policies",
}


@pytest.mark.parametrize(
    ("prefix", "options", "places"),
    [
        (
            "/usr/local",
            {},
            {name: f"/usr/local/{place}" for name, place in DEFAULT.items()}
            | {"org.meshwatch.conf": "/etc/dbus-1/system.d/org.meshwatch.conf"},
        ),
        (
            "/usr",
            {},
            {name: f"/usr/{place}" for name, place in DEFAULT.items()}
            | {"org.meshwatch.conf": "/usr/share/dbus-1/system.d/org.meshwatch.conf"},
        ),
        (
            "/opt",
            OPTIONS,
            {
                "meshwatchd.service": "/units/meshwatchd.service",
                "meshwatch-notify.service": "/of-users/meshwatch-notify.service",
                "70-meshwatch.rules": "/opt/rules/70-meshwatch.rules",
                "meshwatch.sysusers": "/users/meshwatch.conf",
                "org.meshwatch.conf": "/opt/policies/org.meshwatch.conf",
            },
        ),
    ],
    ids=["local", "distribution", "chosen"],
)
def test_host_files(
    tmp_path: Path, prefix: str, options: dict[str, str], places: dict[str, str]
) -> None:
    """Below the prefix, but for the policy, which the bus reads in two places alone."""
    chosen = [f"-D{name}={value}" for name, value in options.items()]
    run("meson", "setup", tmp_path, "--prefix", prefix, *chosen)
    installed = json.loads(run("meson", "introspect", "--installed", tmp_path))
    assert {name: installed[str(UDEV / name)] for name in places} == places
