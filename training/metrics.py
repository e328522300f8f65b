"""How good a classifier is, and how sure that figure is.

Clips of one recording are not independent: intervals are bootstrapped over groups (recordings,
visits), not over clips. A scene that no clip has is "not testable", never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
UNKNOWN = "unknown"
"""Name of the part whose windows do not tell the attribute"""


class Interval(NamedTuple):
    """A bootstrap confidence interval."""

    low: float
    high: float


ANY_SHARE = Interval(0.0, 1.0)
"""What one group tells about other groups' share"""

ANY_DIFFERENCE = Interval(-1.0, 1.0)
"""What one group tells about other groups' difference of two shares"""


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
    recall_intervals: tuple[Interval | None, ...]
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
            "recall_interval": {
                scene: None if interval is None else list(interval)
                for scene, interval in zip(self.scenes, self.recall_intervals, strict=True)
            },
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
    bootstrap = GroupBootstrap(group, seed)
    right = (label == predicted)[:, None]
    is_scene = label[:, None] == np.arange(len(scenes))  # (N, num_scenes)
    return Scores(
        scenes=tuple(scenes),
        accuracy=meter.accuracy,
        accuracy_interval=bootstrap.mean_interval(right),
        macro_recall=meter.macro_recall,
        macro_recall_interval=bootstrap.interval(
            lambda hits, windows: np.nanmean(hits / windows, axis=1), is_scene & right, is_scene
        ),
        majority_rate=float(meter.matrix.sum(axis=1).max() / len(label)),
        recalls=tuple(meter.recalls),
        recall_intervals=bootstrap.share_intervals(is_scene & right, is_scene),
        confusion=tuple(tuple(int(n) for n in row) for row in meter.matrix),
        num_windows=len(label),
        num_groups=len(set(group)),
    )


