"""History as a page draws it, and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.web.history import History, Rows

MAX_POINTS = 1_000

_STEPS_S = (10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200)


def chart(history: History, since_s: float, until_s: float) -> dict[str, Any]:
    """Spans, gaps, and means over equal steps of time, as values that JSON knows."""
    span_s = until_s - since_s
    step_s = next(step for step in _STEPS_S if span_s / step < MAX_POINTS)
    scenes = history.scenes()
    points = _Points(len(scenes), since_s // step_s * step_s, step_s, math.ceil(span_s / step_s))
    for rows in history.rows(since_s, until_s):
        points.add(rows)
    return {
        "kept": history.kept,
        "since": iso(since_s),
        "until": iso(until_s),
        "step_s": step_s,
        "scenes": scenes,
        "points": points.means(),
        "spans": [
            {
                "scene": span.scene,
                "start": iso(span.start_s),
                "end": iso(span.end_s),
                "confidence": None if span.confidence is None else round(span.confidence, 4),
            }
            for span in history.spans(since_s, until_s)
        ],
        "gaps": [
            {
                "start": iso(gap.start_s),
                "end": iso(gap.end_s),
                "lost_s": round(gap.lost_s, 3),
                "cause": gap.cause,
            }
            for gap in history.gaps(since_s, until_s)
        ],
    }


def iso(time_s: float) -> str:
    """A time as ISO 8601 writes it, in UTC."""
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Points:
    """Means of rows over steps of time; what is not known does not count."""

    def __init__(self, num_scenes: int, begin_s: float, step_s: int, num_steps: int) -> None:
        self._begin_s, self._step_s = begin_s, step_s
        shape = (num_steps + 1, 1 + num_scenes)  # the level, then the scenes
        self._sums, self._counts = np.zeros(shape), np.zeros(shape)

    def add(self, rows: Rows) -> None:
        steps = ((rows["time_s"] - self._begin_s) // self._step_s).astype(np.intp)
        values = np.column_stack([rows["level_dbfs"], rows["probabilities"]]).astype(np.float64)
        known = np.isfinite(values)
        np.add.at(self._sums, steps, np.where(known, values, 0.0))
        np.add.at(self._counts, steps, known)

    def means(self) -> list[dict[str, Any]]:
        """For each step that has rows: its middle, the level, and the probabilities in order."""
        (filled,) = np.nonzero(self._counts.any(axis=1))
        with np.errstate(invalid="ignore"):
            means = self._sums[filled] / self._counts[filled]
        middles = self._begin_s + (filled + 0.5) * self._step_s
        return [
            {
                "time": iso(middle),
                "level_dbfs": _rounded(level, 1),
                "probabilities": [_rounded(value, 4) for value in probabilities],
            }
            for middle, (level, *probabilities) in zip(middles.tolist(), means, strict=True)
        ]


def csv_lines(history: History, since_s: float, until_s: float) -> Iterator[bytes]:
    """A table with a line for each row, in pieces of bounded size."""
    scenes = history.scenes()
    names = (*scenes, "", UNKNOWN_SCENE)  # -2, undecided, and -1 count from the end
    yield ",".join(("time", "scene", "confidence", "level_dbfs", *scenes)).encode() + b"\r\n"
    for rows in history.rows(since_s, until_s):
        lines = []
        for time_s, number, level, probabilities in rows.tolist():
            confidence = probabilities[number] if number >= 0 else math.nan
            values = (confidence, level, *probabilities)
            digits = (4, 1, *([4] * len(scenes)))
            cells = ",".join(map(_cell, values, digits))
            lines.append(f"{iso(time_s)},{names[number]},{cells}\r\n")
        yield "".join(lines).encode()


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
