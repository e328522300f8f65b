"""What machine this is, as Linux tells it; what it does not tell is left out."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc import __version__
from edge_asc.interpreter import runtime_name

PACKAGES = ("numpy", "soxr", "soundfile", "ai-edge-litert", "tflite-runtime")

_X86 = ("x86_64", "amd64", "i686")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to ask; tests have folders of their own."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    vcgencmd: str | None = shutil.which("vcgencmd")
    """The Raspberry Pi's program to ask its firmware"""
    machine: str = platform.machine()
    """As `uname -m`"""

    def read(self, path: Path) -> str:
        """The text of a file of the system's, "" if it is not there or not for us."""
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return ""

    def number(self, path: Path) -> float | None:
        """The number that a file holds, None without one."""
        text = self.read(path)
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def device_facts(machine: Machine) -> dict[str, Any]:
    """`Result.device`."""
    facts = {
        "model": machine.read(machine.proc / "device-tree" / "model"),
        "machine": machine.machine,
        "cpu": cpu_name(machine),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "memory_mb": _ram_mb(machine),
        "kernel": platform.release(),
        "system": system_name(machine),
        "python": platform.python_version(),
        "governor": governor(machine),
        "max_clock_mhz": max_clock_mhz(machine),
        "emulated": emulation(machine),
        "virtual": virtualization(machine),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def software_versions() -> dict[str, str]:
    """`Result.software`. Raises InterpreterError without an interpreter."""
    versions = {"edge-asc": __version__, "interpreter": runtime_name()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**versions, **_blas()}


def cpu_name(machine: Machine) -> str:
    """As /proc/cpuinfo names it: a name on x86, implementer and part on ARM, the board apart."""
    text = machine.read(machine.proc / "cpuinfo")
    if name := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
        return name[1].strip()
    part = _first(text, "CPU part")
    return _PARTS.get(part, f"CPU part {part}") if part else ""


_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xc07": "Cortex-A7",
}
"""MIDR_EL1's part numbers of Arm's own cores, from their technical reference manuals."""


def governor(machine: Machine) -> str:
    """How the clock is chosen, "" where nobody tells; all of them where cores differ."""
    cpus = machine.sys / "devices" / "system" / "cpu"
    found = {machine.read(path) for path in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(found - {""}))


def max_clock_mhz(machine: Machine) -> float | None:
    """The highest clock of the fastest core."""
    cpus = machine.sys / "devices" / "system" / "cpu"
    found = [machine.number(path) for path in cpus.glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    khz = [value for value in found if value]
    return max(khz) / 1e3 if khz else None


def emulation(machine: Machine) -> str:
    """By what sign the processor is known to be emulated, "" without one.

    qemu-user hands most of /proc on as it is: the process is still called after the emulator, and
    cpuinfo is that of the real processor, unless somebody put another file there.
    """
    name = machine.read(machine.proc / "self" / "comm")
    if name.startswith("qemu-"):
        return f"the process is called {name}"
    text = machine.read(machine.proc / "cpuinfo")
    vendor = _first(text, "vendor_id")
    if vendor and machine.machine not in _X86:
        return f"/proc/cpuinfo is of {vendor}, the system says {machine.machine}"
    if "QEMU TCG" in text or "QEMU Virtual CPU" in text:
        return f"the processor is {cpu_name(machine)}"
    return ""


def virtualization(machine: Machine) -> str:
    """By what sign this is a virtual machine, "" without one."""
    text = machine.read(machine.proc / "cpuinfo")
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    if flags and "hypervisor" in flags[1].split():
        return "the processor's flag `hypervisor`"
    return machine.read(machine.sys / "hypervisor" / "type")


def system_name(machine: Machine) -> str:
    """As "Debian GNU/Linux 12 (bookworm)"."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def memory_mb(status: str) -> Mapping[str, float]:
    """`rss_mb` and `peak_mb` of the text of /proc/PID/status."""
    kib = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    names = {"VmRSS": "rss_mb", "VmHWM": "peak_mb"}
    return {names[name]: int(value) * 1024 / 1e6 for name, value in kib.items()}


def _ram_mb(machine: Machine) -> int | None:
    text = machine.read(machine.proc / "meminfo")
    kib = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return round(int(kib[1]) * 1024 / 1e6) if kib else None


def _first(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _blas() -> dict[str, str]:
    """What multiplies numpy's matrices, where this numpy tells (from 1.26 on)."""
    import numpy as np

    try:
        show_config: Any = np.show_config
        config = show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return {"blas": f"{blas['name']} {blas['version']}"}
    except (TypeError, KeyError):
        return {}
