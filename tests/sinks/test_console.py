"""Lines for people."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.messages import Gap, Message, PastScene, Report, SceneChange
from edge_asc.sinks.console import (
    Console,
    StreamConsole,
    duration,
    format_bar,
    format_change,
    format_gap,
    format_report,
    moment,
)
from tests.sample_messages import HEALTH

SCENES = ("bus", "shopping_mall", "bar")
ESTIMATE = SceneEstimate(SCENES, np.array([0.03, 0.83, 0.14], np.float32), 2.0, 12.0)
REPORT = Report(ESTIMATE, "walk.wav", "tiny", False)
DECISION = Decision(SCENES, np.array([0.2, 0.5, 0.3], np.float32), "bar", 1.0, 0.0)
CHANGE = SceneChange("bar", 30.0, 41.0, 0.7, None, "walk.wav", datetime(2026, 5, 17, 14, 2, 48))


def written(encoding: str, *messages: Message, live: bool = False) -> str:
    buffer = io.BytesIO()
    console = StreamConsole(io.TextIOWrapper(buffer, encoding=encoding), live=live)
    for message in messages:
        console.write(message)
    return buffer.getvalue().decode(encoding)  # without a flush by the test


def test_a_line_with_blocks() -> None:
    # 0.83 of 20 cells are 16.6: 16 whole ones and five eighths (132.8 eighths, rounded to 133)
    bar = "█" * 16 + "▋"
    assert written("utf-8", REPORT) == (
        f"   12 s  shopping mall  83 %  {bar}     (bar 14 %, bus 3 %)\n"
    )


def test_a_line_in_ascii() -> None:
    expected = f"   12 s  shopping mall  83 %  {'#' * 17}     (bar 14 %, bus 3 %)\n"
    assert written("ascii", REPORT) == expected
    assert written("latin-1", REPORT) == expected


def test_a_name_that_the_encoding_lacks_is_still_printed() -> None:
    buffer = io.BytesIO()
    console = Console(io.TextIOWrapper(buffer, encoding="ascii"), lambda report: "café.wav")
    console.write(REPORT)
    assert buffer.getvalue().startswith(b"caf?.wav  shopping mall")


@pytest.mark.parametrize(
    ("fraction", "blocks", "numbers"),
    [
        (0.0, "", ""),
        (0.00625, "▏", ""),
        (0.04375, "▉", "#"),
        (0.05, "█", "#"),
        (0.5, "█" * 10, "#" * 10),
        (0.9999, "█" * 20, "#" * 20),
        (1.0, "█" * 20, "#" * 20),
    ],
)
def test_bars(fraction: float, blocks: str, numbers: str) -> None:
    assert format_bar(fraction, blocks=True) == blocks
    assert format_bar(fraction, blocks=False) == numbers


def test_marks() -> None:
    odd = replace(REPORT, estimate=replace(ESTIMATE, padded=True, after_gap=True))
    line = format_report(odd, blocks=False)
    assert line.endswith("[short, repeated to a whole window] [first after lost sound]")
    assert "[" not in format_report(REPORT, blocks=False)


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        ("bar", "bar             30 %  ######                (shopping mall 50 %, bus 20 %)"),
        (
            None,
            "shopping mall   50 %  ##########            (bar 30 %, bus 20 %) [undecided]",
        ),
        (
            UNKNOWN_SCENE,
            "unknown scene                               (shopping mall 50 %, bar 30 %, bus 20 %)",
        ),
    ],
)
def test_what_was_decided_comes_first(scene: str | None, expected: str) -> None:
    report = replace(REPORT, decision=replace(DECISION, scene=scene))
    line = format_report(report, blocks=False)
    assert line.split() == expected.split()
    assert line.index("(") == format_report(REPORT, blocks=False).index("(")


def test_labels() -> None:
    time = datetime(2026, 5, 17, 14, 3, 9)
    assert moment(time, 12.0, live=False) == "   12 s"
    assert moment(time, 12.0, live=True) == "14:03:09"
    assert moment(None, 12.0, live=True) == "   12 s"


def test_a_stream_with_its_gaps_and_changes() -> None:
    gap = Gap(12.0, 20.0, 7.5, "it was unplugged", "walk.wav", datetime(2026, 5, 17, 14, 3, 9))
    lines = ("--- lost 7.5 s of sound: it was unplugged ---", "=== bar begins ===")
    assert written("ascii", gap, CHANGE).splitlines() == [
        f"   20 s  {lines[0]}",
        f"   30 s  {lines[1]}",
    ]
    assert written("ascii", gap, CHANGE, live=True).splitlines() == [
        f"14:03:09  {lines[0]}",
        f"14:02:48  {lines[1]}",
    ]
    assert format_gap(gap) == lines[0]


def test_changes() -> None:
    before = PastScene(UNKNOWN_SCENE, 0.0, 134.0, None)
    assert format_change(CHANGE) == "=== bar begins ==="
    after = replace(CHANGE, previous=before)
    assert format_change(after) == "=== bar begins, after unknown scene for 2 min 14 s ==="
    ended = replace(after, scene=None, confidence=None)
    assert format_change(ended) == "=== end of unknown scene for 2 min 14 s ==="


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (11_100.0, "3 h 5 min"),
    ],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_health_has_no_line() -> None:
    console = StreamConsole(io.StringIO(), live=True)
    assert not console.takes(HEALTH)
    assert console.takes(CHANGE)
    assert not Console(io.StringIO(), lambda report: "").takes(CHANGE)
    assert written("ascii", HEALTH) == ""
