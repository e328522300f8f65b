"""A timeline as a picture; the only file that knows matplotlib here.

level          |~~~~~~~~~~~~|
log-mel        |############|       of a recording
belief         |############|  bus         61 %
...            |############|  ...
decision       |bus |  park |
listener       |------------|       of a log
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from edge_asc.atomic import atomic_path
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.plot.ticks import time_axis
from edge_asc.plot.timeline import Series, Stretch, Timeline, Values
from edge_asc.scene_colours import scene_colours
from edge_asc.scenes import display_name
from edge_asc.sinks.console import scene_name

WIDTH_INCHES, DPI = 10.0, 100

_STRIP_COLUMNS = 3000
_LEAST_GAPS = 600
"""A gap is drawn at least so wide that as many fit side by side"""
_MOST_MARKS = 40
_LETTER_WIDTH = 0.0085
_LONGEST_TITLE = 100
_SHOWN_RANGE_DB, _STEP_DB = 70.0, 2.0
"""Finer steps are not seen, but make the file larger by a fifth"""
_MEL_TICKS_HZ = (200, 1000, 4000, 16_000)
_TEXT, _QUIET, _LINE, _LOST = "#1a1a1a", "#6b6b6b", "#30475e", "#9a9a9a"
_STATES = {
    "listening": ("#7f9bb3", None),
    "no sound": ("white", "////"),
    "starting": ("white", "...."),
    "paused": ("#e9e4d4", None),
}
"""Colour and hatch"""
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _TEXT,
    "text.color": _TEXT,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a file may have dollars in its name
    "svg.fonttype": "path",  # letters as outlines: the same everywhere
    "svg.hashsalt": "edge-asc",  # the same file each time
}


def draw(timeline: Timeline, path: Path) -> None:
    """Write `timeline` as PNG or SVG, by the suffix of `path`. Raises OSError."""
    with rc_context(_STYLE):
        figure = _figure(timeline)
        kind = path.suffix.lower().removeprefix(".")
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with atomic_path(path) as temporary, warnings.catch_warnings():
            # A name may be in letters that the font lacks: boxes are drawn.
            warnings.filterwarnings("ignore", "Glyph .* missing")
            figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata)


def _figure(timeline: Timeline) -> Figure:
    heights = {"level": 0.9}
    if timeline.spectrogram is not None:
        heights["mel"] = 1.3
    heights["belief"] = 0.19 * len(timeline.scenes)
    if timeline.decisions:
        heights["decision"] = 0.3
    if timeline.states:
        heights["states"] = 0.16
    size = (WIDTH_INCHES, sum(heights.values()) + 0.33 * len(heights) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights.values())
    )[:, 0]
    axes: dict[str, Axes] = dict(zip(heights, panels, strict=True))
    draw_panel = {
        "level": _draw_level,
        "mel": _draw_spectrogram,
        "belief": _draw_belief,
        "decision": _draw_decisions,
        "states": _draw_states,
    }
    for name, panel in axes.items():
        draw_panel[name](panel, timeline)
        if name != "states":
            _hatch_gaps(panel, timeline)
    _draw_time(panels[-1], timeline)
    _draw_title(figure, timeline)
    return figure


def _draw_level(axes: Axes, timeline: Timeline) -> None:
    level = timeline.level
    times_s = (level.edges_s[:-1] + level.edges_s[1:]) / 2
    rms = level.mean[:, 0]
    axes.fill_between(times_s, level.low[:, 0], level.high[:, 0], color=_LINE, alpha=0.25, lw=0)
    axes.plot(times_s, rms, color=_LINE, lw=0.9)
    what = "RMS"
    if level.mean.shape[1] > 1:
        axes.plot(times_s, level.high[:, 1], color=_QUIET, lw=0.6)
        what = "RMS, and peak above it"
    hatched = "; hatched: sound was lost" if timeline.gaps else ""
    _name(axes, f"Level, dBFS: {what} (a full-scale sine has 0){hatched}")
    axes.grid(axis="y", lw=0.4, alpha=0.5)


def _draw_spectrogram(axes: Axes, timeline: Timeline) -> None:
    assert timeline.spectrogram is not None
    series, centres_hz = timeline.spectrogram.series, timeline.spectrogram.centres_hz
    # Features are 10 log10 of magnitudes, half a decibel of level.
    below_db = 2.0 * (series.mean.T - np.nanmax(series.mean))
    image = axes.imshow(
        below_db,
        cmap=colormaps["magma"].resampled(int(_SHOWN_RANGE_DB / _STEP_DB)),
        vmin=-_SHOWN_RANGE_DB,
        vmax=0.0,
        extent=_extent(series, len(centres_hz)),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    bands = np.interp(_MEL_TICKS_HZ, centres_hz, np.arange(len(centres_hz)) + 0.5)
    axes.set_yticks(bands, [f"{hz / 1000:g} kHz" for hz in _MEL_TICKS_HZ])
    _name(axes, "Log-mel spectrogram, dB below the loudest")
    scale = axes.inset_axes((1.01, 0.0, 0.012, 1.0))
    axes.figure.colorbar(image, cax=scale, ticks=[0, -30, -60])


def _draw_belief(axes: Axes, timeline: Timeline) -> None:
    belief, colours = timeline.belief, scene_colours(timeline.scenes)
    rgb = np.array([to_rgb(colours[scene]) for scene in timeline.scenes])
    share = np.nan_to_num(belief.mean.T)[:, :, None]
    axes.imshow(
        1.0 - share * (1.0 - rgb[:, None, :]),
        extent=_extent(belief, len(timeline.scenes)),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    axes.invert_yaxis()
    rows = np.arange(len(timeline.scenes)) + 0.5
    axes.set_yticks(rows, [display_name(scene) for scene in timeline.scenes])
    axes.hlines(rows[1:] - 0.5, timeline.start_s, timeline.end_s, color=_LOST, lw=0.3)
    what = "Belief in each scene, after smoothing" if timeline.smoothed else "Network's probability"
    _name(axes, f"{what}: white 0 %, full colour 100 %")
    if timeline.decisions:
        _tell_shares(axes, timeline)


def _tell_shares(axes: Axes, timeline: Timeline) -> None:
    """How much of the decided time each scene has, at the right of its row."""
    lasted_s = dict.fromkeys(timeline.scenes, 0.0)
    for stretch in timeline.decisions:
        lasted_s[stretch.what] = lasted_s.get(stretch.what, 0.0) + stretch.end_s - stretch.start_s
    transform = axes.get_yaxis_transform()
    for row, scene in enumerate(timeline.scenes):
        share = 100.0 * lasted_s[scene] / sum(lasted_s.values())
        if share > 0.0:
            text = f"{share:.0f} %" if share >= 0.5 else "< 1 %"
            axes.text(1.01, row + 0.5, text, transform=transform, va="center", size=8)
    axes.text(
        1.01, -0.1, "of decided\ntime", transform=transform, va="bottom", size=8, color=_QUIET
    )


def _draw_decisions(axes: Axes, timeline: Timeline) -> None:
    colours = scene_colours(timeline.scenes)
    span_s = timeline.end_s - timeline.start_s
    kinds = list(colours)
    image = np.ones((1, _STRIP_COLUMNS, 3))
    lasted = _lasted(timeline, kinds)
    covered = lasted.max(axis=0) > 0.0
    rgb = np.array([to_rgb(colours[kind]) for kind in kinds])
    image[0, covered] = rgb[lasted.argmax(axis=0)[covered]]
    axes.imshow(
        image,
        extent=(timeline.start_s, timeline.end_s, 0.0, 1.0),
        aspect="auto",
        interpolation="nearest",
    )
    for stretch in timeline.decisions:
        width = (stretch.end_s - stretch.start_s) / span_s
        if stretch.what == UNKNOWN_SCENE and width > 1.0 / _STRIP_COLUMNS:
            _hatch(axes, stretch.start_s, stretch.end_s, "....", colours[UNKNOWN_SCENE])
        _name_stretch(axes, timeline, stretch, _ink(colours[stretch.what]))
    marks = ""
    if 0 < len(timeline.changes_s) <= _MOST_MARKS:
        marks = "; the triangles stand where the sound by which it was decided ends"
        top = np.ones(len(timeline.changes_s))
        axes.plot(timeline.changes_s, top, "v", color=_TEXT, ms=4.5, clip_on=False, zorder=5)
    count = len(timeline.changes_s)
    changes = "1 change" if count == 1 else f"{count} changes"
    _name(axes, f"Decided scene: {changes}{marks}", pad=7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _name_stretch(axes: Axes, timeline: Timeline, stretch: Stretch, ink: str) -> None:
    """Write which scene it is, where there is room: in its longest part without a gap."""
    name, span_s = scene_name(stretch.what), timeline.end_s - timeline.start_s
    room_s = _LETTER_WIDTH * len(name) * span_s
    if stretch.end_s - stretch.start_s < room_s:
        return
    part = Stretch(stretch.what, max(stretch.start_s, timeline.start_s), stretch.end_s)
    parts = []
    for gap in timeline.gaps:
        if part.start_s < gap.end_s and gap.start_s < part.end_s:
            parts.append(replace(part, end_s=gap.start_s))
            part = replace(part, start_s=gap.end_s)
    longest = max([*parts, part], key=lambda part: part.end_s - part.start_s)
    if longest.end_s - longest.start_s >= room_s:
        middle_s = (longest.start_s + longest.end_s) / 2
        axes.text(middle_s, 0.46, name, ha="center", va="center", size=8, color=ink)


def _lasted(timeline: Timeline, kinds: list[str]) -> Values:
    """How long each kind lasts in each column of the strip, in columns."""
    start_s, span_s = timeline.start_s, timeline.end_s - timeline.start_s
    lasted = np.zeros((len(kinds), _STRIP_COLUMNS))
    for stretch in timeline.decisions:
        row = lasted[kinds.index(stretch.what)]
        ends = np.array([stretch.start_s, stretch.end_s])
        first, last = np.clip((ends - start_s) / span_s * _STRIP_COLUMNS, 0.0, _STRIP_COLUMNS)
        columns = np.arange(int(first), min(int(last) + 1, _STRIP_COLUMNS))
        row[columns] += np.minimum(columns + 1.0, last) - np.maximum(columns, first)
    return lasted


def _draw_states(axes: Axes, timeline: Timeline) -> None:
    present = [state for state in _STATES if any(s.what == state for s in timeline.states)]
    for state in present:
        bars = [(s.start_s, s.end_s - s.start_s) for s in timeline.states if s.what == state]
        colour, hatch = _STATES[state]
        axes.broken_barh(
            bars, (0.0, 1.0), facecolor=colour, edgecolor=_LOST, hatch=hatch, linewidth=0
        )
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _name(axes, "Listener; where there is nothing, it did not run")
    axes.legend(
        handles=[_state_patch(state) for state in present],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(present),
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.2,
        handlelength=1.5,
        fontsize=8,
    )


def _state_patch(state: str) -> Patch:
    colour, hatch = _STATES[state]
    return Patch(label=state, facecolor=colour, edgecolor=_LOST, hatch=hatch, linewidth=0)


def _hatch_gaps(axes: Axes, timeline: Timeline) -> None:
    least_s = (timeline.end_s - timeline.start_s) / _LEAST_GAPS
    joined: list[tuple[float, float]] = []
    for gap in timeline.gaps:
        start_s, end_s = gap.start_s, max(gap.end_s, gap.start_s + least_s)
        if joined and start_s <= joined[-1][1]:
            start_s, end_s = joined[-1][0], max(end_s, joined.pop()[1])
        joined.append((start_s, end_s))
    for start_s, end_s in joined:
        _hatch(axes, start_s, end_s, "////", "white")


def _hatch(axes: Axes, start_s: float, end_s: float, hatch: str, colour: str) -> None:
    axes.axvspan(start_s, end_s, facecolor=colour, edgecolor=_LOST, hatch=hatch, lw=0)


def _draw_time(axes: Axes, timeline: Timeline) -> None:
    axis = time_axis(timeline.start_s, timeline.end_s, timeline.begins)
    axes.set_xlim(timeline.start_s, timeline.end_s)
    axes.set_xticks(axis.ticks_s, axis.labels)
    axes.set_xlabel(axis.name)


def _draw_title(figure: Figure, timeline: Timeline) -> None:
    lines = [_shortened(timeline.title), f"model: {_shortened(timeline.model)}"]
    if timeline.demonstration:
        lines[1] += "; demonstration model: not fit to decide anything"
    figure.suptitle("\n".join(lines), x=0.008, ha="left", size=10)


def _name(axes: Axes, text: str, pad: float = 3.0) -> None:
    axes.set_title(text, loc="left", pad=pad, color=_TEXT)


def _extent(series: Series, num_rows: int) -> tuple[float, float, float, float]:
    return (float(series.edges_s[0]), float(series.edges_s[-1]), 0.0, float(num_rows))


def _ink(colour: str) -> str:
    """Black or white, whichever is read on `colour`: WCAG's relative luminance, roughly."""
    red, green, blue = to_rgb(colour)
    return (
        "black" if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18 else "white"
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 3]}..."
