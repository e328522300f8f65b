"""How the hour in real time is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from edge_asc.benchmarks.process_facts import ProcessFacts
from edge_asc.benchmarks.real_soak import BLINK, HELD_UP, Outage, assign, judge
from edge_asc.benchmarks.timeline import GapLine, Timeline

NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)
FACTS = ProcessFacts(rss_mb=60.0, peak_mb=65.0, cpu_s=1.0, threads=3, descriptors=5)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def gap(lost_s: float, *, ended_s: float = 130.0) -> GapLine:
    return GapLine(100.0, 100.0 + lost_s, lost_s, "unplugged", at(ended_s))


@pytest.mark.parametrize(
    ("kind", "down_s", "lost_s", "fault"),
    [
        ("microphone unplugged", 20.0, [22.0], ""),
        ("microphone unplugged", 20.0, [19.0], ""),  # what was on its way was heard
        ("microphone unplugged", 20.0, [18.0], "wrong length"),
        ("microphone unplugged", 20.0, [50.5], "wrong length"),
        ("microphone unplugged", 20.0, [], "0 gaps"),
        ("microphone unplugged", 20.0, [10.0, 10.0], "2 gaps"),
        (HELD_UP, 20.0, [15.0], ""),
        (HELD_UP, 20.0, [13.0], "wrong length"),
        (BLINK, 1.0, [], ""),
        (BLINK, 1.0, [12.0], "wrong length"),
    ],
)
def test_an_outage_is_one_gap_of_about_its_length(
    kind: str, down_s: float, lost_s: list[float], fault: str
) -> None:
    assert Outage(kind, NOON, 0.0, down_s, [gap(lost) for lost in lost_s]).fault() == fault


def test_a_gap_belongs_to_the_outage_before_its_end() -> None:
    outages = [Outage("x", at(began_s), began_s, 1.0) for began_s in (100, 200)]
    early, first, second = (gap(1.0, ended_s=ended_s) for ended_s in (90.0, 110.0, 230.0))
    assert assign([early, first, second], outages) == [early]
    assert [outage.gaps for outage in outages] == [[first], [second]]


@pytest.mark.parametrize(
    ("clock_ahead_s", "last", "message"),
    [
        (0.2, FACTS, ""),
        (-1.5, FACTS, "-1.50 s apart"),
        (0.0, replace(FACTS, threads=4), "threads or descriptors leaked"),
        (0.0, replace(FACTS, descriptors=6), "threads or descriptors leaked"),
        (0.0, replace(FACTS, peak_mb=101.0), "took 101.0 MB"),
    ],
)
def test_what_else_may_not_be(clock_ahead_s: float, last: ProcessFacts, message: str) -> None:
    wrong = judge(Timeline(clock_ahead_s=clock_ahead_s), [], [FACTS, last], [])
    assert message in " ".join(wrong)
    assert bool(wrong) == bool(message)
