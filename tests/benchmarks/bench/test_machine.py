"""What is told of boards, PCs, emulators and machines that hide what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.benchmarks.bench.machine import (
    Machine,
    device_facts,
    emulation,
    governor,
    memory_mb,
    software_versions,
)
from tests.benchmarks.bench.machines import CORES_A53, PC, make_machine, zero_2_w


def test_a_raspberry_pi(tmp_path: Path) -> None:
    facts = device_facts(zero_2_w(tmp_path))
    assert facts["model"] == "Raspberry Pi Zero 2 W Rev 1.0"
    assert (facts["machine"], facts["cpu"]) == ("aarch64", "Cortex-A53")
    assert (facts["memory_mb"], facts["max_clock_mhz"]) == (442, 1000.0)  # 431868 * 1024 / 1e6
    assert facts["governor"] == "ondemand"
    assert not {"emulated", "virtual"} & facts.keys()


def test_what_nobody_tells_is_absent(tmp_path: Path) -> None:
    facts = device_facts(make_machine(tmp_path, {}, "riscv64"))
    known = {"machine", "cores", "cores_allowed", "kernel", "system", "python"}
    assert facts.keys() <= known
    assert facts["machine"] == "riscv64"


def test_what_may_not_be_read_is_absent(tmp_path: Path) -> None:
    """A folder where a file should be cannot be read, by the superuser neither."""
    machine = make_machine(tmp_path, {"proc/cpuinfo/x": "", "sys/class/thermal/x": ""})
    cpufreq = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    for name in ("scaling_governor", "cpuinfo_max_freq"):
        (cpufreq / name).mkdir(parents=True)
    facts = device_facts(machine)
    assert not {"cpu", "governor", "max_clock_mhz"} & facts.keys()


def test_a_core_of_another_maker_keeps_its_number(tmp_path: Path) -> None:
    text = CORES_A53.replace("0xd03", "0xabc")
    assert device_facts(make_machine(tmp_path, {"proc/cpuinfo": text}))["cpu"] == "CPU part 0xabc"


def test_governors_that_differ_are_all_told(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    machine = make_machine(
        tmp_path,
        {
            f"{cpu}/cpu0/cpufreq/scaling_governor": "schedutil\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu2/cpufreq/scaling_governor": "performance\n",
        },
    )
    assert governor(machine) == "performance, schedutil"


@pytest.mark.parametrize(
    ("name", "files", "sign"),
    [
        (
            "aarch64",
            {"proc/self/comm": "qemu-aarch64\n", "proc/cpuinfo": CORES_A53},
            "the process is called qemu-aarch64",
        ),
        (
            "aarch64",
            {"proc/self/comm": "python3\n", "proc/cpuinfo": PC},
            "/proc/cpuinfo is of GenuineIntel, the system says aarch64",
        ),
        (
            "x86_64",
            {"proc/cpuinfo": PC.replace("Intel(R) N100", "QEMU TCG CPU version 2.5+")},
            "the processor is QEMU TCG CPU version 2.5+",
        ),
        ("x86_64", {"proc/cpuinfo": PC}, ""),
        ("aarch64", {"proc/cpuinfo": CORES_A53}, ""),
        ("aarch64", {}, ""),
    ],
)
def test_signs_of_emulation(tmp_path: Path, name: str, files: dict[str, str], sign: str) -> None:
    assert emulation(make_machine(tmp_path, files, name)) == sign


def test_a_virtual_machine(tmp_path: Path) -> None:
    text = PC.replace("fma", "fma hypervisor")
    facts = device_facts(make_machine(tmp_path, {"proc/cpuinfo": text}, "x86_64"))
    assert facts["virtual"] == "the processor's flag `hypervisor`"


def test_memory_of_a_process() -> None:
    found = memory_mb("Name:\tpython3\nVmHWM:\t   62500 kB\nVmRSS:\t   50000 kB\n")
    assert found == {"rss_mb": pytest.approx(51.2), "peak_mb": pytest.approx(64.0)}


def test_numbers_are_read_strictly(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"sys/a": "-1500\n", "sys/b": "1e3 mW\n", "sys/c": ""})
    assert [machine.number(machine.sys / name) for name in "abcd"] == [-1500.0, None, None, None]


def test_this_machine_and_its_packages() -> None:
    facts = device_facts(Machine())
    assert facts["cores"] >= facts["cores_allowed"] >= 1
    assert software_versions().keys() >= {"edge-asc", "interpreter", "numpy", "soxr"}
