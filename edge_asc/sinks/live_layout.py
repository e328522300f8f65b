"""Which parts of the terminal view are drawn, so that it fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from edge_asc.sinks import live_parts as parts
from edge_asc.sinks.live_headline import banner, headline
from edge_asc.sinks.live_past import Past
from edge_asc.sinks.live_state import Snapshot
from edge_asc.sinks.live_text import Glyphs, Line, clip


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each part there is."""

    air: bool = True
    """Empty lines between parts, and a wide margin of the headline"""
    chart_rows: int = 3
    loudness: bool = True
    legend: bool = True
    axis: bool = True
    confidence: bool = True
    strip: bool = True
    warning: bool = True
    header: bool = True
    scenes: int = 1_000
    outputs: int = 1_000
    notes: int = 5
    meter: bool = True
    state: bool = True
    headline_rows: int = 2


GIVEN_UP: tuple[dict[str, Any], ...] = (
    {"chart_rows": 2},
    {"chart_rows": 1},
    {"notes": 3},
    {"air": False},
    {"loudness": False},
    {"legend": False},
    {"notes": 2},
    {"outputs": 2},
    {"notes": 1},
    {"outputs": 1},
    {"axis": False},
    {"scenes": 5},
    {"confidence": False},
    {"scenes": 3},
    {"warning": False},
    {"strip": False},
    {"header": False},
    {"notes": 0},
    {"scenes": 1},
    {"outputs": 0},
    {"scenes": 0},
    {"meter": False},
    {"state": False},
    {"headline_rows": 1},
)
"""What is given up for want of rows, in this order (docs/terminal.md)"""

Part = tuple[int, Callable[[int], list[Line]]]
"""How many rows, and what draws so many"""


def frame(snapshot: Snapshot, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """The whole picture: exactly `height` lines of at most `width` columns."""
    shown = _that_fit(snapshot, width, height - 1, glyphs)
    lines = [line for num_rows, draw in shown if num_rows for line in draw(num_rows)]
    lines = lines[: max(0, height - 1)]
    empty: list[Line] = [[]] * (height - 1 - len(lines))
    return [clip(line, width) for line in [*lines, *empty, parts.keys(snapshot, width, glyphs)]]


def _that_fit(snapshot: Snapshot, width: int, height: int, glyphs: Glyphs) -> list[Part]:
    """The parts that fit above the keys; the scenes take the rows that others leave."""
    plan = Plan()
    for less in ({}, *GIVEN_UP):
        plan = replace(plan, **less)
        shown = _parts(snapshot, plan, width, glyphs)
        room = height - sum(num_rows for num_rows, _ in shown)
        if room >= 0:
            break
    if room > 0 and plan.scenes:
        return _parts(snapshot, replace(plan, scenes=plan.scenes + room), width, glyphs)
    return shown


def _parts(snapshot: Snapshot, plan: Plan, width: int, glyphs: Glyphs) -> list[Part]:
    """All but the keys, from top to bottom; nothing is drawn yet."""
    about = snapshot.about
    air: Part = int(plan.air), lambda count: [[]] * count
    num_notes = min(plan.notes, len(snapshot.notes))
    has_decision = snapshot.report is None or snapshot.report.decision is not None
    past = cache(lambda: Past(snapshot.past, about.scenes, width, glyphs))
    return [
        (plan.header, lambda _: [parts.header(snapshot, width, glyphs)]),
        (plan.warning and about.warning != "", lambda _: [parts.warning(snapshot, width, glyphs)]),
        air,
        (
            4 if plan.air else plan.headline_rows,
            lambda count: banner(headline(snapshot), width, count, glyphs),
        ),
        air,
        (
            min(plan.scenes, len(about.scenes)),
            lambda count: parts.bars(snapshot, width, count, glyphs),
        ),
        (plan.legend and has_decision, lambda _: [parts.legend(width, glyphs)]),
        air,
        (plan.confidence * plan.chart_rows, lambda count: past().confidence(count)),
        (plan.loudness * plan.chart_rows, lambda count: past().level(count)),
        (plan.strip, lambda _: [past().strip()]),
        (plan.axis, lambda _: [past().axis()]),
        air,
        (plan.meter, lambda _: [parts.meter(snapshot, width, glyphs)]),
        (plan.state, lambda _: [parts.state(snapshot, width, glyphs)]),
        (
            min(plan.outputs, len(snapshot.outputs)),
            lambda count: parts.outputs(snapshot, width, count, glyphs),
        ),
        (plan.air and num_notes > 0, lambda _: [[]]),
        (num_notes, lambda count: parts.notes(snapshot, width, count, glyphs)),
    ]
