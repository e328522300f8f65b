"""What is found on machines made up of a few files: boards, containers, sandboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.doctor import machine
from edge_asc.doctor.finding import Finding, Subject

CORE_A53 = """processor\t: {number}
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd03
CPU revision\t: 4

"""
CORE_A76 = CORE_A53.replace(
    "fp asimd evtstrm crc32 cpuid",
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
    " asimddp",
)
PC = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def board(folder: Path, files: dict[str, str], name: str = "aarch64") -> Subject:
    """A machine with these files below proc, sys and dev, and nothing else."""
    write(folder, files)
    return Subject(
        proc_folder=folder / "proc",
        sys_folder=folder / "sys",
        dev_folder=folder / "dev",
        machine=name,
        is_64_bit=True,
        vcgencmd=None,
    )


@pytest.fixture
def zero_2_w(tmp_path: Path) -> Subject:
    """A Raspberry Pi Zero 2 W, cool and at rest."""
    return board(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
            "proc/cpuinfo": "".join(CORE_A53.format(number=number) for number in range(4)),
            "proc/meminfo": "MemTotal:         431868 kB\nMemFree:  101000 kB\n"
            "MemAvailable:     276656 kB\n",
            "sys/devices/system/cpu/possible": "0-3\n",
            "sys/devices/system/cpu/present": "0-3\n",
            "sys/class/thermal/thermal_zone0/temp": "47236\n",
        },
    )


@pytest.fixture
def pi_5(tmp_path: Path) -> Subject:
    """A hot Raspberry Pi 5 with a weak power supply."""
    vcgencmd = tmp_path / "vcgencmd"
    vcgencmd.write_text('#!/bin/sh\n[ "$*" = get_throttled ] && echo throttled=0x50005\n')
    vcgencmd.chmod(0o755)
    subject = board(
        tmp_path,
        {
            "proc/cpuinfo": "".join(CORE_A76.format(number=number) for number in range(4)),
            "sys/class/thermal/thermal_zone0/temp": "61000\n",
            "sys/class/thermal/thermal_zone1/temp": "84650\n",
        },
    )
    return replace(subject, vcgencmd=str(vcgencmd))


@pytest.fixture
def container(tmp_path: Path) -> Subject:
    """A container whose /proc and /sys are hidden."""
    return board(tmp_path, {}, "x86_64")


Check = Callable[[Subject], Iterator[Finding]]


def only(check: Check, subject: Subject) -> Finding:
    (finding,) = check(subject)
    return finding


def test_a_board_in_order(zero_2_w: Subject) -> None:
    platform = only(machine.check_platform, zero_2_w)
    assert platform.state == "ok"
    assert platform.found.endswith("Raspberry Pi Zero 2 W Rev 1.0, aarch64, 64-bit Python")
    assert list(machine.check_processor(zero_2_w)) == [
        Finding("processor", "ok", "4 cores with asimd"),
        Finding("processor list", "ok", "cores 0-3 of 0-3"),
    ]
    # 276656 kB of 1024 bytes
    memory = Finding("memory", "ok", "283 MB of 442 MB available")
    assert only(machine.check_memory, zero_2_w) == memory
    assert only(machine.check_temperature, zero_2_w) == Finding("temperature", "ok", "47 °C")
    assert only(machine.check_throttling, zero_2_w).state == "not checked"


def test_a_hot_board_with_a_weak_supply(pi_5: Subject) -> None:
    assert next(machine.check_processor(pi_5)).found == "4 cores with asimd, asimddp"
    hot = only(machine.check_temperature, pi_5)
    assert (hot.state, hot.found) == ("warning", "85 °C")
    assert "heat sink" in hot.advice
    throttling = only(machine.check_throttling, pi_5)
    assert throttling.state == "problem"
    # 0x5 is bits 0 and 2 of https://www.raspberrypi.com/documentation/computers/os.html
    expected = "now: the supply voltage is too low, it is slowed down (0x50005)"
    assert throttling.found == expected
    assert "power supply" in throttling.advice


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ("echo throttled=0x0", "ok", "never since the start (0x0)"),
        ("echo throttled=0x8", "problem", "now: it is near its temperature limit (0x8)"),
        (
            "echo throttled=0xa0000",
            "warning",
            "not now, but since the start: the processor's clock is limited, it is near its"
            " temperature limit (0xa0000)",
        ),
        (
            "echo Can\\'t open device file: /dev/vcio >&2; exit 1",
            "not checked",
            "vcgencmd says: Can't open device file: /dev/vcio",
        ),
    ],
)
def test_what_the_firmware_says(pi_5: Subject, script: str, state: str, found: str) -> None:
    Path(str(pi_5.vcgencmd)).write_text(f"#!/bin/sh\n{script}\n")
    finding = only(machine.check_throttling, pi_5)
    assert (finding.state, finding.found) == (state, found)


def test_firmware_that_cannot_be_asked(pi_5: Subject) -> None:
    Path(str(pi_5.vcgencmd)).chmod(0o644)
    finding = only(machine.check_throttling, pi_5)
    assert finding.state == "not checked"
    assert "vcgencmd failed" in finding.found


def test_a_container_that_hides_the_machine(container: Subject) -> None:
    processor, listed = machine.check_processor(container)
    assert (processor.state, listed.state) == ("problem", "warning")
    assert "cpuinfo does not tell what the processor can do: LiteRT crashes" in processor.found
    assert "sys/devices/system/cpu cannot be read" in listed.found
    for check in (machine.check_memory, machine.check_temperature):
        assert only(check, container).state == "not checked"


def test_little_memory(tmp_path: Path) -> None:
    meminfo = "MemTotal:  431868 kB\nMemAvailable:  97656 kB\n"  # 99.9997 MB
    subject = board(tmp_path, {"proc/meminfo": meminfo})
    finding = only(machine.check_memory, subject)
    assert (finding.state, finding.found) == ("warning", "100 MB of 442 MB available")
    write(tmp_path, {"proc/meminfo": meminfo.replace("97656", "97657")})
    assert only(machine.check_memory, subject).state == "ok"


@pytest.mark.parametrize(
    ("name", "cpuinfo", "state", "found"),
    [
        ("x86_64", PC, "ok", "2 cores with avx2"),
        ("x86_64", PC.replace("avx2", ""), "warning", "2 cores without avx2"),
        ("riscv64", "processor : 0\nisa : rv64imafdc\n", "ok", "1 core"),
    ],
)
def test_processors(tmp_path: Path, name: str, cpuinfo: str, state: str, found: str) -> None:
    finding = next(machine.check_processor(board(tmp_path, {"proc/cpuinfo": cpuinfo}, name)))
    assert (finding.state, finding.found) == (state, found)


@pytest.mark.parametrize(
    ("name", "is_64_bit", "architecture", "state", "advice"),
    [
        ("aarch64", True, 8, "ok", ""),
        ("armv6l", False, 7, "problem", "use a Raspberry Pi Zero 2 W, 3 or newer"),
        ("armv7l", False, 7, "warning", "docs/install.md tells"),
        ("armv7l", False, 8, "warning", "this processor can run a 64-bit system: install that"),
        ("aarch64", False, 8, "warning", "this processor can run a 64-bit system: install that"),
        ("arm64", True, 8, "warning", "tried on x86_64 and aarch64"),
        ("riscv64", True, 0, "warning", "tried on x86_64 and aarch64"),
    ],
)
def test_platforms(
    tmp_path: Path, name: str, is_64_bit: bool, architecture: int, state: str, advice: str
) -> None:
    subject = board(tmp_path, {"proc/cpuinfo": f"CPU architecture: {architecture}\n"}, name)
    finding = only(machine.check_platform, replace(subject, is_64_bit=is_64_bit))
    assert finding.state == state
    assert finding.advice.startswith(advice) or advice in finding.advice
    assert bool(finding.advice) == bool(advice)


def test_the_clock(zero_2_w: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "clock_doubt", lambda sys_folder: None)
    assert only(machine.check_clock, zero_2_w).state == "ok"
    monkeypatch.setattr(machine, "clock_doubt", lambda sys_folder: f"no RTC in {sys_folder}")
    finding = only(machine.check_clock, zero_2_w)
    assert finding.state == "warning"
    assert finding.found.endswith(f": no RTC in {zero_2_w.sys_folder}")
    assert "timedatectl set-ntp true" in finding.advice
