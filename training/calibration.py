"""Whether a confidence of 80 % is right in 80 % of the cases, and one number that makes it so.

Temperature scaling (Guo et al., "On calibration of modern neural networks", ICML 2017): logits are
divided by one temperature, fitted on windows that were not trained on. Above 1 it makes a network
humbler, below 1 bolder; the likeliest scene stays the likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.training.metrics import FloatArray, GroupBootstrap, IntArray, Interval, format_share

MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0
NUM_BINS = 15
_BISECTIONS = 40
"""Halvings of the range of log T, six units wide: far below float precision."""


def fit_temperature(logits: npt.NDArray[np.floating[Any]], label: IntArray) -> float:
    """Temperature by which `logits`, shape (N, K), tell the scenes `label`, shape (N,), likeliest.

    The negative log likelihood is convex in 1 / T, so the sign of its slope leads to the minimum
    by bisection, without a start value or a step size. The result is within [0.05, 20].

    Where no label is ever missed the likelihood grows without end as T falls: such windows tell
    nothing about how often the network errs, and the answer is 1.0.

    Raises:
        ValueError: no window, a label outside the columns, or logits that are not finite.
    """
    values, label = np.asarray(logits, np.float64), np.asarray(label)
    _check(values, label)
    rows = np.arange(len(label))
    if np.all(values[rows, label] == values.max(axis=1)):
        return 1.0
    centred = values - values[rows, label][:, None]  # the label's own logit becomes 0
    low, high = np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        # Slope of the mean negative log likelihood in 1 / T; above 0 the network is too bold.
        slope = (softmax(centred / np.exp(middle)) * centred).sum(axis=1).mean()
        low, high = (middle, high) if slope > 0.0 else (low, middle)
    return float(np.clip(np.exp((low + high) / 2.0), MIN_TEMPERATURE, MAX_TEMPERATURE))


def softmax(logits: npt.NDArray[np.floating[Any]]) -> FloatArray:
    """Probabilities of logits, both of shape (N, K)."""
    exponentials = np.exp(np.asarray(logits, np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Windows whose confidence is in (low, high]."""

    low: float
    high: float
    num_windows: int
    confidence: float | None
    """Mean over the bin's windows; None where there is none."""
    accuracy: float | None
    interval: Interval | None
    """Of the accuracy, over groups; None where there is no window, or no group is known."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far confidence and accuracy are apart."""

    error: float
    """Expected calibration error: mean over windows of their bin's |confidence - accuracy|."""
    interval: Interval | None
    confidence: float
    """Mean over all windows"""
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types; bins without a window are left out."""
        return {
            "error": self.error,
            "interval": None if self.interval is None else list(self.interval),
            "mean_confidence": self.confidence,
            "num_bins": len(self.bins),
            "bins": [
                {
                    "low": part.low,
                    "high": part.high,
                    "num_windows": part.num_windows,
                    "confidence": part.confidence,
                    "accuracy": part.accuracy,
                    "interval": None if part.interval is None else list(part.interval),
                }
                for part in self.bins
                if part.num_windows
            ],
        }

    def line(self) -> str:
        """Return the figure as a line to read."""
        error = f"{100.0 * self.error:.1f} %"
        if self.interval is not None:
            error = format_share(self.error, self.interval)
        return f"calibration error {error}, mean confidence {100.0 * self.confidence:.1f} %"


def calibration_error(
    probabilities: npt.NDArray[np.floating[Any]],
    label: IntArray,
    num_bins: int = NUM_BINS,
    *,
    group: Sequence[str] | None = None,
    seed: int = 0,
) -> Calibration:
    """Compare the top confidence of `probabilities`, shape (N, K), with how often it is right.

    Args:
        probabilities: rows that sum to 1.
        label: true scenes, shape (N,).
        num_bins: equal parts of confidence 0 to 1.
        group: what the windows were cut from, N names, for intervals; None = without.
        seed: draws the groups.

    Raises:
        ValueError: no window, a label outside the columns, or numbers that are no probabilities.
    """
    values, label = np.asarray(probabilities, np.float64), np.asarray(label)
    _check(values, label)
    if values.min() < 0.0 or np.abs(values.sum(axis=1) - 1.0).max() > 1e-3:
        raise ValueError("probabilities must be at least 0 and sum to 1 in every row")
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == label
    index = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    in_bin = index[:, None] == np.arange(num_bins)  # (N, num_bins)
    surplus = in_bin * (confidence - right)[:, None]
    bootstrap = None if group is None else GroupBootstrap(group, seed)
    return Calibration(
        error=float(np.abs(surplus.sum(axis=0)).sum() / len(label)),
        interval=None if bootstrap is None else bootstrap.interval(_mean_gap, surplus, in_bin),
        confidence=float(confidence.mean()),
        bins=_bins(confidence, right, in_bin, bootstrap),
    )


def _mean_gap(surplus: FloatArray, windows: FloatArray) -> FloatArray:
    return np.asarray(np.abs(surplus).sum(axis=1) / windows.sum(axis=1))


def _bins(
    confidence: FloatArray,
    right: npt.NDArray[np.bool_],
    in_bin: npt.NDArray[np.bool_],
    bootstrap: GroupBootstrap | None,
) -> tuple[ReliabilityBin, ...]:
    num_bins = in_bin.shape[1]
    intervals: Sequence[Interval | None] = [None] * num_bins
    if bootstrap is not None:
        intervals = bootstrap.share_intervals(in_bin & right[:, None], in_bin)
    bins = []
    for number, members in enumerate(in_bin.T):
        any_there = bool(members.any())
        bins.append(
            ReliabilityBin(
                low=number / num_bins,
                high=(number + 1) / num_bins,
                num_windows=int(members.sum()),
                confidence=float(confidence[members].mean()) if any_there else None,
                accuracy=float(right[members].mean()) if any_there else None,
                interval=intervals[number],
            )
        )
    return tuple(bins)


def _check(values: FloatArray, label: IntArray) -> None:
    if values.ndim != 2 or len(values) == 0 or label.shape != values.shape[:1]:
        raise ValueError(
            "needs one row of scores a label, and at least one; got shapes "
            f"{values.shape} and {label.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite, got NaN or infinity")
    if label.min() < 0 or label.max() >= values.shape[1]:
        raise ValueError(
            f"labels must be 0 to {values.shape[1] - 1}, got {label.min()} to {label.max()}"
        )
