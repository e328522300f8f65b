"""Is every second of a stream in an estimate or in a gap, and none in both?

lines    |---- estimates 0 .. 14 s ----|- gap 14 .. 18 -|------- estimates 18 .. 48 s ------|
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_ROUNDING_S = 1e-4
"""Times are written with six decimals and fall on samples."""


class TimelineError(ValueError):
    """A line does not continue those before it."""


@dataclass(frozen=True, slots=True)
class GapLine:
    """A stretch without an estimate."""

    start_s: float
    end_s: float
    lost_s: float
    cause: str
    time: datetime | None


@dataclass(slots=True)
class Timeline:
    """What the JSON lines of `edge-asc listen` cover; each must begin where the last one ended."""

    window_s: float = 10.0
    hop_s: float = 1.0
    covered_s: float = 0.0
    """Where the last line ends, in seconds since the stream began"""
    estimated_s: float = 0.0
    """Seconds that estimates cover, each once"""
    gap_s: float = 0.0
    """Seconds in gaps: lost, or heard before one without filling another hop"""
    lost_s: float = 0.0
    num_estimates: int = 0
    gaps: list[GapLine] = field(default_factory=list)
    clock_ahead_s: float = 0.0
    """By how much, at the last line, the time of day has run ahead of the stream since the first"""

    _first: tuple[datetime, float] | None = None
    _window_is_new: bool = True

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in the next line. Raises TimelineError for a hole or an overlap."""
        if line["type"] not in ("estimate", "gap"):  # the others cover no time
            return
        time = datetime.fromisoformat(line["time"]) if line["time"] else None
        if line["type"] == "gap":
            self._add_gap(line, time)
        else:
            self._add_estimate(line)
        self.covered_s = line["end_s"]
        if time is not None:
            self._first = self._first or (time, self.covered_s)
            passed_s = (time - self._first[0]).total_seconds()
            self.clock_ahead_s = passed_s - (self.covered_s - self._first[1])

    def _add_estimate(self, line: Mapping[str, Any]) -> None:
        start_s, end_s = line["start_s"], line["end_s"]
        if self._window_is_new:
            self._expect(_equal(start_s, self.covered_s), line, "begins its window elsewhere")
        else:
            self._expect(_equal(end_s, self.covered_s + self.hop_s), line, "is not one hop on")
        self._expect(_equal(end_s - start_s, self.window_s), line, "is not a window long")
        after_gap = self._window_is_new and bool(self.gaps)
        self._expect(line["after_gap"] == after_gap, line, "is wrong about the gap before it")
        self.estimated_s += end_s - self.covered_s
        self.num_estimates += 1
        self._window_is_new = False

    def _add_gap(self, line: Mapping[str, Any], time: datetime | None) -> None:
        gap = GapLine(line["start_s"], line["end_s"], line["lost_s"], line["cause"], time)
        span_s = gap.end_s - gap.start_s
        self._expect(_equal(gap.start_s, self.covered_s), line, "leaves a hole or overlaps")
        self._expect(0 < gap.lost_s < span_s + _ROUNDING_S, line, "lost more than it spans")
        self.gaps.append(gap)
        self.gap_s += span_s
        self.lost_s += gap.lost_s
        self._window_is_new = True

    def _expect(self, fits: bool, line: Mapping[str, Any], what: str) -> None:
        if not fits:
            raise TimelineError(
                f"covered up to {self.covered_s} s, then a line that {what}: {line}"
            )


def read_timeline(lines: Iterable[str]) -> Timeline:
    """The timeline of JSON lines. Raises TimelineError for a hole or an overlap."""
    timeline = Timeline()
    for line in lines:
        timeline.add(json.loads(line))
    return timeline


def joined(gaps: Iterable[GapLine]) -> list[GapLine]:
    """Gaps that follow each other without an estimate between them are one."""
    whole: list[GapLine] = []
    for gap in gaps:
        if whole and whole[-1].end_s == gap.start_s:
            before = whole.pop()
            cause = f"{before.cause}; {gap.cause}"
            lost_s = before.lost_s + gap.lost_s
            whole.append(GapLine(before.start_s, gap.end_s, lost_s, cause, gap.time))
        else:
            whole.append(gap)
    return whole


def _equal(a_s: float, b_s: float) -> bool:
    return abs(a_s - b_s) < _ROUNDING_S
