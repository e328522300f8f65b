"""The machine: board, processor, memory, heat, clock."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from edge_asc.clock import clock_doubt
from edge_asc.doctor.finding import Finding, Subject

LISTENING_MB = 100
"""The most that listening takes, all its processes together."""

HOT_C = 80.0
"""Raspberry Pis slow down from 80 degrees on, and strongly from 85:
https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#frequency-management-and-thermal-control
"""

THROTTLED_NOW = {
    0: "the supply voltage is too low",
    1: "the processor's clock is limited",
    2: "it is slowed down",
    3: "it is near its temperature limit",
}
"""Bits of `vcgencmd get_throttled`; 16 higher, what was so since the start.
https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
"""
_PAST_SHIFT = 16

_FEATURES = {
    "aarch64": ("asimd", "asimddp", "i8mm"),
    "armv7l": ("neon", "asimd"),
    "x86_64": ("avx2", "avx_vnni", "avx512_vnni"),
}
"""What int8 networks gain from, in /proc/cpuinfo's words; the first one matters most."""

_VCGENCMD_TIMEOUT_S = 5.0


def check_platform(subject: Subject) -> Iterator[Finding]:
    """Board, processor family and word size."""
    board = _read(subject.proc_folder / "device-tree" / "model").strip("\0\n ")
    bits = "64" if subject.is_64_bit else "32"
    known = ", ".join(filter(None, (board, subject.machine, f"{bits}-bit Python")))
    yield _platform_finding(subject, f"{platform.system()}, {known}")


def _platform_finding(subject: Subject, found: str) -> Finding:
    machine = subject.machine
    if machine.startswith(("armv5", "armv6")):
        return Finding(
            "platform",
            "problem",
            f"{found}: no interpreter exists for this processor",
            "use a Raspberry Pi Zero 2 W, 3 or newer",
        )
    if machine.startswith("armv") or (machine == "aarch64" and not subject.is_64_bit):
        cpuinfo = _read(subject.proc_folder / "cpuinfo")
        can_64 = machine == "aarch64" or re.search(r"CPU architecture\s*: 8", cpuinfo)
        advice = "docs/install.md tells what works on 32-bit systems"
        if can_64:
            advice = f"this processor can run a 64-bit system: install that; else {advice}"
        return Finding("platform", "warning", f"{found}: LiteRT is for 64-bit systems only", advice)
    if machine not in ("x86_64", "aarch64"):
        advice = "edge-asc is tried on x86_64 and aarch64; see whether the model check passes"
        return Finding("platform", "warning", found, advice)
    return Finding("platform", "ok", found)


def check_processor(subject: Subject) -> Iterator[Finding]:
    """Instructions that int8 kernels use, and whether the interpreter can find out about them."""
    yield _instructions(subject, _read(subject.proc_folder / "cpuinfo"))
    folder = subject.sys_folder / "devices" / "system" / "cpu"
    numbers = [_read(folder / name).strip() for name in ("possible", "present")]
    if all(numbers):
        yield Finding("processor list", "ok", f"cores {numbers[1]} of {numbers[0]}")
        return
    advice = "let the container or sandbox see it, read-only"
    found = f"{folder} cannot be read: LiteRT may crash without"
    yield Finding("processor list", "warning", found, advice)


def _instructions(subject: Subject, cpuinfo: str) -> Finding:
    wanted = _FEATURES.get(subject.machine, ())
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    if not cpuinfo or (wanted and flags is None):
        path = subject.proc_folder / "cpuinfo"
        found = f"{path} does not tell what the processor can do: LiteRT crashes without"
        return Finding("processor", "problem", found, "let the container or sandbox see it")
    has = [name for name in wanted if flags and name in flags[1].split()]
    cores = len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE))
    found = f"{cores} {'core' if cores == 1 else 'cores'}"
    if wanted and wanted[0] not in has:
        advice = "int8 networks are slow without; is the emulator or hypervisor hiding it?"
        return Finding("processor", "warning", f"{found} without {wanted[0]}", advice)
    return Finding("processor", "ok", f"{found} with {', '.join(has)}" if has else found)


