"""Does a model notice that it does not know a scene? On classes that it never saw.

python -m edge_asc.benchmarks.unknown_scenes RUN... --data DIR --foreign DIR [--stretch 8 30]

RUN is a training run that left classes out; beside its checkpoint lies calibrated.tflite, its
network with a threshold from other recordings (`edge-asc calibrate ... --run OTHER`). Heard are its
test recordings, recordings of the same folds of the classes left out, and those of --foreign.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from edge_asc.benchmarks.decision_scores import DecisionScores, score
from edge_asc.benchmarks.decisions import PATH, hear_streams, held_out_recordings, open_model
from edge_asc.benchmarks.scene_streams import Stream, hear_alone
from edge_asc.decision_config import DecisionConfig
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.registry import read_set

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Of recordings heard one by one, in three groups."""

    known: Values
    unknown: Values
    foreign: Values


def auroc(known: Values, unknown: Values) -> float:
    """How well familiarity tells the two apart: 1 = perfectly, 0.5 = not at all."""
    truth = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    return float(roc_auc_score(truth, np.concatenate([known, unknown])))


def unknown_recordings(
    known: Sequence[Clip], data: Sequence[Path], scenes: Sequence[str]
) -> list[Clip]:
    """Recordings of the folds of `known` whose class is not among `scenes`."""
    folds = {clip.fold for clip in known}
    clips = (clip for folder in data for clip in read_set(folder).clips)
    return [clip for clip in clips if clip.fold in folds and clip.scene not in scenes]


def describe(scores: DecisionScores, name: str) -> str:
    """A line of the second table."""
    unknown_s = scores.found_unknown_s + scores.missed_unknown_s
    known_s = scores.decided_s - unknown_s
    return (
        f"| {name} | {100 * scores.found_unknown_s / unknown_s:.1f} % |"
        f" {100 * scores.false_unknown_s / known_s:.1f} % | {scores.num_false} |"
        f" {100 * scores.found:.0f} % | {scores.median_delay_s:.1f} s |"
        f" {100 * scores.accuracy:.1f} % |"
    )


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--data", type=PATH, multiple=True, required=True)
@click.option("--foreign", type=PATH, multiple=True, required=True)
@click.option("--stretch", nargs=2, type=int, default=(1, 2), show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Orders of each run's recordings.")
def main(
    runs: tuple[Path, ...],
    data: tuple[Path, ...],
    foreign: tuple[Path, ...],
    stretch: tuple[int, int],
    seeds: int,
) -> None:
    """Print the tables about unknown scenes of docs/decisions.md for some runs."""
    click.echo("| run | known | left out | foreign | AUROC left out | AUROC foreign |")
    click.echo("|---|---:|---:|---:|---:|---:|")
    streams: list[tuple[list[Stream], DecisionConfig]] = []
    for run in runs:
        classifier = open_model(run, "calibrated.tflite")
        scenes = classifier.manifest.scenes
        known = [clip for clip in held_out_recordings(run, data) if clip.scene in scenes]
        left_out = unknown_recordings(known, data, scenes)
        others = [clip for folder in foreign for clip in read_set(folder).clips]
        others = [clip for clip in others if clip.scene not in scenes]
        heard = Familiarity(
            *(
                hear_alone(classifier, clips, lambda one: one.familiarity)
                for clips in (known, left_out, others)
            )
        )
        click.echo(
            f"| {run.name} | {len(heard.known)} | {len(heard.unknown)} | {len(heard.foreign)} |"
            f" {auroc(heard.known, heard.unknown):.3f} | {auroc(heard.known, heard.foreign):.3f} |"
        )
        both = hear_streams(classifier, [*known, *left_out], seeds, stretch)
        streams.append((both, classifier.manifest.decision_config))
    hours = sum(stream.duration_s for both, _ in streams for stream in both) / 3600
    click.echo(
        f"\n{hours:.2f} hours of streams of known classes and of those left out\n\n"
        "| | unknown found | known taken for unknown | false changes | changes found | median delay"
        " | right |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    for name, threshold in (("without", False), ("with the threshold", True)):
        parts = [
            score(both, config if threshold else replace(config, unknown_below=None))
            for both, config in streams
        ]
        for run, part in zip(runs, parts, strict=True):
            click.echo(describe(part, f"{run.name}, {name}"))


if __name__ == "__main__":
    sys.exit(main())
