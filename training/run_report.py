"""What a training run says of itself: figures on paper and on screen, versions, counts."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_asc import __version__
from edge_asc.atomic import atomic_path
from edge_asc.training.controls import pooled_controls
from edge_asc.training.datasets import Clip
from edge_asc.training.metrics import Scores, format_percent, score
from edge_asc.training.splits import Split


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What the network of one split made of its test windows."""

    label: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    group: list[str]
    scores: Scores


def report_folds(
    results: Sequence[SplitResult], splits: Sequence[Split], scenes: tuple[str, ...], out: Path
) -> None:
    """Print and write the figures over all folds: their mean, and all their windows pooled."""
    accuracies = np.array([result.scores.accuracy for result in results])
    pooled = score(
        scenes,
        np.concatenate([result.label for result in results]),
        np.concatenate([result.predicted for result in results]),
        [group for result in results for group in result.group],
    )
    mean, spread = float(accuracies.mean()), float(accuracies.std(ddof=1))
    controls = pooled_controls(splits)
    controls_line = controls.line() if controls is not None and controls.is_leaky else None
    summary = {
        "folds": {s.name: r.scores.accuracy for s, r in zip(splits, results, strict=True)},
        "mean_accuracy": mean,
        "standard_deviation_over_folds": spread,
        "train_clips": count_sources(list({c for split in splits for c in split.train})),
        "test_clips": count_sources([clip for split in splits for clip in split.test]),
        "test_is_fair": all(split.is_fair_test for split in splits),
        "controls_line": controls_line,
        "pooled": pooled.to_dict(),
        "versions": versions(),
    }
    write_json(out / "metrics.json", summary)
    print(
        f"{len(results)} folds: mean accuracy {format_percent(mean)}, "
        f"standard deviation between folds {100.0 * spread:.1f} %"
    )
    print("all folds pooled:")
    print("\n".join(f"  {line}" for line in pooled.lines()))
    if controls_line:
        print(f"  {controls_line}")


def print_split(split: Split, metrics: dict[str, Any], scores: Scores, out: Path) -> None:
    """Print the figures of one run."""
    described = ", ".join(f"{count} of {name}" for name, count in metrics["test_clips"].items())
    print(f"{split.name}: tested on {len(split.test)} clips that were not trained on ({described})")
    if not split.is_fair_test:
        print("  of sets that are only ever trained on: this says nothing about real sound")
    if "stage1" in metrics:
        before = metrics["stage1"]["test"]
        print(f"  after stage 1: accuracy {format_percent(before['accuracy'])}")
    print("\n".join(f"  {line}" for line in scores.lines()))
    if metrics["controls_line"]:
        print(f"  {metrics['controls_line']}")
    print(f"  written to {out}")


def count_sources(clips: Sequence[Clip]) -> dict[str, int]:
    """Count the clips of every source set."""
    return dict(sorted(Counter(clip.source_set for clip in clips).items()))


def versions() -> dict[str, str]:
    """Name the versions that a result depends on."""
    return {
        "edge-asc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning-fabric": metadata.version("lightning-fabric"),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
