"""Makes the root directory of a fresh Debian 12 on which somebody took the steps for the Internet.

Needs root. What comes out is kept in ``$MESHWATCH_FRESH_CACHE``, by default
``~/.cache/meshwatch-fresh``, until the steps change, or what they install.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"
RELEASE = "bookworm"
#: Where a laptop has its working copy: in the root file system that is made for it here.
COPY = "/root/meshwatch"
#: What root has in a shell of its own.
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",
}
LAST_LINES = 60
KEPT = 2  # roots, of a gigabyte each: of this tree, and of another one
_INSTALLED = (
    *("meshwatch/", "csrc/", "udev/", "man/", "hooks/", "meson.", "pyproject.toml"),
    "tools/package_files.py",
)
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")

# The mounts are gone with the namespace. No daemon is started: no systemd is running there.
_TAKE = """
root=$1 step=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
for path; do
    here="$root/run/host$path"
    if [ -d "$path" ]; then mkdir -p "$here"; else mkdir -p "${here%/*}"; touch "$here"; fi
    mount --bind "$path" "$here"
done
exec chroot "$root" bash -ec "$step"
"""


class StepFailed(Exception):
    """A step did not work; says which, and what it printed."""


def prepare(steps: Sequence[str]) -> Path:
    """The root after these steps, from the cache where possible."""
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = cache / f"debian-{RELEASE}"
        if not base.exists():
            with _building(base) as scratch:
                _install_debian(scratch)
        root = cache / f"root-{_digest(steps)}"
        if not root.exists():
            with _building(root) as scratch:
                _run("cp", "-a", f"{base}/.", str(scratch))
                _copy_tree(scratch / COPY.lstrip("/"))
                for step in steps:
                    take(scratch, step)
        os.utime(root)
        for old in sorted(cache.glob("root-*"), key=lambda path: -path.stat().st_mtime)[KEPT:]:
            shutil.rmtree(old)
    return root


def take(root: Path, step: str) -> None:
    """Run a step there as root, in the working copy, with this machine's way to the Internet."""
    settings, paths = _pip_settings()
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    environment = {**ENVIRONMENT, **proxies, **settings, "DEBIAN_FRONTEND": "noninteractive"}
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*apart, "sh", "-ec", _TAKE, "sh", str(root), f"cd {COPY}\n{step}", *paths],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise StepFailed(f"{step}\nended with {done.returncode}:\n{last}")


def _cache() -> Path:
    chosen = os.environ.get("MESHWATCH_FRESH_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshwatch-fresh"


@contextmanager
def _building(target: Path) -> Iterator[Path]:
    """A scratch directory that becomes the target only when all went well."""
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    scratch.chmod(0o755)  # it becomes a /, which is for everybody to read
    try:
        yield scratch
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(*words: str) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepFailed(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _install_debian(root: Path) -> None:
    """What Debian's installer leaves if no task is chosen: packages up to priority important."""
    _run("mmdebstrap", "--variant=important", RELEASE, str(root), MIRROR)


def _tracked() -> list[str]:
    """The files of the working copy that are under version control."""
    names = _run("git", "ls-files", "-z").split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


def _copy_tree(target: Path) -> None:
    """As a clone would be, with what is not committed yet."""
    for name in _tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def _digest(steps: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(steps).encode())
    digest.update(Path(__file__).read_bytes())
    for name in _tracked():
        if name.startswith(_INSTALLED):
            digest.update(name.encode() + (ROOT / name).read_bytes())
    return digest.hexdigest()[:12]


def _pip_settings() -> tuple[dict[str, str], list[str]]:
    """How pip is told here where packages are, as environment variables, for there.

    And the files and directories of this machine that they name, which are below /run/host there.
    """
    settings: dict[str, str] = {}
    paths: set[str] = set()
    for line in _run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        words = ast.literal_eval(value).split()
        for number, word in enumerate(words):
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                # An index has its files in a directory beside it.
                paths.add(str(path.parent if path.name == "simple" else path))
                words[number] = word.replace(str(path), f"/run/host{path}")
        settings["PIP_" + key.rpartition(".")[2].upper().replace("-", "_")] = " ".join(words)
    return settings, sorted(paths)
