"""Where a time axis has ticks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from edge_asc.plot.ticks import MOST_TICKS, time_axis

CHINA = timezone(timedelta(hours=8))


def test_seconds_of_a_recording() -> None:
    axis = time_axis(0.0, 75.0, None)
    assert axis.ticks_s == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    assert axis.labels[-2:] == ["1:00", "1:10"]
    assert axis.name == "time since the beginning, min:s"


def test_hours_of_a_recording() -> None:
    axis = time_axis(0.0, 3 * 3600.0, None)
    assert axis.labels == ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00"]
    assert axis.name == "time since the beginning, h:min"


def test_times_of_day_are_whole_and_a_day_is_told_once() -> None:
    begins = datetime(2026, 5, 17, 22, 50, 7, tzinfo=CHINA)
    axis = time_axis(0.0, 4 * 3600.0, begins)
    assert axis.labels[:4] == ["23:00\nSun 17 May", "23:30", "00:00\nMon 18 May", "00:30"]
    assert axis.ticks_s[0] == 593.0
    assert axis.name == "time of day (UTC+08:00)"


def test_seconds_are_told_where_a_step_has_them() -> None:
    axis = time_axis(0.0, 30.0, datetime(2026, 5, 17, 22, 50))
    assert axis.labels[:2] == ["22:50:00\nSun 17 May", "22:50:05"]
    assert axis.name == "time of day"


def test_a_week_has_days() -> None:
    axis = time_axis(0.0, 7 * 86_400.0, datetime(2026, 5, 17, 12, tzinfo=CHINA))
    assert axis.labels[0] == "Mon 18 May"
    assert axis.name == "day (UTC+08:00)"
    assert len(axis.labels) == 7


@pytest.mark.parametrize("length_s", [0.5, 3.0, 59.0, 3600.0, 86_400.0, 4e6, 4e7, 9e8])
def test_there_are_never_too_many(length_s: float) -> None:
    for begins in (None, datetime(2026, 5, 17, 12, tzinfo=CHINA)):
        axis = time_axis(0.0, length_s, begins)
        assert len(axis.ticks_s) == len(axis.labels) <= MOST_TICKS + 1
