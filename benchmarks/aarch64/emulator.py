"""Run the guest program: emulated as one processor with its instructions counted, or natively."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.benchmarks.aarch64.boards import Cpu
from edge_asc.benchmarks.aarch64.system import EmulationError, System, sysroot

_PROGRAM = ("-S", "-P", "-m", "edge_asc.benchmarks.aarch64.guest")
"""With no packages but those named in PYTHONPATH, and none of the folder it is started in"""

NOISE = 1e-2
"""How far two counts in one process may be apart: how memory is found is never quite the same"""

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Count:
    """Instructions of one region."""

    total: int
    vector: int
    memory: int
    dot: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one process of the guest gave."""

    software: Mapping[str, str]
    counts: Mapping[str, Count] = field(default_factory=dict)
    """Region -> its instructions; empty for a native run"""
    arrays: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """As `guest.answers` says"""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A system with everything that the guest imports."""

    system: System
    root: Path
    wheels: Path
    project: Path
    plugin: Path | None = None

    def run(
        self,
        cpu: Cpu,
        sounds: Path,
        features: Path | None = None,
        *,
        count: bool = True,
        answer: bool = True,
        cpuinfo: str | None = None,
    ) -> Run:
        """Run the guest as `cpu`. Raises EmulationError when it fails or was counted unsteadily.

        `features` are those of the native run, None for the guest's own. `cpuinfo`, when it is
        another processor's, shows what happens then. When it is counted, Python's paths are those
        of the guest, so that no count depends on where this checkout lies.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            root = self._root(cpuinfo or cpu.cpuinfo(), folder)
            marks, out = folder / "marks", folder / "out.npz"
            top = Path("/") if count else self.root
            qemu = self._qemu(cpu, root, top, PYTHONDONTWRITEBYTECODE="1")
            plugin = ["-plugin", f"file={self.plugin},out={marks}"] if count else []
            python = f"usr/bin/python{self.system.python}"
            # QEMU opens the second; Python takes the first for its own name, and looks beside it.
            program = ["-0", str(top / python), str(self.root / python), *_PROGRAM]
            flags = [f"--count={count:d}", f"--answer={answer:d}"]
            command = [*qemu, *plugin, *program, *flags]
            files = [sounds, out, *([] if features is None else [features])]
            told = _run_guest([*command, *map(str, files)], _clean())
            lines = marks.read_text().splitlines() if count else []
            return Run(told["software"], regions(told["regions"], lines), _load(out))

    def compile(self, cpu: Cpu, sounds: Path, features: Path) -> None:
        """Let Python compile what it imports, as on a device where it has run before: once."""
        done = self.project / f".compiled-{self.system.name}"
        if done.exists():
            return
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            root = self._root(cpu.cpuinfo(), folder)
            # By the host's paths: by the guest's, QEMU finds only files that exist.
            python = f"{self.root}/usr/bin/python{self.system.python}"
            command = [*self._qemu(cpu, root, self.root), python, *_PROGRAM]
            flags = [f"--count={self.plugin is not None:d}", "--answer=0"]
            arguments = [str(sounds), str(folder / "out.npz"), str(features)]
            _run_guest([*command, *flags, *arguments], _clean())
        done.touch()

    def _root(self, cpuinfo: str, folder: Path) -> Path:
        root = sysroot(self.root, cpuinfo, folder / "root")
        (root / "wheels").symlink_to(self.wheels)
        (root / "project").symlink_to(self.project)
        return root

    def _qemu(self, cpu: Cpu, root: Path, top: Path, **environment: str) -> list[str]:
        """QEMU with the guest's environment; `top` is the folder of Debian's files to Python."""
        inside = top == Path("/")
        folders = [Path("/project"), Path("/wheels")] if inside else [self.project, self.wheels]
        path = [*folders, top / "usr/lib/python3/dist-packages"]
        values = {"PYTHONPATH": ":".join(map(str, path)), **_ENVIRONMENT, **environment}
        if self.system.arch == "armhf":
            libraries = top / "usr/lib/arm-linux-gnueabihf"
            values["LD_LIBRARY_PATH"] = f"{libraries}/blas:{libraries}/lapack"
        settings = [word for pair in values.items() for word in ("-E", "=".join(pair))]
        return [self.system.emulator, "-cpu", cpu.name, "-seed", "1", "-L", str(root), *settings]


def run_natively(wheels: Path, project: Path, sounds: Path) -> Run:
    """The same program on this machine, with the same versions."""
    environment = _clean() | _ENVIRONMENT | {"PYTHONPATH": f"{project}:{wheels}"}
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out.npz"
        command = [sys.executable, *_PROGRAM, "--count=0", "--answer=1"]
        told = _run_guest([*command, str(sounds), str(out)], environment)
        return Run(told["software"], {}, _load(out))


def regions(names: Sequence[str], lines: Sequence[str]) -> dict[str, Count]:
    """Counts by the regions' names, of the plugin's lines: a mark before and a mark after each.

    A region that was counted twice gives its second count; the two may differ by `NOISE`. Raises
    EmulationError when lines and names do not fit, or two counts differ by more.
    """
    if len(lines) != 2 * len(names):
        raise EmulationError(
            f"{len(names)} regions were marked, so {2 * len(names)} marks must have been counted,"
            f" got {len(lines)}: something else called getppid"
        )
    found: dict[str, Count] = {}
    for name, line in zip(names, lines[1::2], strict=True):
        count = Count(*map(int, line.split()))
        before = found.get(name, count)
        if abs(count.total - before.total) > NOISE * before.total:
            raise EmulationError(
                f"{name} took {before.total} instructions and then {count.total}: it is not steady"
            )
        found[name] = count
    return found


def _run_guest(command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        how = f"exit code {done.returncode}"
        if done.returncode < 0:
            how = signal.Signals(-done.returncode).name
        raise EmulationError(f"{' '.join(command[:6])} ... ended with {how}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _load(out: Path) -> dict[str, npt.NDArray[np.float32]]:
    if not out.exists():
        return {}
    with np.load(out) as arrays:
        return dict(arrays)


def _clean() -> dict[str, str]:
    """The environment without what would tell Python where to look."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
