"""Decisions on a stream, and what each margin costs and saves, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from edge_asc.atomic import atomic_path
from edge_asc.benchmarks.decision_scores import score
from edge_asc.benchmarks.scene_streams import Stream
from edge_asc.decision import Decider
from edge_asc.decision_config import DecisionConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGINS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
RAW = DecisionConfig(smoothing="none", margin=0.0)
SHOWN_S = 600.0

Band = tuple[str, float, float]
"""Scene, start, end"""


def draw(streams: Sequence[Stream], path: Path) -> None:
    """Write the picture: the beginning of the first stream, and all streams by margin."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (bands, curves) = pyplot.subplots(
        2, 1, figsize=(9.0, 6.4), height_ratios=(2.0, 3.0), layout="constrained"
    )
    _draw_bands(bands, streams[0])
    _draw_curves(curves, streams)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _draw_bands(axes: Axes, stream: Stream) -> None:
    rows = {
        "heard": [(one.scene, one.start_s, one.end_s) for one in stream.stretches],
        "likeliest of\neach window": _bands(stream, RAW),
        "decided": _bands(stream, DecisionConfig()),
    }
    scenes = sorted(
        {scene for row in rows.values() for scene, start_s, _ in row if start_s < SHOWN_S}
    )
    colours = {scene: f"C{number % 10}" for number, scene in enumerate(scenes)}
    for number, row in enumerate(rows.values()):
        for scene, start_s, end_s in row:
            if scene in colours:
                width_s = min(end_s, SHOWN_S) - start_s
                axes.barh(-number, width_s, left=start_s, height=0.7, color=colours[scene])
    axes.set_yticks([0, -1, -2], list(rows))
    axes.set_xlim(0, SHOWN_S)
    axes.set_xlabel("seconds of the stream")
    handles = [axes.barh(0, 0, color=colours[scene]) for scene in scenes]
    names = [scene.replace("_", " ") for scene in scenes]
    axes.legend(
        handles, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False
    )


def _draw_curves(axes: Axes, streams: Sequence[Stream]) -> None:
    kinds = {
        "hysteresis alone": replace(RAW),
        "exponential smoothing": DecisionConfig(),
        "HMM": DecisionConfig(smoothing="hmm"),
    }
    raw = score(streams, RAW)
    for name, config in kinds.items():
        scores = [score(streams, replace(config, margin=margin)) for margin in MARGINS]
        delays_s = [sum(one.delays_s) / len(one.delays_s) for one in scores]
        axes.plot(delays_s, [one.false_per_hour for one in scores], marker="o", label=name)
        for delay_s, one, margin in zip(delays_s, scores, MARGINS, strict=True):
            if margin in (0.0, 0.25, 0.6):
                axes.annotate(
                    f"{margin:g}",
                    (delay_s, one.false_per_hour),
                    (4, 4),
                    textcoords="offset points",
                    fontsize=8,
                )
    axes.axhline(
        raw.false_per_hour / 3, color="0.6", linestyle=":", label="a third of the likeliest"
    )
    axes.set_xlabel("mean delay of the changes that were found, s")
    axes.set_ylabel("false changes an hour")
    axes.set_ylim(bottom=0)
    axes.set_title("margins from 0 to 0.6", fontsize=10)
    axes.legend(frameon=False)


def _bands(stream: Stream, config: DecisionConfig) -> list[Band]:
    """Decided scenes with the time of the sound that decided them."""
    hop_s = stream.estimates[1].end_s - stream.estimates[0].end_s
    decider = Decider(stream.estimates[0].scenes, config, hop_s)
    decided = [(decider.process(one).scene or "", one.end_s) for one in stream.estimates]
    bands = []
    for scene, group in groupby(decided, key=lambda pair: pair[0]):
        ends_s = [end_s for _, end_s in group]
        bands.append((scene, ends_s[0] - hop_s, ends_s[-1]))
    return bands
