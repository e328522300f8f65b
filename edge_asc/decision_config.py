"""What is put between the network and a decision: a model's own values, or the user's.

The defaults were chosen on streams of real recordings: docs/decisions.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Smoothing = Literal["hmm", "exponential", "none"]


@dataclass(frozen=True, slots=True)
class DecisionConfig:
    """What is put between the network and a decision."""

    smoothing: Smoothing = "exponential"
    evidence_weight: float = 0.5
    """HMM: how much a second's estimate counts, in (0, 1]"""
    transition: tuple[tuple[float, ...], ...] = ()
    """HMM: row = scene now, column = scene a second later, rows sum to 1; () = from `stay_s`"""
    stay_s: float = 60.0
    """HMM: mean time in a scene, where `transition` is ()"""
    time_constant_s: float = 1.5
    """After so long an estimate counts for 1/e"""
    margin: float = 0.25
    """Hysteresis: a scene is kept until another is ahead by so much; 0 = the likeliest"""
    unknown_below: float | None = None
    """Smoothed familiarity below which the scene is unknown; None = never"""

    def __post_init__(self) -> None:
        smoothings = get_args(Smoothing)
        _check(
            "smoothing",
            self.smoothing,
            self.smoothing in smoothings,
            f"one of {', '.join(smoothings)}",
        )
        _check(
            "evidence_weight", self.evidence_weight, 0.0 < self.evidence_weight <= 1.0, "in (0, 1]"
        )
        _check("stay_s", self.stay_s, 1.0 < self.stay_s < math.inf, "above 1 and finite")
        _check(
            "time_constant_s",
            self.time_constant_s,
            0.0 < self.time_constant_s < math.inf,
            "above 0 and finite",
        )
        _check("margin", self.margin, 0.0 <= self.margin < 1.0, "in [0, 1)")
        for row in self.transition:
            fits = len(row) == len(self.transition) and min(row) >= 0.0
            _check(
                "transition",
                row,
                fits and abs(sum(row) - 1.0) < 1e-6,
                "rows of its length that sum to 1",
            )

    def matrix(self, num_scenes: int) -> npt.NDArray[np.float64]:
        """The transition matrix, shape (num_scenes, num_scenes). Raises ValueError for another."""
        if self.transition:
            if len(self.transition) != num_scenes:
                raise ValueError(
                    f"transition must have a row for each of the {num_scenes} scenes,"
                    f" got {len(self.transition)}"
                )
            return np.array(self.transition, np.float64)
        leave = 1.0 / self.stay_s
        matrix = np.full((num_scenes, num_scenes), leave / max(1, num_scenes - 1))
        np.fill_diagonal(matrix, 1.0 - leave)
        return matrix


def _check(name: str, value: object, fits: bool, allowed: str) -> None:
    if not fits:
        raise ValueError(f"{name} must be {allowed}, got {value}")
