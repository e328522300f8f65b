"""The clock of a device, told in this machine's time: Cristian's algorithm (1989).

host     t0 ---------- request          answer ---------- t3
                              t1 .. t2                          the device's clock
offset = ((t1 - t0) + (t2 - t3)) / 2, off by half of (t3 - t0) - (t2 - t1) at most
"""

from __future__ import annotations

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link.controls import TimeAnswer

JUMP_S = 1.0
"""Crystals do not differ by so much within minutes; a device whose clock does was reset."""

_AGE_S = 300.0
"""After so long another answer takes the place of a better one: crystals differ by 0.05 s then."""


class DeviceClock:
    """Follows a device's clock; of several answers the quickest one counts."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._round_trip_s = 0.0
        self._measured_s = 0.0

    @property
    def known(self) -> bool:
        return self._offset_s is not None

    def add(self, answer: TimeAnswer, arrived_s: float) -> None:
        """Take in an answer that came at `arrived_s`. Raises LinkError if the clock jumped."""
        asked_s, received_s = answer.host_us / 1e6, answer.received_us / 1e6
        sent_s = answer.sent_us / 1e6
        round_trip_s = (arrived_s - asked_s) - (sent_s - received_s)
        offset_s = ((received_s - asked_s) + (sent_s - arrived_s)) / 2
        if self._offset_s is not None and abs(offset_s - self._offset_s) > (
            JUMP_S + (round_trip_s + self._round_trip_s) / 2
        ):
            change_s = offset_s - self._offset_s
            raise LinkError(f"the device's clock jumped by {change_s:.1f} s: it was reset")
        old = arrived_s - self._measured_s > _AGE_S
        if self._offset_s is None or old or round_trip_s <= self._round_trip_s:
            self._offset_s, self._round_trip_s = offset_s, round_trip_s
            self._measured_s = arrived_s

    def moment_s(self, device_us: int) -> float:
        """This machine's clock when the device's showed `device_us`; only if `known`."""
        assert self._offset_s is not None
        return device_us / 1e6 - self._offset_s
