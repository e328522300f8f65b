"""What smoothing and hysteresis are worth, on streams of recordings that a model never heard.

python -m edge_asc.benchmarks.decisions RUN... --data DIR [--stretch 8 30]

RUN is a finished training run whose network was exported beside its checkpoint (checkpoint.tflite);
its test recordings make the streams.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from edge_asc.atomic import atomic_path
from edge_asc.benchmarks.decision_scores import DecisionScores, score
from edge_asc.benchmarks.scene_streams import Stream, hear, plan
from edge_asc.classifier import SceneClassifier
from edge_asc.decision_config import DecisionConfig
from edge_asc.model_file import ModelFile
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.registry import read_set

PATH = click.Path(exists=True, file_okay=False, path_type=Path)

RAW = DecisionConfig(smoothing="none", margin=0.0)
CONFIGS = {
    "likeliest of each window (raw)": RAW,
    "exponential smoothing": DecisionConfig(margin=0.0),
    "hysteresis": DecisionConfig(smoothing="none"),
    "exponential smoothing, hysteresis": DecisionConfig(),
    "HMM": DecisionConfig(smoothing="hmm", margin=0.0),
    "HMM, hysteresis": DecisionConfig(smoothing="hmm"),
}


def held_out_recordings(run: Path, data: Sequence[Path]) -> list[Clip]:
    """The labelled recordings of the groups that a run was tested on."""
    with np.load(run / "predictions.npz", allow_pickle=False) as predictions:
        groups = set(predictions["group"].tolist())
    return [clip for folder in data for clip in read_set(folder).clips if clip.group in groups]


def open_model(run: Path, name: str = "checkpoint.tflite") -> SceneClassifier:
    """The exported network of a run."""
    return SceneClassifier(ModelFile.read(run / name))


def hear_streams(
    classifier: SceneClassifier, recordings: Sequence[Clip], seeds: int, stretch: tuple[int, int]
) -> list[Stream]:
    """Streams of the recordings in as many seeded orders."""
    return [
        hear(classifier, plan(recordings, seed, stretch_recordings=stretch))
        for seed in range(seeds)
    ]


def row(name: str, scores: DecisionScores, reference: DecisionScores) -> str:
    """A line of the table."""
    return (
        f"| {name} | {scores.num_false} | {scores.false_per_hour:.0f} |"
        f" {scores.num_false / reference.num_false:.2f} | {100 * scores.found:.0f} % |"
        f" {scores.median_delay_s:.1f} s | {100 * scores.accuracy:.1f} % |"
        f" {100 * scores.confidence:.1f} % | {scores.median_start_error_s:.1f} s |"
    )


HEAD = (
    "| | false changes | an hour | of raw | changes found | median delay | right | confidence |"
    " start off by |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def to_dict(scores: DecisionScores) -> dict[str, Any]:
    """The figures as JSON types."""
    return {
        "hours": scores.hours,
        "true_changes": scores.num_true,
        "false_changes": scores.num_false,
        "found": scores.found,
        "median_delay_s": scores.median_delay_s,
        "delays_s": sorted(scores.delays_s),
        "accuracy": scores.accuracy,
        "confidence": scores.confidence,
        "median_start_error_s": scores.median_start_error_s,
    }


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--data", type=PATH, multiple=True, required=True)
@click.option("--stretch", nargs=2, type=int, default=(1, 2), show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Orders of each run's recordings.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Ten minutes, and what each margin costs, drawn.",
)
def main(
    runs: tuple[Path, ...],
    data: tuple[Path, ...],
    stretch: tuple[int, int],
    seeds: int,
    json_path: Path | None,
    picture: Path | None,
) -> None:
    """Print the table of docs/decisions.md for some runs."""
    streams = []
    for run in runs:
        classifier = open_model(run)
        known = [
            clip
            for clip in held_out_recordings(run, data)
            if clip.scene in classifier.manifest.scenes
        ]
        streams += hear_streams(classifier, known, seeds, stretch)
    reference = score(streams, RAW)
    recordings_s = sum(stream.duration_s for stream in streams) / seeds
    click.echo(
        f"{len(streams)} streams, {reference.hours:.2f} hours made of {recordings_s / 3600:.2f}"
        f" hours of recordings in {seeds} orders; {reference.num_true} changes of scene\n\n{HEAD}"
    )
    results = {name: score(streams, config) for name, config in CONFIGS.items()}
    for name, scores in results.items():
        click.echo(row(name, scores, reference))
    if json_path is not None:
        values = {name: to_dict(scores) for name, scores in results.items()}
        with atomic_path(json_path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if picture is not None:
        from edge_asc.benchmarks.decision_picture import draw

        draw(streams, picture)


if __name__ == "__main__":
    sys.exit(main())