class GroupBootstrap:
    """Intervals of figures when whole groups are drawn with replacement, as many as there are.

    All figures of one object see the same draws, so that differences between them are paired. With
    a single group an interval is all that is possible: drawn again and again, one recording gives
    one figure, and that says nothing about others.
    """

    def __init__(self, group: Sequence[str], seed: int = 0) -> None:
        """`group` names the group of each of N windows."""
        names, self._index = np.unique(np.asarray(group), return_inverse=True)
        self.num_groups = len(names)
        rng = np.random.default_rng(seed)
        even = np.full(self.num_groups, 1.0 / self.num_groups)
        draws = rng.multinomial(self.num_groups, even, size=NUM_RESAMPLES)
        self._draws = draws.astype(np.float32)  # counts, exact; half the memory

    def interval(
        self,
        figure: Callable[..., FloatArray],
        *columns: npt.NDArray[Any],
        possible: Interval = ANY_SHARE,
    ) -> Interval:
        """Interval of a `figure` of sums over windows.

        Args:
            figure: takes the sums of every column over the windows of each draw, shapes
                (NUM_RESAMPLES, K), and returns shape (NUM_RESAMPLES,).
            columns: one or more arrays of shape (N, K).
            possible: the answer for a single group.
        """
        if self.num_groups == 1:
            return possible
        with np.errstate(invalid="ignore"):  # 0 / 0: a scene that was not drawn
            return _interval(figure(*(self._sums(values) for values in columns)))

    def mean_interval(self, values: npt.NDArray[Any], possible: Interval = ANY_SHARE) -> Interval:
        """Interval of the mean of `values`, shape (N, 1), over all windows."""
        return self.interval(
            lambda sums, windows: (sums / windows)[:, 0],
            values,
            np.ones_like(values),
            possible=possible,
        )

    def share_intervals(self, hits: BoolArray, counted: BoolArray) -> tuple[Interval | None, ...]:
        """Interval of `hits` / `counted` for every column, shapes (N, K); None where none counts.

        A column counted in one group only gets 0 to 1.
        """
        with np.errstate(invalid="ignore"):
            shares = self._sums(hits) / self._sums(counted)
        groups = (self._group_sums(counted) > 0).sum(axis=0)
        few = {0: None, 1: ANY_SHARE}
        return tuple(
            few[num] if num in few else _interval(shares[:, column])
            for column, num in enumerate(groups)
        )

    def _sums(self, values: npt.NDArray[Any]) -> FloatArray:
        """Sums of `values`, shape (N, K), over each draw's windows: (NUM_RESAMPLES, K)."""
        return np.asarray(self._draws @ self._group_sums(values), np.float64)

    def _group_sums(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        sums = np.zeros((self.num_groups, values.shape[1]), np.float32)
        np.add.at(sums, self._index, values)
        return sums


@dataclass(frozen=True, slots=True)
class Part:
    """Accuracy on the windows that have one attribute in common, such as their city."""

    name: str
    accuracy: float
    interval: Interval
    num_windows: int
    num_groups: int


def break_down(
    attribute: Sequence[str | None], right: BoolArray, group: Sequence[str], *, seed: int = 0
) -> tuple[Part, ...]:
    """Accuracy on the windows of each value of `attribute`, sorted by name.

    Args:
        attribute: of each of N windows; None becomes "unknown".
        right: whether the window's scene was found, shape (N,).
        group: what the windows were cut from, N names.
    """
    names, index = np.unique(
        np.array([UNKNOWN if value is None else value for value in attribute]), return_inverse=True
    )
    has_value = index[:, None] == np.arange(len(names))  # (N, number of values)
    hits = has_value & right[:, None]
    intervals = GroupBootstrap(group, seed).share_intervals(hits, has_value)
    groups = np.asarray(group)
    return tuple(
        Part(
            name=str(name),
            accuracy=float(hits[:, column].sum() / has_value[:, column].sum()),
            interval=interval,
            num_windows=int(has_value[:, column].sum()),
            num_groups=len(np.unique(groups[has_value[:, column]])),
        )
        for column, (name, interval) in enumerate(zip(names, intervals, strict=True))
        if interval is not None
    )


@dataclass(frozen=True, slots=True)
class PairedDrop:
    """What a classifier loses against another one on the same windows."""

    drop: float
    """Accuracy of the first less that of the second, as a share of the windows"""
    interval: Interval
    """Bootstrapped over groups, both figures of a draw from the same windows"""
    lost: int
    """Windows that the first had right and the second has not"""
    gained: int
    """Windows that the second has right and the first had not"""
    p_value: float
    """McNemar's exact test; it takes windows for independent, the interval does not"""


def paired_drop(
    first: BoolArray, second: BoolArray, group: Sequence[str], *, seed: int = 0
) -> PairedDrop:
    """Compare which of N windows two classifiers have right, both of shape (N,).

    Raises ValueError: there is no window.
    """
    if len(first) == 0:
        raise ValueError("cannot compare on an empty set of windows")
    change = first.astype(np.float64) - second
    lost, gained = int((first & ~second).sum()), int((second & ~first).sum())
    return PairedDrop(
        drop=(lost - gained) / len(first),
        interval=GroupBootstrap(group, seed).mean_interval(change[:, None], ANY_DIFFERENCE),
        lost=lost,
        gained=gained,
        p_value=mcnemar(lost, gained),
    )


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided exact p of so uneven a split where losing and gaining are equally likely.

    McNemar, Psychometrika 12 (1947); exact: the binomial distribution of `lost` in both together.
    """
    total = lost + gained
    tail = sum(math.comb(total, k) for k in range(min(lost, gained) + 1))
    return min(1.0, 2 * tail / (1 << total))


def format_percent(share: float) -> str:
    """Write 0.5 as "50.0 %"."""
    return f"{100.0 * share:.1f} %"


def format_share(share: float, interval: Interval) -> str:
    """Write a share and its interval: "50.0 % (95 % interval 41.2 - 58.9)"."""
    return (
        f"{format_percent(share)} ({100.0 * CONFIDENCE:.0f} % interval "
        f"{100.0 * interval.low:.1f} - {100.0 * interval.high:.1f})"
    )


def _interval(values: FloatArray) -> Interval:
    """The middle of the draws; those in which a scene was not drawn (NaN) are left out."""
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.nanpercentile(values, [tail, 100.0 - tail])
    return Interval(float(low), float(high))
