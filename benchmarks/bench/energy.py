"""Energy, where a meter exists: counters of the processor or the board, power that is added up.

- RAPL of x86 processors: /sys/class/powercap, energy of each package, or of the whole board
  ("psys"), in microjoules, which wraps: a meter each
- hwmon: `energy*_input` in microjoules, else `power*_input` in microwatts, of any sensor chip
- an INA219, where the user says it is (ina219.py)
- a constant that the user gives, called so
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from edge_asc.benchmarks.bench.ina219 import Place, open_ina219
from edge_asc.benchmarks.bench.machine import Machine
from edge_asc.benchmarks.bench.result import Energy

CONSTANT = "constant given by the user"
_SAMPLES_PER_S = 20.0


class Meter(Protocol):
    """Counts joules."""

    name: str

    def joules(self) -> float:
        """Since some moment in the past. Raises OSError."""

    def close(self) -> None:
        """Stop counting."""


@dataclass(slots=True)
class Constant:
    """What the user says the machine takes, whatever it does."""

    watts: float
    clock: Callable[[], float] = time.monotonic
    name: str = CONSTANT

    def joules(self) -> float:
        return self.watts * self.clock()

    def close(self) -> None:
        """Nothing is open."""


class Counter:
    """A file that counts microjoules."""

    def __init__(self, name: str, path: Path, wraps_at: float | None = None) -> None:
        """`wraps_at`: where it begins anew. Raises OSError and ValueError if it holds no number."""
        self.name, self._path, self._wraps_at = name, path, wraps_at
        self._last = _number(path)
        self._joules = 0.0

    def joules(self) -> float:
        """Must be called at least once between two wraps: minutes to hours."""
        now = _number(self._path)
        step = now - self._last
        if step < 0.0:
            step += self._wraps_at or 0.0
        self._last = now
        self._joules += max(0.0, step) * 1e-6
        return self._joules

    def close(self) -> None:
        """Nothing is open."""


class Integrator:
    """Adds up the power that `watts` tells, in a thread."""

    def __init__(self, name: str, watts: Callable[[], float]) -> None:
        """Raises what `watts` raises at once; what it raises later ends the count."""
        self.name, self._watts = name, watts
        self._lock = threading.Lock()
        self._joules, self._at_s, self._power = 0.0, time.monotonic(), watts()
        self._error: OSError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._count, name="energy meter", daemon=True)
        self._thread.start()

    def joules(self) -> float:
        if self._error is not None:
            raise self._error
        self.sample()
        return self._joules

    def sample(self) -> None:
        """Add what was used since the last time, by the mean of the power then and now."""
        with self._lock:
            power, now_s = self._watts(), time.monotonic()
            self._joules += 0.5 * (power + self._power) * (now_s - self._at_s)
            self._power, self._at_s = power, now_s

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._stop.wait(1.0 / _SAMPLES_PER_S):
            try:
                self.sample()
            except OSError as error:
                self._error = error
                return


def find_meters(
    machine: Machine, watts: float | None = None, ina219: Place | None = None
) -> list[Meter]:
    """What the machine has, and what the user names; each counts for itself.

    Raises BenchError for an INA219 that does not answer.
    """
    meters: list[Meter] = []
    if ina219 is not None:
        chip = open_ina219(ina219, machine.dev)
        meters.append(Integrator(chip.name, chip.watts))
    for find in (_rapl, _hwmon_energy, _hwmon_power):
        try:
            meters += find(machine)
        except (OSError, ValueError):  # there, but not for us: RAPL is for root
            continue
    return meters if watts is None else [*meters, Constant(watts)]


def _rapl(machine: Machine) -> list[Meter]:
    zones = sorted((machine.sys / "class" / "powercap").glob("intel-rapl:*"))
    return [
        Counter(
            f"RAPL {machine.read(zone / 'name')}",
            zone / "energy_uj",
            machine.number(zone / "max_energy_range_uj"),
        )
        for zone in zones
        if zone.name.count(":") == 1  # the others are parts of these
    ]


def _hwmon_energy(machine: Machine) -> list[Meter]:
    paths = (machine.sys / "class" / "hwmon").glob("hwmon*/energy*_input")
    return [Counter(_chip(machine, path), path) for path in sorted(paths)]


def _hwmon_power(machine: Machine) -> list[Meter]:
    paths = (machine.sys / "class" / "hwmon").glob("hwmon*/power*_input")
    return [Integrator(_chip(machine, path), partial(_watts, path)) for path in sorted(paths)]


def _watts(path: Path) -> float:
    return _number(path) * 1e-6


def _chip(machine: Machine, path: Path) -> str:
    return f"hwmon {machine.read(path.parent / 'name')} {path.name}"


def _number(path: Path) -> float:
    return float(path.read_text(encoding="ascii"))


class EnergyBook:
    """What every meter counted while something was measured."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = list(meters)
        self.rows: list[Energy] = []
        self.faults: list[str] = []
        """Meters that failed on the way; they are left out from there on"""

    def look(self) -> None:
        """To be called every few minutes, for counters that wrap."""
        self._joules()

    @contextmanager
    def measuring(self, model: str | None, way: str, threads: int = 1) -> Iterator[list[int]]:
        """What is done within goes into a row of each meter; answers are counted in the list."""
        answers: list[int] = []
        before, began_s = self._joules(), time.perf_counter()
        try:
            yield answers
        finally:
            seconds = time.perf_counter() - began_s
            for name, joules in self._joules().items():
                used = joules - before[name]
                self.rows.append(Energy(way, name, used, seconds, sum(answers), model, threads))

    def _joules(self) -> dict[str, float]:
        found = {}
        for meter in tuple(self._meters):
            try:
                found[meter.name] = meter.joules()
            except OSError as error:
                self._meters.remove(meter)
                self.faults.append(f"the meter {meter.name} failed: {error.strerror or error}")
        return found
