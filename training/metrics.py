"""How good a classifier is, and how sure that figure is.

Clips of one recording are not independent: intervals are bootstrapped over groups (recordings,
visits), not over clips. A scene that no clip has is "not testable", never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A bootstrap confidence interval."""

    low: float
    high: float


class ConfusionMeter:
    """Counts true against predicted scenes; `reset` before every new pass over the data."""

    def __init__(self, num_scenes: int) -> None:
        self.num_scenes = num_scenes
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far."""
        self.matrix: IntArray = np.zeros((self.num_scenes, self.num_scenes), np.int64)

    def update(self, label: IntArray, predicted: IntArray) -> None:
        """Count true scenes `label`, shape (N,), against `predicted`, shape (N,)."""
        np.add.at(self.matrix, (label, predicted), 1)

    @property
    def accuracy(self) -> float:
        """Share of all windows that is right."""
        return float(self.matrix.trace() / self.matrix.sum())

    @property
    def recalls(self) -> list[float | None]:
        """For every scene the share of its windows that is right; None where it has none."""
        totals = self.matrix.sum(axis=1)
        return [
            float(hit / total) if total else None
            for hit, total in zip(self.matrix.diagonal(), totals, strict=True)
        ]

    @property
    def macro_recall(self) -> float:
        """Mean recall of the scenes that have windows: the paper's "accuracy"."""
        known = [recall for recall in self.recalls if recall is not None]
        return sum(known) / len(known)


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of one classifier on one set of windows."""

    scenes: tuple[str, ...]
    accuracy: float
    accuracy_interval: Interval
    macro_recall: float
    macro_recall_interval: Interval
    majority_rate: float
    """Accuracy of always answering the set's most frequent scene."""
    recalls: tuple[float | None, ...]
    """For every scene; None = not testable, because it has no window here."""
    confusion: tuple[tuple[int, ...], ...]
    """[true][predicted] counts"""
    num_windows: int
    num_groups: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types, scenes by name."""
        untestable = [
            s for s, recall in zip(self.scenes, self.recalls, strict=True) if recall is None
        ]
        return {
            "num_windows": self.num_windows,
            "num_groups": self.num_groups,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_recall": self.macro_recall,
            "macro_recall_interval": list(self.macro_recall_interval),
            "majority_rate": self.majority_rate,
            "recall": dict(zip(self.scenes, self.recalls, strict=True)),
            "not_testable": untestable,
            "confusion": [list(row) for row in self.confusion],
            "scenes": list(self.scenes),
        }

    def lines(self) -> list[str]:
        """Return the figures as lines to read."""
        per_scene = ", ".join(
            f"{scene} {'not testable' if recall is None else format_percent(recall)}"
            for scene, recall in zip(self.scenes, self.recalls, strict=True)
        )
        return [
            f"accuracy {format_share(self.accuracy, self.accuracy_interval)} on {self.num_windows} "
            f"windows of {self.num_groups} groups; always the most frequent scene: "
            f"{format_percent(self.majority_rate)}",
            f"macro recall {format_share(self.macro_recall, self.macro_recall_interval)}",
            f"recall: {per_scene}",
        ]


def score(
    scenes: Sequence[str],
    label: IntArray,
    predicted: IntArray,
    group: Sequence[str],
    *,
    seed: int = 0,
) -> Scores:
    """Score predictions, shape (N,), against true labels, shape (N,), of N windows of `group`s.

    Raises:
        ValueError: there is no window.
    """
    if len(label) == 0:
        raise ValueError("cannot score an empty set of windows")
    meter = ConfusionMeter(len(scenes))
    meter.update(label, predicted)
    accuracy_interval, macro_interval = _bootstrap(len(scenes), label, predicted, group, seed)
    return Scores(
        scenes=tuple(scenes),
        accuracy=meter.accuracy,
        accuracy_interval=accuracy_interval,
        macro_recall=meter.macro_recall,
        macro_recall_interval=macro_interval,
        majority_rate=float(meter.matrix.sum(axis=1).max() / len(label)),
        recalls=tuple(meter.recalls),
        confusion=tuple(tuple(int(n) for n in row) for row in meter.matrix),
        num_windows=len(label),
        num_groups=len(set(group)),
    )


def format_percent(share: float) -> str:
    """Write 0.5 as "50.0 %"."""
    return f"{100.0 * share:.1f} %"


def format_share(share: float, interval: Interval) -> str:
    """Write a share and its interval: "50.0 % (95 % interval 41.2 - 58.9)"."""
    return (
        f"{format_percent(share)} ({100.0 * CONFIDENCE:.0f} % interval "
        f"{100.0 * interval.low:.1f} - {100.0 * interval.high:.1f})"
    )


def _bootstrap(
    num_scenes: int, label: IntArray, predicted: IntArray, group: Sequence[str], seed: int
) -> tuple[Interval, Interval]:
    """Intervals of accuracy and macro recall when whole groups are drawn with replacement."""
    names, index = np.unique(np.asarray(group), return_inverse=True)
    if len(names) == 1:
        # Drawn again and again, one recording gives one figure: that says nothing about others.
        return Interval(0.0, 1.0), Interval(0.0, 1.0)
    totals = np.zeros((len(names), num_scenes))
    hits = np.zeros((len(names), num_scenes))
    np.add.at(totals, (index, label), 1.0)
    np.add.at(hits, (index, label), label == predicted)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=NUM_RESAMPLES)
    drawn_totals, drawn_hits = draws @ totals, draws @ hits  # (NUM_RESAMPLES, num_scenes)
    accuracies = drawn_hits.sum(axis=1) / drawn_totals.sum(axis=1)
    recalls = np.divide(
        drawn_hits, drawn_totals, out=np.full_like(drawn_hits, np.nan), where=drawn_totals > 0
    )
    return _interval(accuracies), _interval(np.nanmean(recalls, axis=1))


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return Interval(float(low), float(high))
