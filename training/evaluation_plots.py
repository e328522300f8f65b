"""The plots of an evaluation page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge_asc.training.calibration import Calibration
from edge_asc.training.context_report import SOUND_ONLY, ContextReport
from edge_asc.training.metrics import Interval, Scores

MAX_WRITTEN_SCENES = 15
"""A confusion matrix of more scenes is drawn without numbers."""

_BLUE, _ORANGE, _GREY = "#2b6cb0", "#c2571a", "#7b838b"
_WIDTH = 7.2  # inches


def recall_figure(scores: Scores) -> Figure:
    """A bar a scene with its interval, and the mean over scenes."""
    figure, axes = _axes(0.34 * len(scores.scenes) + 1.0)
    _bars(axes, scores.scenes, scores.recalls, scores.recall_intervals)
    mean = 100.0 * scores.macro_recall
    axes.axvline(mean, color=_ORANGE, linestyle="--", label=f"mean {mean:.1f} %")
    axes.legend(loc="lower right", bbox_to_anchor=(0.9, 1.0), frameon=False)
    axes.set_xlabel("recall / %")
    return figure


def confusion_figure(scores: Scores) -> Figure:
    """True scenes downwards, answers to the right; the colour is the share of a row."""
    counts = np.array(scores.confusion)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    num = len(counts)
    cell_in = 0.52 if num <= MAX_WRITTEN_SCENES else 7.0 / num
    figure, axes = _axes(cell_in * num + 1.6, cell_in * num + 2.6)
    axes.set_facecolor("#e6e8ea")
    # Drawn as shapes, not as a picture: it stays sharp and has the same bytes everywhere.
    mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    mesh.set_edgecolor("white")
    mesh.set_linewidth(0.5)
    if num <= MAX_WRITTEN_SCENES:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                _write_cell(axes, row, column, count, shares[row, column])
    ticks = np.arange(num) + 0.5
    names = [
        scene if total else f"{scene} (absent)"
        for scene, total in zip(scores.scenes, totals[:, 0], strict=True)
    ]
    small = None if num <= MAX_WRITTEN_SCENES else 6
    axes.set_xticks(ticks, scores.scenes, rotation=45, ha="right", fontsize=small)
    axes.set_yticks(ticks, names, fontsize=small)
    axes.set(xlabel="taken for", ylabel="true scene", aspect="equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    return figure


def reliability_figure(calibration: Calibration) -> Figure:
    """Accuracy by confidence above, how many windows below."""
    bins = [part for part in calibration.bins if part.num_windows]
    figure = Figure(figsize=(5.6, 5.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 100], [0, 100], color=_GREY, linestyle="--")
    upper.errorbar(
        [_percent(part.confidence) for part in bins],
        [_percent(part.accuracy) for part in bins],
        yerr=_error_bars([part.accuracy for part in bins], [part.interval for part in bins]),
        fmt="o",
        color=_BLUE,
        ecolor=_GREY,
        capsize=3,
    )
    upper.set(xlim=(0, 100), ylim=(-2, 102), ylabel="accuracy / %")
    lower.bar(
        [100.0 * part.low for part in calibration.bins],
        [part.num_windows for part in calibration.bins],
        width=100.0 / len(calibration.bins),
        align="edge",
        color=_BLUE,
        edgecolor="white",
    )
    lower.set(xlabel="confidence / %", ylabel="windows")
    for axes in (upper, lower):
        _tidy(axes)
    return figure


def context_figure(report: ContextReport) -> Figure:
    """A bar a condition with its interval, and the line of sound only."""
    names = [row.name for row in report.rows]
    figure, axes = _axes(0.4 * len(names) + 1.0)
    _bars(axes, names, [row.accuracy for row in report.rows], [row.interval for row in report.rows])
    heard = next(row.accuracy for row in report.rows if row.name == SOUND_ONLY)
    axes.axvline(100.0 * heard, color=_ORANGE, linestyle="--")
    axes.set_xlabel("accuracy / %")
    return figure


def _axes(height_in: float, width_in: float = _WIDTH) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.subplots()
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _bars(
    axes: Axes,
    names: Sequence[str],
    shares: Sequence[float | None],
    intervals: Sequence[Interval | None],
) -> None:
    """Bars to the right, the first one on top; where there is no share, words instead."""
    rows = np.arange(len(names))
    lengths = [0.0 if share is None else _percent(share) for share in shares]
    axes.barh(rows, lengths, color=_BLUE, height=0.62, alpha=0.75)
    axes.errorbar(
        lengths, rows, xerr=_error_bars(shares, intervals), fmt="none", ecolor="black", capsize=3
    )
    for row, share in zip(rows, shares, strict=True):
        if share is None:
            axes.text(1.0, float(row), "not testable", color=_GREY, va="center", fontsize=9)
            continue
        # In a column of their own, where no interval runs through them.
        text = f"{_percent(share):.1f} %"
        axes.text(113.0, float(row), text, va="center", ha="right", fontsize=9)
    axes.set_yticks(rows, names)
    axes.set_xlim(0, 113)
    axes.set_xticks(range(0, 101, 20))
    axes.spines["bottom"].set_bounds(0, 100)
    axes.invert_yaxis()


def _error_bars(
    shares: Sequence[float | None], intervals: Sequence[Interval | None]
) -> npt.NDArray[np.float64]:
    """Lengths below and above in percent, shape (2, N); 0 where nothing is known."""
    pairs = [
        (0.0, 0.0)
        if share is None or interval is None
        else (max(0.0, share - interval.low), max(0.0, interval.high - share))
        for share, interval in zip(shares, intervals, strict=True)
    ]
    return 100.0 * np.array(pairs).reshape(-1, 2).T


def _write_cell(axes: Axes, row: int, column: int, count: int, share: float) -> None:
    axes.text(
        column + 0.5,
        row + 0.5,
        f"{count}\n{100.0 * share:.0f} %",
        ha="center",
        va="center",
        fontsize=7.5,
        color="white" if share > 0.55 else "black",
    )


def _percent(share: float | None) -> float:
    return np.nan if share is None else 100.0 * share
