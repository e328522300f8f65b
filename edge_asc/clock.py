"""Two clocks: one that only runs, for gaps, and one that people read, for time stamps."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

STEP_S = 2.0
"""The wall clock has been set, not just trimmed, when it is off by more than this."""

_FOLLOW = 0.02
"""Share of a small difference that is made up for with each reading: ten a second make it up in
seconds, and the jitter of one reading hardly shows."""

_RTC_AGREES_S = 24 * 3600.0

_STA_UNSYNC = 0x40
"""adjtimex(2): nobody has told the kernel the time."""


def elapsed_s() -> float:
    """Seconds since some moment; nobody sets this clock, and on Linux it counts suspended time."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux only
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class WallClock:
    """Tells the wall-clock time of moments of `elapsed_s`.

    It follows the system's clock slowly, so that the jitter of a reading does not show; when that
    clock is set, it follows at once, and `say` is told.
    """

    def __init__(
        self, say: Callable[[str], None], *, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._say, self._wall_s = say, wall_s
        self._offset_s: float | None = None

    def at(self, moment_s: float) -> datetime:
        """Local time, with its zone, `moment_s` being about now."""
        offset_s = self._wall_s() - elapsed_s()
        if self._offset_s is None:
            self._offset_s = offset_s
        change_s = offset_s - self._offset_s
        if abs(change_s) > STEP_S:
            direction = "forward" if change_s > 0 else "back"
            self._say(f"the clock was set {direction} by {timedelta(seconds=round(abs(change_s)))}")
            self._offset_s = offset_s
        else:
            self._offset_s += _FOLLOW * change_s
        return datetime.fromtimestamp(moment_s + self._offset_s).astimezone()


def clock_doubt(sys_folder: Path = Path("/sys"), run_folder: Path = Path("/run")) -> str | None:
    """Why the wall clock may be wrong, None if it can be trusted.

    A Raspberry Pi has no battery-backed clock: until the network has told it the time, it goes on
    from when it was switched off.
    """
    if (run_folder / "systemd/timesync/synchronized").exists() or _kernel_is_synchronized():
        return None
    for rtc in sorted((sys_folder / "class/rtc").glob("rtc*")):
        try:
            rtc_s = float((rtc / "since_epoch").read_text())
        except (OSError, ValueError):
            continue
        if abs(rtc_s - time.time()) < _RTC_AGREES_S:
            return None
    return "the clock has not been set since the start: no time from the network (NTP), no RTC"


class _Timex(ctypes.Structure):
    """The head of `struct timex` of <sys/timex.h>, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def _kernel_is_synchronized() -> bool:
    """Raises OSError only for what cannot happen to a reader of the clock."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):  # not Linux: such systems keep their clock
        return True
    timex = _Timex()
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        if number in (errno.EPERM, errno.ENOSYS):  # a sandbox forbids even to ask
            return False
        raise OSError(number, os.strerror(number))
    return not timex.status & _STA_UNSYNC
