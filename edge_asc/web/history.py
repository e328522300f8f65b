"""The last day of a stream, in bounded memory.

Estimates become means of ten seconds: probabilities, level, the scene that was told last. What was
told as one scene becomes a span with a beginning and an end. All times are seconds since 1970.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Gap, Message, Report
from edge_asc.sinks.told import Told, told

DAY_S = 86_400.0

POINT_S = 10.0
"""The memory holds means of so long: 8,640 a day, 0.5 MB"""

MAX_SPANS = 5_000
"""And so many spans and gaps; a scene lasts longer than 17 s on average"""

JOIN_S = 60.0
"""A span goes on as long as its scene is told again within so long."""

UNDECIDED, UNKNOWN = -2, -1
"""In place of a scene's number"""

Rows = npt.NDArray[np.void]
"""shape (num_rows,), fields as `row_type` says"""


def row_type(num_scenes: int) -> np.dtype[np.void]:
    """What was told at one moment, or on average up to it."""
    return np.dtype(
        [
            ("time_s", "f8"),
            ("scene", "i2"),
            ("level_dbfs", "f4"),
            ("probabilities", "f4", (num_scenes,)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Span:
    """A time during which one scene was told."""

    scene: str
    start_s: float
    end_s: float
    confidence: float | None
    """Mean; None for an unknown scene"""


@dataclass(frozen=True, slots=True)
class PastGap:
    """A time that nothing was told about."""

    start_s: float
    end_s: float
    lost_s: float
    cause: str


class History(Protocol):
    """What was told, to be read from any thread."""

    kept: Literal["memory", "file"]
    name: str
    """For people"""

    def scenes(self) -> tuple[str, ...]:
        """Those that rows have probabilities of, in their order."""

    def newest_s(self) -> float | None:
        """When the last row was told, None without one."""

    def rows(self, since_s: float, until_s: float) -> Iterator[Rows]:
        """The rows of a time, in pieces of bounded size; NaN is what is not known."""

    def spans(self, since_s: float, until_s: float) -> list[Span]:
        """Those that reach into a time, the oldest first."""

    def gaps(self, since_s: float, until_s: float) -> list[PastGap]:
        """Those that reach into a time, the oldest first."""


class SpanMaker:
    """Joins reports that tell the same scene."""

    def __init__(self) -> None:
        self.open: Span | None = None
        """The last one, which may still grow"""
        self._since_s: float | None = None
        self._sum, self._count = 0.0, 0

    def add(self, report: Report, time_s: float) -> Span | None:
        """Take in `report`, made at `time_s`; the span that it ends, if it ends one."""
        answer, before = told(report), self.open
        if answer.scene is None:
            self.open = None
            return before
        is_same = before is not None and (before.scene, self._since_s) == (
            answer.scene,
            answer.since_s,
        )
        if before is not None and is_same and abs(time_s - before.end_s) < JOIN_S:
            self.open = self._longer(before, answer, time_s)
            return None
        self._since_s, self._sum, self._count = answer.since_s, 0.0, 0
        begun_s = time_s
        # When only the clock was set, the scene did not begin anew.
        if answer.since_s is not None and not is_same:
            begun_s -= report.estimate.end_s - answer.since_s
        self.open = self._longer(Span(answer.scene, begun_s, time_s, None), answer, time_s)
        if before is None or not before.start_s < begun_s < before.end_s:
            return before
        # The new scene began, by estimate, before the old one was last told.
        return replace(before, end_s=begun_s)

    def _longer(self, span: Span, answer: Told, end_s: float) -> Span:
        if answer.confidence is not None:
            self._sum += answer.confidence
            self._count += 1
        return replace(
            span, end_s=end_s, confidence=self._sum / self._count if self._count else None
        )


def time_of(message: Report | Gap) -> float:
    """When it happened; what has no time of day, as a recording, happens now."""
    return time.time() if message.time is None else message.time.timestamp()


def past_gap(gap: Gap) -> PastGap:
    """When `gap` was."""
    end_s = time_of(gap)
    return PastGap(end_s - (gap.end_s - gap.start_s), end_s, gap.lost_s, gap.cause)


def scene_number(scenes: tuple[str, ...], scene: str | None) -> int:
    """The number that stands for `scene` in a row."""
    if scene is None:
        return UNDECIDED
    return UNKNOWN if scene == UNKNOWN_SCENE else scenes.index(scene)


class MemoryHistory:
    """The last day of one run."""

    kept: Literal["memory", "file"] = "memory"
    name = "history"

    def __init__(self, scenes: tuple[str, ...]) -> None:
        self._scenes = scenes
        self._lock = threading.Lock()
        self._ring: Rows = np.zeros(round(DAY_S / POINT_S), row_type(len(scenes)))
        self._num_points = 0
        """Ever; the newest is at one less, modulo the ring's length"""
        self._point: list[Rows] = []
        """Rows of the point that is not complete"""
        self._maker = SpanMaker()
        self._spans: deque[Span] = deque(maxlen=MAX_SPANS)
        self._gaps: deque[PastGap] = deque(maxlen=MAX_SPANS)

    def add(self, message: Message) -> None:
        """Take in a report or a gap; the others say nothing that these do not."""
        with self._lock:
            if isinstance(message, Report):
                self._add_report(message)
            elif isinstance(message, Gap):
                self._gaps.append(past_gap(message))

    def scenes(self) -> tuple[str, ...]:
        return self._scenes

    def newest_s(self) -> float | None:
        with self._lock:
            if self._point:
                return float(self._point[-1]["time_s"])
            last = self._ring[(self._num_points - 1) % len(self._ring)]
            return float(last["time_s"]) if self._num_points else None

    def rows(self, since_s: float, until_s: float) -> Iterator[Rows]:
        with self._lock:
            count = min(self._num_points, len(self._ring))
            rows = np.roll(self._ring, -self._num_points)[len(self._ring) - count :]
            if self._point:
                rows = np.concatenate([rows, [_mean(self._point)]])
        yield rows[(rows["time_s"] >= since_s) & (rows["time_s"] <= until_s)]

    def spans(self, since_s: float, until_s: float) -> list[Span]:
        with self._lock:
            spans = [*self._spans, *([self._maker.open] if self._maker.open else [])]
        return [span for span in spans if span.end_s >= since_s and span.start_s <= until_s]

    def gaps(self, since_s: float, until_s: float) -> list[PastGap]:
        with self._lock:
            gaps = list(self._gaps)
        return [gap for gap in gaps if gap.end_s >= since_s and gap.start_s <= until_s]

    def _add_report(self, report: Report) -> None:
        time_s, answer = time_of(report), told(report)
        ended = self._maker.add(report, time_s)
        if ended is not None:
            self._spans.append(ended)
        row = np.zeros((), self._ring.dtype)
        level = report.level_dbfs
        row["time_s"], row["scene"] = time_s, scene_number(self._scenes, answer.scene)
        row["level_dbfs"] = level if level is not None and math.isfinite(level) else math.nan
        row["probabilities"] = answer.probabilities
        if self._point and self._point[0]["time_s"] // POINT_S != time_s // POINT_S:
            self._ring[self._num_points % len(self._ring)] = _mean(self._point)
            self._num_points += 1
            self._point = []
        self._point.append(row)
        # A fast recording without a time of day passes hours in seconds.
        del self._point[: -10 * round(POINT_S)]


def _mean(rows: list[Rows]) -> Rows:
    """One row for several: means, with the time and the scene of the last one."""
    mean = rows[-1].copy()
    levels = np.array([row["level_dbfs"] for row in rows])
    known = levels[np.isfinite(levels)]
    mean["level_dbfs"] = known.mean() if len(known) else math.nan
    mean["probabilities"] = np.mean([row["probabilities"] for row in rows], axis=0)
    return mean
