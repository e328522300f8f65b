"""The last minutes in the terminal view: how sure, how loud, which scene."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.sinks.console import duration
from edge_asc.sinks.live_state import Moment
from edge_asc.sinks.live_text import Glyphs, Line, Span, chart, joined

COLUMN_S = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30)
"""Seconds a column, chosen so that"""
SPAN_S = 300
"""so much is seen, or all if it is less"""

QUIET_DBFS, LOUD_DBFS = -80.0, 0.0
"""Ends of the scale of levels: digital silence is below, a sine that just fits is at the top"""

LABEL_CELLS = 7

LOST_STYLE, UNKNOWN_STYLE = "bold red", "bold"

_PALETTE = (
    "#56a0d3",
    "#e69f00",
    "#2fa36b",
    "#d95f8d",
    "#9a7fd1",
    "#d0a92a",
    "#7cb342",
    "#e0653a",
    "#b08968",
    "#35b0ab",
)
"""Light enough for black text on them, dark enough to be seen on white"""

_SPARE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Letters of scenes that find none in their own name"""

_Kind = tuple[bool, str | None]
"""Whether sound was lost, and the scene"""


def scene_colour(index: int) -> str:
    """The colour of the scene of that number."""
    return _PALETTE[index % len(_PALETTE)]


def scene_letters(scenes: Sequence[str]) -> dict[str, str]:
    """One character for each scene: its first letter if that is free, else another."""
    letters: dict[str, str] = {}
    for scene in scenes:
        own = [letter for letter in scene if letter.isascii() and letter.isalpha()]
        choice = [*(own[:1] and own[0].upper()), *(own[:1] and own[0].lower())]
        choice += [letter.upper() for letter in own] + [letter.lower() for letter in own]
        free = (letter for letter in [*choice, *_SPARE] if letter not in letters.values())
        letters[scene] = next(free, "+")
    return letters


def level_share(level_dbfs: float) -> float:
    """Where a level is on the scale, from 0 to 1; 0 for digital silence."""
    if level_dbfs == -math.inf:
        return 0.0
    return min(1.0, max(0.0, (level_dbfs - QUIET_DBFS) / (LOUD_DBFS - QUIET_DBFS)))


class Past:
    """The last minutes cut into columns; a column shows what there was most of in it."""

    def __init__(
        self, moments: Sequence[Moment], scenes: Sequence[str], width: int, glyphs: Glyphs
    ) -> None:
        """`scenes`: all that the model knows; `width`: of the lines, labels included."""
        self._scenes, self._letters = tuple(scenes), scene_letters(scenes)
        self._glyphs = glyphs
        self._num_columns = max(1, width - LABEL_CELLS - 1)
        heard_s = moments[-1].end_s - moments[0].start_s if moments else 0.0
        fits = (size for size in COLUMN_S if size * self._num_columns >= min(SPAN_S, heard_s))
        self._column_s = next(fits, COLUMN_S[-1])
        self._columns = self._cut(moments)

    def _cut(self, moments: Sequence[Moment]) -> list[Moment | None]:
        """For each column the last moment of the scene that fills the most of it.

        Columns stand still while time goes on, so that a picture moves by whole ones.
        """
        columns: list[Moment | None] = [None] * self._num_columns
        newest = math.ceil(moments[-1].end_s / self._column_s) - 1 if moments else 0
        first = newest - self._num_columns + 1
        filled_s: list[dict[_Kind, float]] = [defaultdict(float) for _ in columns]
        for moment in moments:
            begin = max(first, math.floor(moment.start_s / self._column_s))
            for number in range(begin, math.ceil(moment.end_s / self._column_s)):
                start_s = max(moment.start_s, number * self._column_s)
                share_s = min(moment.end_s, (number + 1) * self._column_s) - start_s
                column, kind = filled_s[number - first], (moment.lost, moment.scene)
                column[kind] += share_s
                if column[kind] >= max(column.values()):
                    columns[number - first] = moment
        return columns

    def confidence(self, num_rows: int) -> list[Line]:
        """How much the decided scene was believed, in its colour."""
        values = [None if moment is None else moment.confidence for moment in self._columns]
        styles = [self._kind(moment)[2] for moment in self._columns]
        return self._chart("sure", values, styles, num_rows)

    def level(self, num_rows: int) -> list[Line]:
        """How loud it was."""
        levels = [None if moment is None else moment.level_dbfs for moment in self._columns]
        values = [None if level is None else level_share(level) for level in levels]
        return self._chart("loud", values, ["cyan"] * self._num_columns, num_rows)

    def _chart(
        self, label: str, values: Sequence[float | None], styles: Sequence[str], num_rows: int
    ) -> list[Line]:
        rows = chart(values, num_rows, self._glyphs)
        labels = [""] * (num_rows - 1) + [label]
        return [
            [_label(label), *joined(zip(row, styles, strict=True))]
            for label, row in zip(labels, rows, strict=True)
        ]

    def strip(self) -> Line:
        """Which scene was decided: its letter where it begins, a line as long as it lasts."""
        line: Line = []
        before: tuple[str, str, str] | None = None
        for moment in self._columns:
            begin, run, style = kind = self._kind(moment)
            line.append((run if kind == before else begin, style))
            before = kind
        return [_label("scene"), *joined(line)]

    def _kind(self, moment: Moment | None) -> tuple[str, str, str]:
        """First character, the following ones, style."""
        glyphs = self._glyphs
        if moment is None:
            return " ", " ", ""
        if moment.lost:
            return glyphs.lost, glyphs.lost, LOST_STYLE
        if moment.scene is None:
            return glyphs.undecided, glyphs.undecided, "dim"
        if moment.scene == UNKNOWN_SCENE:
            return "?", glyphs.run, UNKNOWN_STYLE
        colour = scene_colour(self._scenes.index(moment.scene))
        return self._letters[moment.scene], glyphs.run, colour

    def axis(self) -> Line:
        """What the ends stand for."""
        left, right = f"{duration(self._num_columns * self._column_s)} ago", "now"
        room = self._num_columns - len(left)
        text = f"{left}{right:>{room}}" if room > len(right) else left
        return [_label(""), (text, "dim")]


def _label(text: str) -> Span:
    return f" {text:<{LABEL_CELLS}}", "dim"
