"""Makes sure that the Debian packages this tool stands on are installed."""

import os
import shutil
import subprocess
from collections.abc import Mapping

# Each program that is called, and the package that brings it.
PROGRAMS: Mapping[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "depmod": "kmod",
    "iw": "iw",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
LOCK_TIMEOUT_S = 400
INSTALL_TIMEOUT_S = 900
# An unprivileged user's PATH has no sbin, where modprobe, depmod and iw live.
SEARCH_PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


class MissingPackages(Exception):
    """Something has to be installed first, and this user may not do it."""


def program(name: str) -> str:
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise MissingPackages(f"{name} is not installed: {install_line([PROGRAMS[name]])}")
    return found


def install_line(packages: list[str]) -> str:
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def ensure() -> None:
    """Install what is missing, as root or with a sudo that asks for no password."""
    missing = sorted(
        {
            package
            for name, package in PROGRAMS.items()
            if shutil.which(name, path=SEARCH_PATH) is None
        }
    )
    if not missing:
        return
    prefix = administrator()
    if prefix is None:
        raise MissingPackages(f"run this as root first: {install_line(missing)}")
    install = [*apt_get(prefix), "install", "-y", "-qq", "--no-install-recommends", *missing]
    if _quiet(install) != 0:
        refresh()
        if _quiet(install) != 0:
            raise MissingPackages(f"this failed: {install_line(missing)}")


def refresh() -> bool:
    """Bring the package lists up to date where that is allowed; tell whether it was done."""
    prefix = administrator()
    return prefix is not None and _quiet([*apt_get(prefix), "update", "-qq"]) == 0


def administrator() -> list[str] | None:
    """The words to put before a command that needs root; None when there is no way."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is not None and _quiet([sudo, "-n", "true"]) == 0:
        return [sudo, "-n"]
    return None


def apt_get(prefix: list[str]) -> list[str]:
    return [*prefix, "apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"]


def _quiet(argv: list[str]) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    ).returncode
