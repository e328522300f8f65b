"""Lines for people."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from edge_asc.classifier import SceneEstimate
from edge_asc.sinks import Report
from edge_asc.sinks.console import Console, elapsed, format_bar, format_estimate, wall_clock

ESTIMATE = SceneEstimate(
    ("bus", "shopping_mall", "bar"), np.array([0.03, 0.83, 0.14], np.float32), 2.0, 12.0
)
REPORT = Report(ESTIMATE, "walk.wav", "tiny", False)


def written(encoding: str, report: Report = REPORT) -> str:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    Console(stream, elapsed).write(report)
    return buffer.getvalue().decode(encoding)  # without a flush by the test


def test_a_line_with_blocks() -> None:
    # 0.83 of 20 cells are 16.6: 16 whole ones and five eighths (132.8 eighths, rounded to 133)
    bar = "█" * 16 + "▋"
    assert written("utf-8") == f"   12 s  shopping mall  83 %  {bar}     (bar 14 %, bus 3 %)\n"


def test_a_line_in_ascii() -> None:
    expected = f"   12 s  shopping mall  83 %  {'#' * 17}     (bar 14 %, bus 3 %)\n"
    assert written("ascii") == expected
    assert written("latin-1") == expected


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
    odd = replace(ESTIMATE, padded=True, after_gap=True)
    line = format_estimate(odd, blocks=False)
    assert line.endswith("[short, repeated to a whole window] [first after lost sound]")
    assert "[" not in format_estimate(ESTIMATE, blocks=False)


def test_labels() -> None:
    at = replace(REPORT, time=datetime(2026, 5, 17, 14, 3, 9))
    assert elapsed(at) == "   12 s"
    assert wall_clock(at) == "14:03:09"
    assert wall_clock(REPORT) == "   12 s"
