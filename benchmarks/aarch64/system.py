"""What an emulated device is made of: Debian's files, wheels, the plugin. Kept under .cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_asc.benchmarks.aarch64.boards import CORES
from edge_asc.errors import EdgeAscError

PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CACHE = PROJECT / ".cache" / "aarch64"
PINS = HERE / "constraints.txt"

TOOLS = {
    "qemu-aarch64": "qemu-user",
    "qemu-arm": "qemu-user",
    "mmdebstrap": "mmdebstrap",
    "gcc": "gcc",
}


class EmulationError(EdgeAscError):
    """An emulated device that cannot be made, or does not compute what it must."""


@dataclass(frozen=True, slots=True)
class System:
    """A Debian release for one architecture with its Python."""

    suite: str
    python: str
    """As "3.11" """
    arch: str
    """Debian's name"""
    packages: tuple[str, ...]
    platforms: tuple[str, ...]
    """Tags of wheels that run there; pip wants every one"""
    emulator: str

    @property
    def name(self) -> str:
        return f"{self.suite}-{self.arch}"


_ARM64_TAGS = tuple(
    f"{tag}_aarch64"
    for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
)
BOOKWORM = System(
    "bookworm", "3.11", "arm64", ("python3.11", "libstdc++6"), _ARM64_TAGS, "qemu-aarch64"
)
TRIXIE = System(
    "trixie", "3.13", "arm64", ("python3.13", "libstdc++6"), _ARM64_TAGS, "qemu-aarch64"
)
ARMHF = System(
    "bookworm",
    "3.11",
    "armhf",
    ("python3-numpy", "libstdc++6", "libatomic1"),
    ("manylinux_2_34_armv7l",),
    "qemu-arm",
)


def check_tools(names: Sequence[str]) -> None:
    """Raises EmulationError when a program is missing."""
    missing = sorted({TOOLS[name] for name in names if shutil.which(name) is None})
    if missing:
        raise EmulationError(
            f"needs the Debian packages {', '.join(missing)}; please type: sudo apt-get install"
            f" --no-install-recommends {' '.join(missing)}"
        )


RELEASE_ONLY = 'sed -i "/-security/d; /-updates/d" "$1"/etc/apt/sources.list'
"""What came after the release is left out, so that counts change with point releases only."""


def debian_files(system: System) -> Path:
    """The root of the release: Python and what it needs, unpacked and never booted."""

    def make(folder: Path) -> None:
        how = ["--quiet", "--variant=extract", f"--setup-hook={RELEASE_ONLY}"]
        what = [f"--architectures={system.arch}", f"--include={','.join(system.packages)}"]
        _run(
            ["mmdebstrap", *how, *what, system.suite, str(folder)],
            f"Debian {system.name} could not be unpacked; it needs a Debian mirror in reach",
        )
        if not (folder / "lib").exists():  # made only when trixie's base-files is installed
            (folder / "lib").symlink_to("usr/lib")

    return _kept(f"debian-{system.name}", "\n".join([RELEASE_ONLY, *system.packages]), make)


def wheels(system: System, wheel: Path) -> Path:
    """What this project's `wheel` asks for, at the versions of constraints.txt, without itself."""

    def make(folder: Path) -> None:
        _pip_install(system, folder, "--constraint", str(PINS), str(wheel))
        shutil.rmtree(folder / "edge_asc")

    asked = (PROJECT / "setup.cfg").read_text(encoding="utf-8") + PINS.read_text(encoding="utf-8")
    return _kept(f"wheels-{system.name}", asked, make)


def loose_wheels(system: System, *names: str) -> Path:
    """Wheels by name and version, without what they ask for: Debian has it."""

    def make(folder: Path) -> None:
        _pip_install(system, folder, "--no-deps", *names)

    return _kept(f"wheels-{system.name}", "\n".join(names), make)


def native_wheels(wheel: Path) -> Path:
    """The same versions as `wheels` for this machine and this Python."""

    def make(folder: Path) -> None:
        _pip("--target", str(folder), "--constraint", str(PINS), str(wheel))
        shutil.rmtree(folder / "edge_asc")

    asked = (PROJECT / "setup.cfg").read_text(encoding="utf-8") + PINS.read_text(encoding="utf-8")
    return _kept(f"wheels-native-{sys.version_info[0]}.{sys.version_info[1]}", asked, make)


def project_wheel() -> Path:
    """This project as a wheel, built from its sdist, as it would be published."""

    def make(folder: Path) -> None:
        _run(
            [sys.executable, "-m", "build", "--outdir", str(folder), str(PROJECT)],
            "the wheel could not be built",
        )

    (wheel,) = _kept("project-wheel", _source(), make).glob("*.whl")
    return wheel


def project_files(wheel: Path) -> Path:
    """The wheel, unpacked."""

    def make(folder: Path) -> None:
        shutil.unpack_archive(wheel, folder, "zip")

    return _kept("project", wheel.parent.name, make)


def plugin() -> Path:
    """The plugin that counts instructions, compiled."""
    source = HERE / "instructions.c"

    def make(folder: Path) -> None:
        library = folder / "instructions.so"
        _run(
            ["gcc", "-O2", "-fPIC", "-shared", "-o", str(library), str(source)],
            "the plugin could not be compiled",
        )

    return _kept("plugin", source.read_text(encoding="utf-8"), make) / "instructions.so"


def sysroot(root: Path, cpuinfo: str, folder: Path) -> Path:
    """A view of `root` in a new `folder`, with its own /proc/cpuinfo; the rest are links."""
    folder.mkdir()
    for name in ("usr", "lib", "etc"):
        if (root / name).exists():
            (folder / name).symlink_to(root / name)
    cpus = folder / "sys" / "devices" / "system" / "cpu"
    cpus.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{CORES - 1}\n")
    (folder / "proc").mkdir()
    (folder / "proc" / "cpuinfo").write_text(cpuinfo)
    return folder


def _kept(name: str, content: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for this `content`, made if it is not there; older ones go."""
    folder = CACHE / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        make(made)
        for old in CACHE.glob(f"{name}-{'[0-9a-f]' * 12}"):
            shutil.rmtree(old)
        made.rename(folder)
    return folder


def _source() -> str:
    """A digest of every file that goes into the wheel."""
    folders = ("edge_asc", "training", "export", "firmware_bridge", "benchmarks")
    files = [PROJECT / "setup.cfg", PROJECT / "pyproject.toml"] + [
        path
        for folder in folders
        for path in sorted((PROJECT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return "\n".join(
        f"{path.relative_to(PROJECT)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    )


def _pip_install(system: System, folder: Path, *what: str) -> None:
    abi = f"cp{system.python.replace('.', '')}"
    tags = [f"--platform={tag}" for tag in (*system.platforms, "any")]
    abis = [f"--abi={tag}" for tag in (abi, "abi3", "none")]
    python = ["--implementation=cp", f"--python-version={system.python}"]
    _pip(
        "--only-binary=:all:", "--no-compile", *python, *abis, *tags, "--target", str(folder), *what
    )


def _pip(*arguments: str) -> None:
    quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    _run([sys.executable, "-m", "pip", "install", *quiet, *arguments], "pip failed")


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode != 0:
        raise EmulationError(f"{failure}: {' '.join(command[:3])} ...: {done.stderr.strip()}")
