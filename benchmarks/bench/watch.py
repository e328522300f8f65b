"""Looks at the machine while it is measured: heat, clock, throttling, and who else uses it."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_asc.benchmarks.bench.machine import Machine
from edge_asc.benchmarks.bench.result import Moment
from edge_asc.doctor.machine import THROTTLED_NOW

_EVERY_S = 1.0
_VCGENCMD_TIMEOUT_S = 5.0
_PAST_SHIFT = 16
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def temperature_c(machine: Machine) -> float | None:
    """Of the hottest thermal zone."""
    zones = (machine.sys / "class" / "thermal").glob("thermal_zone*/temp")
    found = [value for zone in zones if (value := machine.number(zone)) is not None]
    return max(found) / 1e3 if found else None


def clock_mhz(machine: Machine) -> float | None:
    """Of the fastest core, as the kernel set it."""
    cpus = (machine.sys / "devices" / "system" / "cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    found = [value for path in cpus if (value := machine.number(path)) is not None]
    return max(found) / 1e3 if found else None


def firmware_bits(machine: Machine) -> int | None:
    """What the Raspberry Pi's firmware says of power and heat; None where it says nothing.

    Bits as in THROTTLED_NOW; _PAST_SHIFT higher, those that were set at any time since the start.
    """
    if machine.vcgencmd is None:
        return None
    command = [machine.vcgencmd, "get_throttled"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = re.fullmatch(r"throttled=(0x[0-9a-fA-F]+)", done.stdout.strip())
    return None if told is None else int(told[1], 16)


def throttled(bits: int, bits_before: int) -> str:
    """What is so now, or has become so for a moment since `bits_before` were asked, in words."""
    past, past_before = bits >> _PAST_SHIFT, bits_before >> _PAST_SHIFT
    told = bits | past & ~past_before
    return "; ".join(text for bit, text in THROTTLED_NOW.items() if told >> bit & 1)


def load_1min(machine: Machine) -> float | None:
    """Processes that ran or wanted to, averaged over a minute."""
    words = machine.read(machine.proc / "loadavg").split()
    return float(words[0]) if words else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of all cores, since the machine started."""

    busy_s: float
    stolen_s: float
    """By other virtual machines"""


def usage(machine: Machine) -> Usage | None:
    """What /proc/stat says, None without it."""
    found = re.search(r"^cpu +([\d ]+)$", machine.read(machine.proc / "stat"), re.MULTILINE)
    if found is None:
        return None
    ticks = [int(word) for word in found[1].split()]
    user, nice, system, _idle, _wait, irq, soft_irq, *rest = ticks
    stolen = rest[0] if rest else 0
    return Usage((user + nice + system + irq + soft_irq) / _TICKS_PER_S, stolen / _TICKS_PER_S)


def busy_cores(
    machine: Machine, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> float | None:
    """How many cores are at work while this process waits for `seconds`; None if unknown."""
    before = usage(machine)
    sleep(seconds)
    after = usage(machine)
    return None if before is None or after is None else (after.busy_s - before.busy_s) / seconds


@dataclass(slots=True)
class Watch:
    """Samples by time, and the machine's use by others; `look` is called between measurements."""

    machine: Machine
    clock: Callable[[], float] = time.perf_counter
    every_s: float = _EVERY_S
    timeline: list[Moment] = field(default_factory=list)
    wall_s: float = 0.0
    """Of what was measured flat out, ..."""
    cpu_s: float = 0.0
    """... and how much of that this process ran"""
    switches: int = 0
    """How often it was taken off its core meanwhile"""
    began_s: float = 0.0
    _next_s: float = 0.0
    _asks_firmware: bool = True
    _bits: int | None = None
    _before: tuple[Usage, float] | None = None

    def begin(self) -> None:
        """Time 0 of the run."""
        self.began_s = self._next_s = self.clock()
        use = usage(self.machine)
        self._before = None if use is None else (use, _own_cpu_s())
        self.look()

    @property
    def now_s(self) -> float:
        """Since the run began."""
        return self.clock() - self.began_s

    def look(self, *, now: bool = False) -> bool:
        """Take a sample, if it is time for one; whether it was."""
        if self.clock() < self._next_s and not now:
            return False
        machine = self.machine
        self.timeline.append(
            Moment(
                round(self.now_s, 3),
                temperature_c(machine),
                clock_mhz(machine),
                self._ask_firmware(),
                load_1min(machine),
            )
        )
        self._next_s = self.clock() + self.every_s
        return True

    def _ask_firmware(self) -> str | None:
        bits = firmware_bits(self.machine) if self._asks_firmware else None
        if bits is None:
            self._asks_firmware = False  # a program that hangs is asked once
            return None
        before, self._bits = self._bits, bits
        return throttled(bits, bits if before is None else before)

    def run(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What `measure` returns; notes how much of its time this process really ran."""
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        cpu_s, began_s = time.process_time(), self.clock()
        laps = measure()
        self.wall_s += self.clock() - began_s
        self.cpu_s += time.process_time() - cpu_s
        self.switches += resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
        return laps

    def use(self) -> dict[str, float]:
        """What else used the machine since the beginning; what is not known is not in it.

        `others_cores`, `stolen_cores`; `away_share`: of the time measured, how much this process
        did not run; `involuntary_switches` meanwhile.
        """
        found: dict[str, float] = {}
        use, passed_s = usage(self.machine), self.now_s
        if use is not None and self._before is not None and passed_s > 0.0:
            before, own_s = self._before
            others_s = use.busy_s - before.busy_s - (_own_cpu_s() - own_s)
            found["others_cores"] = max(0.0, others_s / passed_s)
            found["stolen_cores"] = max(0.0, (use.stolen_s - before.stolen_s) / passed_s)
        if self.wall_s > 0.0:
            found["away_share"] = max(0.0, 1.0 - self.cpu_s / self.wall_s)
            found["involuntary_switches"] = self.switches
        return found


def _own_cpu_s() -> float:
    """Of this process and those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
