"""Layer errors as a picture along the network, and the GRU's drift as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from edge_asc.atomic import atomic_path
from edge_asc.errors import ExportError
from edge_asc.export.gru_drift import GruDrift
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.layer_errors import LayerError

_DPI = 80
_BLUE, _ORANGE, _RED, _GREY = "#0072b2", "#e69f00", "#d55e00", "#bbbbbb"
_TOP_DB = 70.0
_STEPS = (1, 2, 5, 10, 20, 60, 200, 600)
_ERRORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def draw_layers(path: Path, errors: Sequence[LayerError], title: str) -> None:
    """Write a PNG with every layer that computes, from the input at the top to the output.

    Left: error so far and own error, in dB of SNR; a bar spans the steps of the GRU. Right: how
    many values lie at the ends of their range, by design or cut off.

    Raises:
        ExportError: there are no layers to draw.
    """
    rows = [e for e in sorted(errors, key=lambda e: e.place) if _is_drawn(e)]
    if not rows:
        raise ExportError("there are no layers to draw: give what layer_errors found")
    figure = Figure(figsize=(9.0, 1.6 + 0.24 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    figure.suptitle(title)
    _draw_snr(left, rows)
    _draw_ends(right, rows)
    left.set_yticks(range(len(rows)), [_label(row) for row in rows])
    left.invert_yaxis()
    _save(figure, path)


def draw_drift(path: Path, drifts: Mapping[str, GruDrift]) -> None:
    """Write a PNG with the largest error of the GRU's state up to each step, for each input.

    Raises:
        ExportError: there is nothing to draw.
    """
    if not drifts:
        raise ExportError("there is no drift to draw: give at least one input's")
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, drift in drifts.items():
        largest = np.maximum.accumulate(drift.max_error)
        axes.plot(1 + np.arange(len(largest)), largest, label=name, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, ticks in ((axes.xaxis, _STEPS), (axes.yaxis, _ERRORS)):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("step")
    axes.set_ylabel("largest error of the state\nup to this step (state: ±1)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def _is_drawn(error: LayerError) -> bool:
    return error.operator not in CARRIERS or bool(error.fault)


def _label(error: LayerError) -> str:
    steps = f" ({len(error.steps)} steps)" if error.steps else ""
    return f"{'! ' if error.fault else ''}{error.name}{steps}"


def _draw_snr(axes: Axes, rows: Sequence[LayerError]) -> None:
    places = np.arange(len(rows))
    for values, means, color, marker, label in (
        ("snr_db", "mean_snr_db", _BLUE, "o", "all error so far"),
        ("own_snr_db", "mean_own_snr_db", _ORANGE, "D", "own error"),
    ):
        low = np.minimum([getattr(row, values) for row in rows], _TOP_DB)
        mean = np.minimum([getattr(row, means) for row in rows], _TOP_DB)
        line = "-" if marker == "o" else ""
        axes.plot(mean, places, marker + line, color=color, markersize=4, label=label)
        axes.hlines(places, low, mean, color=color, linewidth=2)
    axes.set_xlabel("SNR, dB (left is worse; the bar reaches to the worst step)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")


def _draw_ends(axes: Axes, rows: Sequence[LayerError]) -> None:
    places = np.arange(len(rows))
    design = np.array([100 * row.at_ends_by_design for row in rows])
    clipped = np.array([100 * row.clipped for row in rows])
    axes.barh(places, design, color=_GREY, label="by design")
    axes.barh(places, clipped, left=design, color=_RED, label="cut off")
    axes.set_xlabel("values at the ends, %")
    axes.set_xlim(0, 100)
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize="small", loc="upper right")


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
