"""Where a time axis has ticks, and what stands there: whole minutes, hours and days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_TICKS = 10

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY_S * days for days in (1, 2, 7, 14, 28)),
)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Ticks in seconds of the axis, with their labels, and the name of the axis."""

    ticks_s: list[float]
    labels: list[str]
    name: str


def time_axis(start_s: float, end_s: float, begins: datetime | None) -> TimeAxis:
    """The axis from `start_s` to `end_s`; with the time of day where that at 0 s is known."""
    length_s = end_s - start_s
    step_s = next((step for step in _STEPS_S if length_s / step <= MOST_TICKS), 0)
    step_s = step_s or _DAY_S * math.ceil(length_s / _DAY_S / MOST_TICKS)
    if begins is None:
        ticks_s = _multiples(start_s, end_s, step_s)
        name = "time since the beginning" + (", h:min" if end_s >= _HOUR_S else ", min:s")
        return TimeAxis(ticks_s, [_clock(tick, end_s) for tick in ticks_s], name)
    return _time_of_day(start_s, end_s, step_s, begins)


def _time_of_day(start_s: float, end_s: float, step_s: int, begins: datetime) -> TimeAxis:
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    before_s = (begins - midnight).total_seconds()
    since_s = _multiples(start_s + before_s, end_s + before_s, step_s)
    moments = [midnight + timedelta(seconds=seconds) for seconds in since_s]
    labels, told = [], None
    for moment in moments:
        day = f"{moment:%a} {moment.day} {moment:%b}"
        clock = f"{moment:%H:%M}" if step_s >= _MINUTE_S else f"{moment:%H:%M:%S}"
        label = clock if moment.date() == told else f"{clock}\n{day}"
        labels.append(day if step_s >= _DAY_S else label)
        told = moment.date()
    name = "day" if step_s >= _DAY_S else "time of day"
    return TimeAxis([seconds - before_s for seconds in since_s], labels, name + _zone(begins))


def _zone(moment: datetime) -> str:
    offset = moment.utcoffset()
    if offset is None:
        return ""
    minutes = round(offset.total_seconds() / 60)
    sign = "+" if minutes >= 0 else "-"
    return f" (UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02})"


def _multiples(start_s: float, end_s: float, step_s: int) -> list[float]:
    first, last = math.ceil(start_s / step_s), math.floor(end_s / step_s)
    return [float(step_s * count) for count in range(first, last + 1)]


def _clock(seconds: float, longest_s: float) -> str:
    whole = round(seconds)
    if longest_s >= _HOUR_S:
        return f"{whole // 3600}:{whole % 3600 // 60:02}"
    return f"{whole // 60}:{whole % 60:02}"