def check_memory(subject: Subject) -> Iterator[Finding]:
    """Whether there is room to listen."""
    sizes = dict(
        re.findall(r"^(\w+): +(\d+) kB", _read(subject.proc_folder / "meminfo"), re.MULTILINE)
    )
    if not {"MemTotal", "MemAvailable"} <= sizes.keys():
        yield Finding("memory", "not checked", f"{subject.proc_folder / 'meminfo'} does not tell")
        return
    kib = [int(sizes[name]) for name in ("MemTotal", "MemAvailable")]
    total_mb, available_mb = (size * 1024 / 1e6 for size in kib)
    found = f"{available_mb:.0f} MB of {total_mb:.0f} MB available"
    if available_mb >= LISTENING_MB:
        yield Finding("memory", "ok", found)
        return
    advice = f"listening takes up to {LISTENING_MB} MB: end other programs"
    yield Finding("memory", "warning", found, advice)


def check_temperature(subject: Subject) -> Iterator[Finding]:
    """The hottest thermal zone."""
    zones = sorted((subject.sys_folder / "class" / "thermal").glob("thermal_zone*/temp"))
    texts = [_read(zone).strip() for zone in zones]
    degrees = [int(text) / 1000 for text in texts if re.fullmatch(r"-?\d+", text)]
    if not degrees:
        yield Finding("temperature", "not checked", "this machine does not tell its temperature")
    elif max(degrees) < HOT_C:
        yield Finding("temperature", "ok", f"{max(degrees):.0f} °C")
    else:
        advice = "a heat sink or a place with air: hot processors are slowed down"
        yield Finding("temperature", "warning", f"{max(degrees):.0f} °C", advice)


def check_throttling(subject: Subject) -> Iterator[Finding]:
    """What a Raspberry Pi's firmware says of power and heat."""
    name = "throttling"
    if subject.vcgencmd is None:
        yield Finding(name, "not checked", "no vcgencmd: not a Raspberry Pi, or not its system")
        return
    command = [subject.vcgencmd, "get_throttled"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding(name, "not checked", f"vcgencmd failed: {error}")
        return
    told = re.fullmatch(r"throttled=(0x[0-9a-fA-F]+)", done.stdout.strip())
    if told is None:
        said = " ".join((done.stdout + done.stderr).split())
        advice = "the group `video` may ask: sudo usermod -aG video USER"
        yield Finding(name, "not checked", f"vcgencmd says: {said}", advice)
        return
    bits = int(told[1], 16)
    now = [text for bit, text in THROTTLED_NOW.items() if bits >> bit & 1]
    past = [text for bit, text in THROTTLED_NOW.items() if bits >> (bit + _PAST_SHIFT) & 1]
    advice = "a power supply as the board wants, with a short cable; cooling if it is hot"
    if now:
        yield Finding(name, "problem", f"now: {', '.join(now)} ({told[1]})", advice)
    elif past:
        since = f"not now, but since the start: {', '.join(past)} ({told[1]})"
        yield Finding(name, "warning", since, advice)
    else:
        yield Finding(name, "ok", f"never since the start ({told[1]})")


def check_clock(subject: Subject) -> Iterator[Finding]:
    """Whether the time of day, which the model may use, can be trusted."""
    now = datetime.now().astimezone()
    found = f"{now.isoformat(' ', 'minutes')}, time zone {now.tzname()}"
    doubt = clock_doubt(subject.sys_folder)
    if doubt is None:
        yield Finding("clock", "ok", found)
        return
    advice = (
        "let the system take the time from the network (timedatectl set-ntp true); if you know"
        " that it is right, --trust-clock. Until then the time counts as unknown"
    )
    yield Finding("clock", "warning", f"{found}: {doubt}", advice)


def _read(path: Path) -> str:
    """The text of a file of the system's, "" if it is not there or not for us."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
