"""The pictures of a report: how times are spread, and what happened during a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from edge_asc.benchmarks.bench.result import STAGES, TOTAL, WAYS, Moment, Result, Timing

COLOURS = ("#2b6cb0", "#c2571a", "#2f855a", "#7b3fa0", "#7b838b")
"""Of results beside each other, and of ways within one; begins again after the last"""

_WIDTH_IN = 7.2
_NUM_BINS = 70
"""Of a distribution, over all times in the picture; equally wide as ratios"""
_MOST_POINTS = 300
"""Of a line over time; more are put together, with the lowest and the highest"""

_MACHINE = (
    ("temperature_c", "processor / °C"),
    ("clock_mhz", "clock / MHz"),
    ("load_1min", "load (1 min)"),
)

Values = npt.NDArray[np.float64]


def stage_figure(results: Sequence[Result], names: Sequence[str], model: str, way: str) -> Figure:
    r"""How the times of each stage are spread: a hill for each, with its p50 and its p95.

    read       __/\_____
    features         ___/|\__|_
    """
    found = [_stages(result, model, way) for result in results]
    stages = [stage for stage in (*STAGES, TOTAL) if any(stage in times for times in found)]
    every = np.concatenate([ms for times in found for ms in times.values()])
    edges = np.geomspace(every.min() / 1.05, every.max() * 1.05, _NUM_BINS + 1)
    figure = Figure(figsize=(_WIDTH_IN, 0.55 * len(stages) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, (times, name) in enumerate(zip(found, names, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        for row, stage in enumerate(stages):
            if stage in times:
                _hill(axes, times[stage], edges, len(stages) - 1 - row, colour)
        if len(results) > 1:
            axes.plot([], [], color=colour, linewidth=4, alpha=0.5, label=name)
    axes.set(xscale="log", xlabel="time / ms", xlim=(edges[0], edges[-1]))
    _round_ticks(
        axes.xaxis, (1.0, 3.0) if edges[-1] > 20.0 * edges[0] else (1.0, 2.0, 3.0, 5.0, 7.0)
    )
    axes.set_yticks(range(len(stages)), [*reversed(stages)])
    axes.set_ylim(-0.3, len(stages))
    axes.grid(axis="x", alpha=0.3)
    if len(results) > 1:
        figure.legend(loc="outside upper left", frameon=False, fontsize="small")
    _tidy(axes)
    return figure


def timeline_figure(result: Result) -> Figure | None:
    """Latency over the run, and heat, clock and load below it; None if nothing tells the time."""
    totals = _timed_totals(result)
    rows = [(name, label) for name, label in _MACHINE if _known(result.timeline, name)]
    models = list(dict.fromkeys(timing.model for timing in totals))
    num = len(models) + len(rows)
    if num == 0:
        return None
    figure = Figure(figsize=(_WIDTH_IN, 1.2 + 1.5 * num), layout="constrained")
    axes = list(figure.subplots(num, 1, sharex=True, squeeze=False)[:, 0])
    for place, model in enumerate(models):
        _latency(axes[place], [timing for timing in totals if timing.model == model])
        axes[place].set_title(model, loc="left", fontsize="small")
    for place, (name, label) in enumerate(rows, len(models)):
        known = _known(result.timeline, name)
        axes[place].plot(
            [at_s for at_s, _ in known],
            [value for _, value in known],
            ".-",
            markersize=3,
            linewidth=1,
            color=COLOURS[4],
        )
        axes[place].set_ylabel(label)
        _mark_throttled(axes[place], result.timeline)
    for one in axes:
        one.grid(alpha=0.3)
        _tidy(one)
    axes[-1].set_xlabel("time since the run began / s")
    figure.align_ylabels(axes)
    return figure


def _hill(axes: Axes, times_ms: Values, edges: Values, base: float, colour: str) -> None:
    counts, _ = np.histogram(times_ms, edges)
    heights = base + 0.8 * counts / counts.max()
    axes.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.45)
    for value, width in zip(np.percentile(times_ms, [50, 95]), (2.0, 1.0), strict=True):
        axes.plot([value, value], [base - 0.12, base + 0.12], color=colour, linewidth=width)


def _latency(axes: Axes, timings: Sequence[Timing]) -> None:
    """A line for each way, with a shade from the lowest to the highest where points were joined."""
    for timing in timings:
        colour = COLOURS[WAYS.index(timing.way)]
        at_s, low, middle, high = _joined(
            np.asarray(timing.at_s), 1e3 * np.asarray(timing.samples_s)
        )
        axes.plot(at_s, middle, ".", color=colour, markersize=3, label=timing.way)
        axes.vlines(at_s, low, high, color=colour, alpha=0.25)
    axes.set(yscale="log", ylabel="total / ms")
    _round_ticks(axes.yaxis, (1.0, 2.0, 5.0))
    axes.legend(
        loc="upper right", bbox_to_anchor=(1.0, 1.25), ncols=3, frameon=False, fontsize="small"
    )


def _joined(at_s: Values, values: Values) -> tuple[Values, Values, Values, Values]:
    """Time, lowest, median and highest of as many neighbours as leave _MOST_POINTS."""
    parts = np.array_split(np.argsort(at_s, kind="stable"), min(_MOST_POINTS, len(at_s)))
    columns = [
        (at_s[part].mean(), values[part].min(), np.median(values[part]), values[part].max())
        for part in parts
    ]
    low_to_high = np.array(columns, np.float64).T
    return low_to_high[0], low_to_high[1], low_to_high[2], low_to_high[3]


def _mark_throttled(axes: Axes, timeline: Sequence[Moment]) -> None:
    for moment in timeline:
        if moment.throttled:
            axes.axvline(moment.at_s, color=COLOURS[1], alpha=0.4)


def _timed_totals(result: Result) -> list[Timing]:
    return [
        timing
        for timing in result.timings
        if timing.stage == TOTAL and timing.samples_s and len(timing.at_s) == len(timing.samples_s)
    ]


def _known(timeline: Sequence[Moment], name: str) -> list[tuple[float, float]]:
    found = [(moment.at_s, getattr(moment, name)) for moment in timeline]
    return [(at_s, value) for at_s, value in found if value is not None]


def _stages(result: Result, model: str, way: str) -> dict[str, Values]:
    """Times in ms by stage; what no clock tells is the least that one does."""
    return {
        timing.stage: np.maximum(1e3 * np.asarray(timing.samples_s), 1e-4)
        for timing in result.timings
        if (timing.model, timing.way) == (model, way) and timing.samples_s
    }


def _round_ticks(axis: Axis, firsts: tuple[float, ...]) -> None:
    """On a logarithmic axis, where a number begins with one of `firsts`."""
    axis.set_major_locator(LogLocator(subs=firsts))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
