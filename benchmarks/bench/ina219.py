"""The power monitor INA219 (TI SBOS448G), as on Adafruit's and Waveshare's boards, over I2C.

Only asked, never set: from power-on it measures again and again, and no other program that uses it
is disturbed. Whatever its ranges, a shunt voltage counts 10 uV and a bus voltage 4 mV.

It is asked only where the user says that it is: other chips share its addresses.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_asc.benchmarks.bench.result import BenchError

I2C_SLAVE = 0x0703
"""ioctl of Linux's i2c-dev: which chip is written to and read from; EBUSY where the kernel's own
driver has it (then it is found as hwmon)"""

USUAL_OHMS = 0.1

_CONFIGURATION, _SHUNT, _BUS = 0, 1, 2
_MODE = 0b111
_OFF = (0b000, 0b100)
"""Modes in which it measures nothing: powered down, converter off"""

Transfer = Callable[[bytes, int], bytes]
"""Writes bytes to the chip, then reads so many from it"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the chip is, and the shunt that it measures at."""

    bus: int
    address: int
    ohms: float = USUAL_OHMS

    @classmethod
    def parse(cls, text: str) -> Place:
        """Of "BUS:ADDRESS" or "BUS:ADDRESS:OHMS", as 1:0x40:0.1. Raises ValueError."""
        found = re.fullmatch(r"(\d+):(0x[0-9a-fA-F]+|\d+)(?::(\d*\.?\d+))?", text)
        if found is None:
            raise ValueError(f"must be BUS:ADDRESS[:OHMS], for instance 1:0x40:0.1, got {text!r}")
        place = cls(int(found[1]), int(found[2], 0), float(found[3] or USUAL_OHMS))
        if not 0x40 <= place.address <= 0x4F or place.ohms <= 0.0:
            raise ValueError(
                "an INA219 has an address from 0x40 to 0x4f and a shunt of more than 0 ohm, got"
                f" {place.address:#x} and {place.ohms:g}"
            )
        return place


class Ina219:
    """One chip."""

    def __init__(self, place: Place, transfer: Transfer) -> None:
        """Raises BenchError if it is switched off, OSError if nobody answers."""
        self.name = f"INA219 at {place.address:#x} of i2c-{place.bus}, {place.ohms:g} ohm"
        self._ohms, self._transfer = place.ohms, transfer
        if self._register(_CONFIGURATION) & _MODE in _OFF:
            raise BenchError(f"{self.name} is switched off by its configuration; reset it")

    def watts(self) -> float:
        """Bus voltage times the current through the shunt. Raises OSError."""
        shunt = self._register(_SHUNT)
        shunt -= 0x1_0000 if shunt & 0x8000 else 0
        volts = (self._register(_BUS) >> 3) * 4e-3
        return abs(volts * shunt * 1e-5 / self._ohms)

    def _register(self, number: int) -> int:
        return int.from_bytes(self._transfer(bytes([number]), 2), "big")


def open_ina219(place: Place, dev: Path) -> Ina219:
    """The chip at a place. Raises BenchError if it does not answer."""
    bus = dev / f"i2c-{place.bus}"
    try:
        return Ina219(place, _connect(bus, place.address))
    except OSError as error:
        raise BenchError(
            f"no INA219 answers at {place.address:#x} of {bus}: {error.strerror}; `i2cdetect -y"
            f" {place.bus}` lists who does, and the group `i2c` may ask"
        ) from error


def _connect(bus: Path, address: int) -> Transfer:
    handle = os.open(bus, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, I2C_SLAVE, address)
    except OSError:
        os.close(handle)
        raise

    def transfer(written: bytes, size: int) -> bytes:
        os.write(handle, written)
        return os.read(handle, size)

    return transfer
