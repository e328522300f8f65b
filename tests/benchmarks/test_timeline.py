"""The judge of streams: it must refuse what is wrong, or tests that trust it prove nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from edge_asc.benchmarks.timeline import GapLine, Timeline, TimelineError, joined

NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)


def estimate(end_s: float, *, after_gap: bool = False, late_s: float = 0.0) -> dict[str, Any]:
    return {
        "type": "estimate",
        "start_s": end_s - 10,
        "end_s": end_s,
        "after_gap": after_gap,
        "time": (NOON + timedelta(seconds=end_s + late_s)).isoformat(),
    }


def gap(start_s: float, end_s: float, lost_s: float) -> dict[str, Any]:
    times = {"start_s": start_s, "end_s": end_s, "lost_s": lost_s, "time": None}
    return {"type": "gap", **times, "cause": "unplugged"}


def timeline_of(*lines: dict[str, Any]) -> Timeline:
    timeline = Timeline()
    for line in lines:
        timeline.add(line)
    return timeline


def test_a_stream_with_a_gap() -> None:
    timeline = timeline_of(
        estimate(10),
        estimate(11),
        gap(11, 15.5, 4),
        estimate(25.5, after_gap=True),
        estimate(26.5),
    )
    assert timeline.num_estimates == 4
    assert (timeline.estimated_s, timeline.gap_s, timeline.lost_s) == (22.0, 4.5, 4.0)
    assert timeline.covered_s == timeline.estimated_s + timeline.gap_s


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([estimate(11)], "begins its window elsewhere"),
        ([estimate(10), estimate(12)], "is not one hop on"),
        ([estimate(10), estimate(10)], "is not one hop on"),
        ([estimate(10) | {"start_s": 1}], "begins its window elsewhere"),
        ([estimate(10), estimate(11) | {"start_s": 0}], "is not a window long"),
        ([estimate(10), gap(10.5, 15, 4)], "leaves a hole or overlaps"),
        ([estimate(10), gap(9, 15, 4)], "leaves a hole or overlaps"),
        ([estimate(10), gap(10, 15, 6)], "lost more than it spans"),
        ([estimate(10), gap(10, 15, 0)], "lost more than it spans"),
        ([estimate(10), gap(10, 15, 4), estimate(25)], "is wrong about the gap before it"),
        ([estimate(10, after_gap=True)], "is wrong about the gap before it"),
        (
            [gap(0, 5, 5), estimate(15, after_gap=True), estimate(16, after_gap=True)],
            "is wrong about the gap before it",
        ),
    ],
)
def test_what_is_refused(lines: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(TimelineError, match=message):
        timeline_of(*lines)


def test_the_time_of_day_is_compared_with_the_stream() -> None:
    timeline = timeline_of(estimate(10), estimate(11, late_s=0.5), estimate(12, late_s=2.0))
    assert timeline.clock_ahead_s == pytest.approx(2.0)


def test_gaps_without_an_estimate_between_them_are_one() -> None:
    first, second, third = (
        GapLine(start_s, start_s + 5, 4.0, cause, None)
        for start_s, cause in ((10, "late"), (15, "full"), (40, "late"))
    )
    assert joined([first, second, third]) == [GapLine(10, 20, 8.0, "late; full", None), third]
