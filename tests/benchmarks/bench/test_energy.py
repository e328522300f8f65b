"""Joules of every kind of meter, from files and a chip that stand in for them."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from edge_asc.benchmarks.bench.energy import (
    CONSTANT,
    Constant,
    Counter,
    EnergyBook,
    Integrator,
    find_meters,
)
from edge_asc.benchmarks.bench.ina219 import Ina219, Place, open_ina219
from edge_asc.benchmarks.bench.result import BenchError
from tests.benchmarks.bench.machines import make_machine

PACKAGE = "sys/class/powercap/intel-rapl:0"
HWMON = "sys/class/hwmon/hwmon3"


def test_a_machine_without_a_meter_has_none(tmp_path: Path) -> None:
    assert find_meters(make_machine(tmp_path, {})) == []


def test_a_constant_is_called_what_it_is() -> None:
    now = iter([10.0, 14.0])
    meter = Constant(2.5, clock=lambda: next(now))
    assert meter.name == CONSTANT
    before, after = meter.joules(), meter.joules()
    assert after - before == pytest.approx(10.0)  # 4 s at 2.5 W


def test_rapl_has_a_meter_for_each_package_and_none_for_their_parts(tmp_path: Path) -> None:
    files = {
        f"{PACKAGE}/name": "package-0\n",
        f"{PACKAGE}/energy_uj": "1000000\n",
        f"{PACKAGE}/max_energy_range_uj": "262143328850\n",
        "sys/class/powercap/intel-rapl:1/name": "psys\n",
        "sys/class/powercap/intel-rapl:1/energy_uj": "7000000\n",
        "sys/class/powercap/intel-rapl:0:0/name": "core\n",
        "sys/class/powercap/intel-rapl:0:0/energy_uj": "500000\n",
    }
    machine = make_machine(tmp_path, files, "x86_64")
    meter, board = find_meters(machine)
    assert (meter.name, board.name) == ("RAPL package-0", "RAPL psys")
    assert meter.joules() == 0.0
    (tmp_path / PACKAGE / "energy_uj").write_text("3500000\n")
    assert meter.joules() == pytest.approx(2.5)
    assert board.joules() == 0.0


def test_a_counter_that_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "energy_uj"
    path.write_text("9000000\n")
    meter = Counter("RAPL package-0", path, 10_000_000.0)
    path.write_text("2000000\n")
    assert meter.joules() == pytest.approx(3.0)  # 1 J up to the end, 2 J from 0 on


def test_what_may_not_be_read_is_no_meter(tmp_path: Path) -> None:
    """As RAPL for everybody but the superuser; a folder cannot be read by that one neither."""
    machine = make_machine(tmp_path, {f"{PACKAGE}/name": "package-0\n"})
    (machine.sys / "class/powercap/intel-rapl:0/energy_uj").mkdir()
    assert find_meters(machine) == []
    (constant,) = find_meters(machine, watts=4.0)
    assert constant.name == CONSTANT


def test_hwmon_energy_and_power(tmp_path: Path) -> None:
    files = {
        f"{HWMON}/name": "ina2xx\n",
        f"{HWMON}/energy1_input": "700000\n",
        f"{HWMON}/power1_input": "1250000\n",
    }
    energy, power = find_meters(make_machine(tmp_path, files))
    assert energy.name == "hwmon ina2xx energy1_input"
    assert power.name == "hwmon ina2xx power1_input"
    (tmp_path / HWMON / "energy1_input").write_text("900000\n")
    assert energy.joules() == pytest.approx(0.2)
    times_s = [time.monotonic()]
    before = power.joules()
    times_s += [time.monotonic()]
    time.sleep(0.05)
    times_s += [time.monotonic()]
    used = power.joules() - before
    times_s += [time.monotonic()]
    power.close()
    # 1.25 W all the time, which is longer than the inner two moments are apart
    assert 1.25 * (times_s[2] - times_s[1]) <= used + 1e-9
    assert used <= 1.25 * (times_s[3] - times_s[0]) + 1e-9


def test_power_is_added_up_by_the_mean_of_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    watts = iter([2.0, 4.0, 6.0])
    now_s = iter([0.0, 1.0, 3.0])
    monkeypatch.setattr("edge_asc.benchmarks.bench.energy._SAMPLES_PER_S", 1e-6)
    monkeypatch.setattr("edge_asc.benchmarks.bench.energy.time.monotonic", lambda: next(now_s))
    meter = Integrator("a meter", lambda: next(watts))
    assert meter.joules() == pytest.approx(3.0)
    assert meter.joules() == pytest.approx(3.0 + 2 * 5.0)
    meter._stop.set()


class Falling:
    """A meter whose cable comes off."""

    name = "falling"

    def __init__(self) -> None:
        self._left = 3

    def joules(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        return 10.0 - self._left

    def close(self) -> None:
        pass


def test_the_book_counts_what_lies_between(monkeypatch: pytest.MonkeyPatch) -> None:
    book = EnergyBook([Falling()])
    with book.measuring("m", "window", 2) as answers:
        answers.append(40)
    (row,) = book.rows
    assert (row.model, row.way, row.meter, row.joules) == ("m", "window", "falling", 1.0)
    assert (row.answers, row.threads) == (40, 2)


def test_a_meter_that_fails_on_the_way_is_left_out_and_told() -> None:
    book = EnergyBook([Falling(), Constant(1.0)])
    for _ in range(3):
        with book.measuring("m", "live"):
            pass
    assert [row.meter for row in book.rows].count("falling") == 1
    assert [row.meter for row in book.rows].count(CONSTANT) == 3
    assert book.faults == ["the meter falling failed: Remote I/O error"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1:0x40", Place(1, 0x40, 0.1)),
        ("1:64:0.05", Place(1, 0x40, 0.05)),
        ("10:0x4F:.01", Place(10, 0x4F, 0.01)),
    ],
)
def test_where_the_chip_is(text: str, place: Place) -> None:
    assert Place.parse(text) == place


@pytest.mark.parametrize("text", ["", "1", "1:0x40:", "1:0x30", "1:0x40:0", "/dev/i2c-1:0x40"])
def test_where_it_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match="got"):
        Place.parse(text)


class Chip:
    """Registers behind a bus: writes choose one, reads give it, the high byte first."""

    def __init__(self, registers: dict[int, int]) -> None:
        self.registers = registers

    def transfer(self, written: bytes, size: int) -> bytes:
        return self.registers[written[0]].to_bytes(size, "big")


def test_power_is_voltage_times_current() -> None:
    """The data sheet's example (SBOS448F, table 3): 11.98 V, 20 mV over 2 mohm make 119.8 W."""
    chip = Ina219(Place(1, 0x40, 0.002), Chip({0: 0x019F, 1: 0x07D0, 2: 0x5D98}).transfer)
    assert chip.name == "INA219 at 0x40 of i2c-1, 0.002 ohm"
    assert chip.watts() == pytest.approx(119.8)


def test_a_shunt_that_is_the_other_way_round() -> None:
    """-320 mV is 0x8300 in two's complement (data sheet, shunt voltage register)."""
    chip = Ina219(Place(1, 0x40), Chip({0: 0x399F, 1: 0x8300, 2: 5000 // 4 << 3}).transfer)
    assert chip.watts() == pytest.approx(5.0 * 3.2)


@pytest.mark.parametrize("configuration", [0x3998, 0x399C])
def test_a_chip_that_is_off(configuration: int) -> None:
    with pytest.raises(BenchError, match="switched off"):
        Ina219(Place(1, 0x40), Chip({0: configuration}).transfer)


def test_no_bus_and_no_chip(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"dev/i2c-2": "a file, which takes no ioctl"})
    for bus in (1, 2):
        with pytest.raises(BenchError, match=f"no INA219 answers at 0x41 of .*i2c-{bus}: "):
            open_ina219(Place(bus, 0x41), machine.dev)
