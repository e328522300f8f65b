"""A serial port of this machine, with errors that say what to do. The only file with pyserial."""

from __future__ import annotations

import errno
import termios
from dataclasses import dataclass
from pathlib import Path

import serial

from edge_asc.errors import SourceError

DEFAULT_BAUD = 921_600
"""USB ports that are no real serial line take any; for a real one it must be the device's."""

READ_WAIT_S = 0.1
_WRITE_WAIT_S = 2.0

_WHERE = ("serial/by-id/*", "ttyACM*", "ttyUSB*", "ttyAMA*", "cu.usb*")
"""Below /dev: Linux, and macOS last"""


@dataclass(frozen=True, slots=True)
class PortName:
    """What the user calls a port: PORT or PORT:BAUD."""

    path: str
    baud: int

    @classmethod
    def parse(cls, text: str) -> PortName:
        """Raises ValueError. A path may hold colons, as those in /dev/serial/by-path do."""
        path, colon, baud = text.rpartition(":")
        if not colon or not baud.isdecimal() or Path(text).exists():
            path, baud = text, str(DEFAULT_BAUD)
        if not path:
            raise ValueError(
                f"must be a port, as /dev/ttyACM0, or PORT:BAUD, got {text!r}{_ports_here()}"
            )
        if not 300 <= int(baud) <= 20_000_000:
            raise ValueError(f"BAUD must be from 300 to 20000000, got {baud}")
        return cls(path, int(baud))


class SerialPort:
    """An open port that no other program may open meanwhile. Raises SourceError throughout."""

    def __init__(self, name: PortName) -> None:
        self._name = name
        try:
            self._port = serial.Serial(
                name.path,
                name.baud,
                timeout=READ_WAIT_S,
                write_timeout=_WRITE_WAIT_S,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as error:
            raise SourceError(_why_not(name, error)) from error

    def read(self) -> bytes:
        """What came; nothing if nothing did for `READ_WAIT_S`."""
        try:
            data: bytes = self._port.read(max(1, self._port.in_waiting))
        except (OSError, termios.error) as error:
            raise self._gone(error) from error
        return data

    def write(self, data: bytes) -> None:
        """Hand all of `data` to the system."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise SourceError(
                f"{self._name.path} takes nothing: {_WRITE_WAIT_S:g} s for {len(data)} bytes; is"
                " a flow control of the device in the way?"
            ) from error
        except (OSError, termios.error) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        self._port.close()

    def _gone(self, error: Exception) -> SourceError:
        return SourceError(f"{self._name.path} is gone, unplugged perhaps ({error})")


def _why_not(name: PortName, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"there is no port {name.path}{_ports_here()}"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"no permission to open {name.path}; on most systems the group dialout may:"
            " sudo usermod -aG dialout $USER, then log in again"
        )
    if number in (errno.EBUSY, errno.EWOULDBLOCK):
        return (
            f"{name.path} is in use by another program, a serial monitor perhaps (fuser"
            f" {name.path} tells which); end that first"
        )
    if isinstance(error, ValueError):
        return f"{name.path} cannot run at {name.baud} baud ({error}); name another, as 115200"
    return f"{name.path} cannot be opened as a serial port: {error}"


def _ports_here() -> str:
    """The ports that this machine seems to have, as the end of a sentence."""
    found = [str(path) for where in _WHERE for path in sorted(Path("/dev").glob(where))]
    return f"; there are {', '.join(found)}" if found else "; none is plugged in"
