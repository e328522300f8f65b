"""History as a chart and as a table."""

from __future__ import annotations

import csv
import io
import math
from datetime import datetime

import pytest

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Message
from edge_asc.web.chart import MAX_POINTS, chart, csv_lines, iso
from edge_asc.web.history import MemoryHistory
from tests.web.history_material import BEGIN_S, SCENES, gap, report, seconds

HOUR_S = 3_600.0


@pytest.fixture
def history() -> MemoryHistory:
    """A bus for ten minutes, five lost ones, a bar for five."""
    made = MemoryHistory(SCENES)
    messages: list[Message] = [*seconds("bus", 0, 600, 0.0), gap(600.0, 900.0)]
    for message in [*messages, *seconds("bar", 910, 1_200, 900.0)]:
        made.add(message)
    return made


def test_an_hour_has_a_point_for_each_ten_seconds_that_were_heard(history: MemoryHistory) -> None:
    drawn = chart(history, BEGIN_S - HOUR_S, BEGIN_S + 1_200.0)
    assert (drawn["kept"], drawn["step_s"], drawn["scenes"]) == ("memory", 10, SCENES)
    points = drawn["points"]
    assert len(points) == 61 + 30
    assert points[0] == {
        "time": "2026-05-17T06:00:05.000Z",
        "level_dbfs": -40.0,
        "probabilities": [0.8, 0.1, 0.1],
    }
    assert points[-1]["probabilities"] == [0.1, 0.1, 0.8]
    assert drawn["spans"] == [
        {
            "scene": "bus",
            "start": "2026-05-17T06:00:00.000Z",
            "end": "2026-05-17T06:10:00.000Z",
            "confidence": 0.8,
        },
        {
            "scene": "bar",
            "start": "2026-05-17T06:15:00.000Z",
            "end": "2026-05-17T06:20:00.000Z",
            "confidence": 0.8,
        },
    ]
    (lost,) = drawn["gaps"]
    assert lost == {
        "start": "2026-05-17T06:10:00.000Z",
        "end": "2026-05-17T06:15:00.000Z",
        "lost_s": 299.5,
        "cause": "it was unplugged",
    }
    assert (drawn["since"], drawn["until"]) == (
        "2026-05-17T05:00:00.000Z",
        "2026-05-17T06:20:00.000Z",
    )


@pytest.mark.parametrize("hours", [0.01, 1, 3, 24, 24 * 7, 24 * 31, 24 * 366])
def test_there_are_never_many_points(history: MemoryHistory, hours: float) -> None:
    drawn = chart(history, BEGIN_S + 1_200.0 - hours * HOUR_S, BEGIN_S + 1_200.0)
    assert hours * HOUR_S / drawn["step_s"] < MAX_POINTS
    assert 1 <= len(drawn["points"]) <= 91


def test_a_point_is_the_mean_of_what_was_told_in_its_time() -> None:
    history = MemoryHistory(SCENES)
    for end_s, level in [(5.0, -50.0), (15.0, -30.0), (45.0, None), (130.0, -math.inf)]:
        history.add(report("bus" if end_s < 10.0 else "bar", end_s, level=level))
    first, second = chart(history, BEGIN_S - 23 * HOUR_S, BEGIN_S + 200.0)["points"]
    assert first["level_dbfs"] == -40.0
    assert first["probabilities"] == pytest.approx([0.3333, 0.1, 0.5667])
    assert second["level_dbfs"] is None


def test_an_empty_history_is_a_chart_without_anything() -> None:
    drawn = chart(MemoryHistory(SCENES), BEGIN_S, BEGIN_S + HOUR_S)
    assert drawn["points"] == drawn["spans"] == drawn["gaps"] == []


def test_the_table_has_a_line_for_each_row() -> None:
    history = MemoryHistory(SCENES)
    for item in (
        report("metro", 1.25, level=-31.26),
        report(None, 11.0, None, level=None),
        report(UNKNOWN_SCENE, 21.0),
    ):
        history.add(item)
    text = b"".join(csv_lines(history, BEGIN_S, BEGIN_S + HOUR_S)).decode("ascii")
    assert text.splitlines() == [
        "time,scene,confidence,level_dbfs,bus,metro,bar",
        "2026-05-17T06:00:01.250Z,metro,0.8000,-31.3,0.1000,0.8000,0.1000",
        "2026-05-17T06:00:11.000Z,,,,0.1000,0.1000,0.1000",
        "2026-05-17T06:00:21.000Z,unknown,,-40.0,0.1000,0.1000,0.1000",
    ]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert datetime.fromisoformat(rows[0]["time"].replace("Z", "+00:00")).timestamp() == (
        BEGIN_S + 1.25
    )


def test_times_are_written_in_utc() -> None:
    assert iso(BEGIN_S + 0.0015) == "2026-05-17T06:00:00.001Z"
