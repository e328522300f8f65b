"""What a report says to those who want one answer: the decision, or without one the estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.messages import Report

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Told:
    """The answer of one report."""

    scenes: tuple[str, ...]
    probabilities: Array
    """shape (num_scenes,); smoothed, if there is a decision"""
    scene: str | None
    """A scene, `UNKNOWN_SCENE`, or None: undecided"""
    confidence: float | None
    since_s: float | None
    """Where the scene began, in seconds since the stream did; None if nothing is decided"""


def told(report: Report) -> Told:
    """What `report` says."""
    estimate, decision = report.estimate, report.decision
    if decision is None:
        return Told(
            estimate.scenes, estimate.probabilities, estimate.scene, estimate.confidence, None
        )
    return Told(
        decision.scenes, decision.belief, decision.scene, decision.confidence, decision.since_s
    )
