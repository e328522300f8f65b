"""Machines made up of a few files."""

from __future__ import annotations

from pathlib import Path

from edge_asc.benchmarks.bench.machine import Machine

CORES_A53 = (
    "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n"
    "Model\t\t: Raspberry Pi Zero 2 W Rev 1.0\n"
)
PC = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) N100\n"
    "flags\t\t: fpu sse4_2 avx avx2 fma\n"
)
STAT = "cpu  1000 200 300 9000 50 60 40 30 0 0\ncpu0 500 100 150 4500 25 30 20 15 0 0\n"
"""By proc(5): user nice system idle iowait irq softirq steal, in hundredths of a second."""


def make_machine(
    folder: Path, files: dict[str, str], name: str = "aarch64", vcgencmd: str | None = None
) -> Machine:
    """A machine with these files below proc, sys and dev, and nothing else."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    program = None
    if vcgencmd is not None:
        program = str(folder / "vcgencmd")
        Path(program).write_text(f"#!/bin/sh\n{vcgencmd}\n")
        Path(program).chmod(0o755)
    return Machine(folder / "proc", folder / "sys", folder / "dev", program, name)


def zero_2_w(folder: Path, vcgencmd: str | None = "echo throttled=0x0") -> Machine:
    """A Raspberry Pi Zero 2 W with the system's usual settings."""
    cpu = "sys/devices/system/cpu/cpu0/cpufreq"
    return make_machine(
        folder,
        {
            "proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
            "proc/cpuinfo": CORES_A53,
            "proc/meminfo": "MemTotal:         431868 kB\nMemFree:  101000 kB\n",
            "proc/loadavg": "0.25 0.10 0.05 1/97 1234\n",
            "proc/stat": STAT,
            "proc/self/comm": "python3\n",
            f"{cpu}/scaling_governor": "ondemand\n",
            f"{cpu}/scaling_cur_freq": "600000\n",
            f"{cpu}/cpuinfo_max_freq": "1000000\n",
            "sys/class/thermal/thermal_zone0/temp": "48312\n",
        },
        vcgencmd=vcgencmd,
    )
