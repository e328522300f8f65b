"""The last day in memory: means of ten seconds, spans of scenes, gaps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Message
from edge_asc.web.history import MAX_SPANS, MemoryHistory, Rows, Span, SpanMaker
from tests.sample_messages import CHANGE, HEALTH
from tests.web.history_material import BEGIN_S, SCENES, gap, report, seconds

BELIEF: Any = pytest.approx(0.8)
"""Of every decided scene"""


def remembered(*messages: Message) -> MemoryHistory:
    history = MemoryHistory(SCENES)
    for message in messages:
        history.add(message)
    return history


def all_rows(history: MemoryHistory) -> Rows:
    return np.concatenate(list(history.rows(-math.inf, math.inf)))


def test_ten_seconds_become_one_row_with_their_means() -> None:
    quiet, loud = report("bus", 21.0, level=-50.0), report("bar", 22.0, level=-30.0)
    history = remembered(quiet, loud, report("metro", 31.0))
    rows = all_rows(history)
    assert (rows["time_s"] - BEGIN_S).tolist() == [22.0, 31.0]
    assert rows["scene"].tolist() == [SCENES.index("bar"), SCENES.index("metro")]
    assert rows["level_dbfs"].tolist() == [-40.0, -40.0]
    np.testing.assert_allclose(rows["probabilities"][0], [0.45, 0.1, 0.45], atol=1e-6)
    assert history.newest_s() == BEGIN_S + 31.0


def test_before_anything_was_told_there_is_nothing() -> None:
    history = remembered(HEALTH, CHANGE)
    assert history.newest_s() is None
    assert len(all_rows(history)) == 0
    assert history.spans(-math.inf, math.inf) == []
    assert history.gaps(-math.inf, math.inf) == []


@pytest.mark.parametrize("level", [None, -math.inf])
def test_a_level_that_is_not_known_is_not_a_level(level: float | None) -> None:
    rows = all_rows(remembered(report("bus", 1.0, level=level)))
    assert math.isnan(rows["level_dbfs"][0])


def test_what_is_not_decided_and_what_is_unknown_have_numbers_of_their_own() -> None:
    rows = all_rows(remembered(report(None, 1.0, None), report(UNKNOWN_SCENE, 11.0)))
    assert rows["scene"].tolist() == [-2, -1]


def test_only_the_time_that_is_asked_for_is_read() -> None:
    history = remembered(*seconds("bus", 0, 100, 0.0), gap(100.0, 120.0), gap(200.0, 210.0))
    (rows,) = history.rows(BEGIN_S + 30.0, BEGIN_S + 60.0)
    assert (rows["time_s"] - BEGIN_S).tolist() == [39.0, 49.0, 59.0]
    assert len(history.gaps(BEGIN_S + 110.0, BEGIN_S + 115.0)) == 1
    assert len(history.spans(BEGIN_S + 101.0, BEGIN_S + 200.0)) == 0


def test_a_day_is_kept_and_no_more() -> None:
    history = MemoryHistory(SCENES)
    for minute in range(3 * 1440):
        for tenth in range(6):
            history.add(report("bus", 60.0 * minute + 10.0 * tenth, since_s=float(minute)))
    rows = all_rows(history)
    assert rows["time_s"][-1] - rows["time_s"][0] == 86_400.0
    assert np.all(np.diff(rows["time_s"]) == 10.0)
    assert history._ring.nbytes < 1_000_000


def test_spans_and_gaps_are_bounded() -> None:
    history = MemoryHistory(SCENES)
    for number in range(MAX_SPANS + 100):
        history.add(report(SCENES[number % 3], 100.0 * number, 100.0 * number))
        history.add(gap(100.0 * number, 100.0 * number + 50.0))
    assert len(history.spans(-math.inf, math.inf)) == MAX_SPANS + 1
    assert len(history.gaps(-math.inf, math.inf)) == MAX_SPANS


def test_a_recording_without_a_time_of_day_that_is_heard_fast_takes_bounded_memory() -> None:
    history = remembered(*(replace(item, time=None) for item in seconds("bus", 0, 3_000, 0.0)))
    assert len(history._point) <= 100


def test_reports_of_one_scene_are_one_span() -> None:
    reports = [*seconds("bus", 10, 30, 2.0), *seconds("bar", 30, 40, 24.0)]
    history = remembered(*reports)
    assert history.spans(-math.inf, math.inf) == [
        # The bar began, by estimate, before the bus was last told.
        Span("bus", BEGIN_S + 2.0, BEGIN_S + 24.0, BELIEF),
        Span("bar", BEGIN_S + 24.0, BEGIN_S + 40.0, BELIEF),
    ]


def test_a_span_outlasts_a_short_gap() -> None:
    short = remembered(*seconds("bus", 10, 20, 0.0), gap(20.0, 40.0), *seconds("bus", 50, 60, 0.0))
    assert len(short.spans(-math.inf, math.inf)) == 1
    (lost,) = short.gaps(-math.inf, math.inf)
    assert (lost.start_s - BEGIN_S, lost.end_s - BEGIN_S) == (20.0, 40.0)
    assert (lost.lost_s, lost.cause) == (19.5, "it was unplugged")


def test_when_the_clock_is_set_a_scene_does_not_begin_before_that() -> None:
    long = remembered(*seconds("bus", 10, 20, 0.0), *seconds("bus", 100, 110, 0.0))
    ends = [(span.start_s - BEGIN_S, span.end_s - BEGIN_S) for span in long.spans(0.0, math.inf)]
    assert ends == [(0.0, 20.0), (101.0, 110.0)]


def test_nothing_decided_ends_a_span_and_an_unknown_scene_is_one_without_belief() -> None:
    reports = [
        *seconds("bus", 10, 20, 0.0),
        report(None, 21.0, None),
        *seconds(UNKNOWN_SCENE, 21, 25, 21.0),
    ]
    spans = remembered(*reports).spans(-math.inf, math.inf)
    assert [(span.scene, span.end_s - BEGIN_S) for span in spans] == [
        ("bus", 20.0),
        (UNKNOWN_SCENE, 25.0),
    ]
    assert spans[1].confidence is None


def test_without_decisions_the_likeliest_scene_counts_from_when_it_was_first_told() -> None:
    maker = SpanMaker()
    for item in seconds("bar", 10, 15, None):
        assert maker.add(replace(item, decision=None), BEGIN_S + item.estimate.end_s) is None
    belief: Any = pytest.approx(1 / 3)
    assert maker.open == Span("bus", BEGIN_S + 11.0, BEGIN_S + 15.0, belief)
