"""Fetches Debian's kernel packages and makes them bootable, once for each version."""

import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.vm import packages

INIT = Path(__file__).parent / "guest" / "init"
# What the initramfs needs to reach the shared root and the host.
EARLY_MODULES = ("overlay", "9p", "9pnet_virtio", "virtio_pci", "virtio_console")
# Unpacked beforehand, since the emulated processor takes seconds over xz.
LATER_MODULES = (
    "mac80211_hwsim",
    "nlmon",
    "veth",
    "bridge",
    "batman-adv",
    "ccm",
    "cmac",
    "gcm",
    "ctr",
    "gf128mul",
    "ghash-generic",
)
COMMAND_TIMEOUT_S = 600
LOCK_TIMEOUT_S = 900


class KernelUnavailable(Exception):
    """The package archive has no such kernel, or it could not be fetched."""


@dataclass(frozen=True)
class Kernel:
    """A kernel ready to boot."""

    release: str
    image: Path
    modules: Path
    initramfs: Path


def cache_directory() -> Path:
    chosen = os.environ.get("MESHWATCH_VM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshwatch-vm"


def prepare(version: str, again: bool = False) -> Kernel:
    """The kernel of this version, from the cache where possible."""
    if not re.fullmatch(r"\d+\.\d+", version):
        raise KernelUnavailable(f"a kernel version looks like 6.1, not {version!r}")
    packages.ensure()
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    stamp = _digest(Path(__file__).read_bytes())
    home = cache / f"{version}-{stamp}"
    with _locked(cache / "lock"):
        if again:
            for old in cache.glob(f"{version}-*"):
                shutil.rmtree(old)
        if not home.exists():
            with _building(cache, home) as scratch:
                _unpack(_package(version), scratch)
        release = (home / "release").read_text().strip()
        initramfs = home / f"initramfs-{_digest(INIT.read_bytes())}.gz"
        if not initramfs.exists():
            scratch_file = home / f".initramfs-{os.getpid()}"
            scratch_file.write_bytes(_initramfs(home, release))
            scratch_file.rename(initramfs)
    return Kernel(release, home / "vmlinuz", home / "lib/modules" / release, initramfs)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others who need the same download waiting instead of downloading twice."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise KernelUnavailable(f"{path} is held by another process") from None
                time.sleep(0.1)
        yield


@contextmanager
def _building(cache: Path, target: Path) -> Iterator[Path]:
    """A scratch directory that becomes the target only when all went well."""
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=cache))
    try:
        yield scratch
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _package(version: str) -> str:
    """The newest signed package of this version that the archive offers."""
    for refreshed in (False, True):
        if refreshed and not packages.refresh():
            break
        for meta in (f"linux-image-{version}-amd64", "linux-image-amd64"):
            depends = _output(["apt-cache", "depends", meta], check=False)
            for name in re.findall(r"Depends: (linux-image-\S+)", depends):
                if name.startswith(f"linux-image-{version}."):
                    return str(name)
        pattern = rf"^linux-image-{re.escape(version)}\.[0-9]"
        found = _output(["apt-cache", "search", "--names-only", pattern], check=False)
        plain = [
            name
            for name in re.findall(r"^(linux-image-\S+-amd64) ", found, re.MULTILINE)
            if not re.search(r"-(rt|cloud)-", name)
        ]
        if plain:
            return str(max(plain, key=lambda name: [int(n) for n in re.findall(r"\d+", name)]))
    raise KernelUnavailable(
        f"the package archive has no linux-image-{version}.*-amd64: is its apt source configured?"
    )


def _unpack(package: str, home: Path) -> None:
    """Leave vmlinuz, release and lib/modules, with a module index, in the home."""
    root = home / "package"
    root.mkdir()
    # As root, apt gives up its rights and could not write to a private directory.
    _output(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", package], cwd=root)
    (archive,) = root.glob("*.deb")
    _output(["dpkg-deb", "-x", str(archive), str(root)])
    (image,) = root.glob("boot/vmlinuz-*")
    release = image.name.removeprefix("vmlinuz-")
    image.rename(home / "vmlinuz")
    # A Debian whose /lib is a link into /usr has packages that say so, too.
    modules = next(root.glob(f"**/lib/modules/{release}"))
    (home / "lib/modules").mkdir(parents=True)
    modules.rename(home / "lib/modules" / release)
    shutil.rmtree(root)
    _index(home, release)
    for module in _load_order(home, release, EARLY_MODULES + LATER_MODULES):
        if module.suffix == ".xz":
            module.with_suffix("").write_bytes(lzma.decompress(module.read_bytes()))
            module.unlink()
    _index(home, release)
    (home / "release").write_text(f"{release}\n")


def _index(home: Path, release: str) -> None:
    _output([packages.program("depmod"), "-b", str(home), release])


def _load_order(home: Path, release: str, names: tuple[str, ...]) -> list[Path]:
    """The module files behind the names and all they depend on, in the order to load them."""
    files: dict[Path, None] = {}
    for name in names:
        # A name that is built in, or that this kernel does not have, yields no file.
        ask = [packages.program("modprobe"), "-S", release, "-d", str(home), "--show-depends", name]
        for file in re.findall(r"^insmod (\S+)", _output(ask, check=False), re.MULTILINE):
            files[Path(file)] = None
    return list(files)


def _initramfs(home: Path, release: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix=".initramfs-", dir=home) as scratch:
        root = Path(scratch)
        for name in ("bin", "proc", "sys", "dev", "modules", "host", "overlay"):
            (root / name).mkdir()
        shutil.copy(packages.program("busybox"), root / "bin/busybox")
        shutil.copy(INIT, root / "init")
        (root / "init").chmod(0o755)
        order = _load_order(home, release, EARLY_MODULES)
        for module in order:
            shutil.copy(module, root / "modules" / module.name)
        (root / "modules/order").write_text("".join(f"{module.name}\n" for module in order))
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            [packages.program("cpio"), "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            cwd=root,
            input=names.encode(),
            stdout=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT_S,
            check=True,
        ).stdout
    return gzip.compress(archive, compresslevel=1)


def _output(argv: list[str], check: bool = True, cwd: Path | None = None) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", "PATH": packages.SEARCH_PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if check and done.returncode != 0:
        raise KernelUnavailable(f"{' '.join(argv)} failed:\n{done.stderr.strip()}")
    return done.stdout
