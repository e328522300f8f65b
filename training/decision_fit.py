"""What a model must know to decide: its temperature, when sound is unknown to it, what drift is.

All of it is measured on held-out sound, of which the model heard nothing in training: the test
windows of training runs, or recordings of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier, familiarity
from edge_asc.decision_config import DecisionConfig
from edge_asc.drift import DriftReference, level_and_colour
from edge_asc.errors import DataError
from edge_asc.manifest import Manifest
from edge_asc.training.calibration import calibration_error, fit_temperature, softmax
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import cut_windows

MIN_WINDOWS, MIN_GROUPS = 20, 2
"""Fewer say nothing of the tails that thresholds cut off, or of other recordings."""

DRIFT_OUTSIDE = 0.05
"""Share of the held-out windows that the drift reference leaves outside"""

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Windows that a model did not hear in training, and what it made of them."""

    logits: FloatArray
    """shape (N, num_scenes)"""
    label: npt.NDArray[np.int64]
    """Index of the true scene, shape (N,)"""
    profile: FloatArray
    """Mean standardised features, shape (N, num_mels)"""
    group: tuple[str, ...]
    """What each was cut from, N names"""
    data: str
    """Where they come from, in words"""

    def __post_init__(self) -> None:
        num_groups = len(set(self.group))
        if len(self.label) < MIN_WINDOWS or num_groups < MIN_GROUPS:
            raise DataError(
                f"{self.data}: {len(self.label)} held-out windows of {num_groups} groups are too"
                f" few; at least {MIN_WINDOWS} of {MIN_GROUPS} are needed"
            )


@dataclass(frozen=True, slots=True)
class DecisionFit:
    """What was found, and what it is worth."""

    temperature: float
    config: DecisionConfig
    drift: DriftReference
    held_out: dict[str, Any]
    """Data, counts, false-alarm rate, calibration error before and after"""

    def applied_to(self, manifest: Manifest) -> Manifest:
        """`manifest` with these findings."""
        decisions = {
            "config": asdict(self.config),
            "drift": asdict(self.drift),
            "held_out": self.held_out,
        }
        return replace(manifest, temperature=self.temperature, decisions=decisions)


def fit_decisions(
    held_out: HeldOut, config: DecisionConfig, *, false_alarm_rate: float
) -> DecisionFit:
    """Temperature, unknown threshold and drift reference from held-out windows.

    `false_alarm_rate` is the share of the windows whose familiarity falls below the threshold. The
    calibration error after fitting is of groups left out in turn, so that it is not flattered.
    """
    temperature = fit_temperature(held_out.logits, held_out.label)
    values = np.array([familiarity(row) for row in held_out.logits.astype(np.float32)])
    pairs = np.array([level_and_colour(row) for row in held_out.profile.astype(np.float32)])
    low, high = np.quantile(pairs[:, 0], [DRIFT_OUTSIDE / 2, 1.0 - DRIFT_OUTSIDE / 2])
    before = calibration_error(softmax(held_out.logits), held_out.label)
    after = calibration_error(_cross_fitted(held_out), held_out.label)
    return DecisionFit(
        temperature=temperature,
        config=replace(config, unknown_below=float(np.quantile(values, false_alarm_rate))),
        drift=DriftReference(
            level=(float(low), float(high)),
            colour=float(np.quantile(pairs[:, 1], 1.0 - DRIFT_OUTSIDE)),
            outside=DRIFT_OUTSIDE,
        ),
        held_out={
            "data": held_out.data,
            "windows": len(held_out.label),
            "groups": len(set(held_out.group)),
            "false_alarm_rate": false_alarm_rate,
            "calibration_error_before": before.error,
            "calibration_error": after.error,
        },
    )


def from_recordings(classifier: SceneClassifier, clips: Sequence[Clip]) -> HeldOut:
    """What `classifier` makes of labelled recordings; those of other classes are left out.

    Raises AudioError, and DataError for too few.
    """
    scenes, window_s = classifier.manifest.scenes, classifier.manifest.window_s
    known = [clip for clip in clips if clip.scene in scenes]
    logits, profiles, labels, groups = [], [], [], []
    for piece in cut_windows(known, window_s, window_s):
        samples = read_audio(piece.path, classifier.sample_rate_hz, piece.start_s, piece.duration_s)
        # Lossy formats and resampling may round a clip's length up.
        features, _ = classifier.window_features(samples[: classifier.window_samples])
        logits.append(classifier.whole_logits(features, piece.context))
        profiles.append(features.mean(axis=0))
        labels.append(scenes.index(str(piece.scene)))
        groups.append(piece.group)
    sets = ", ".join(sorted({clip.source_set for clip in known})) or "no recordings"
    return HeldOut(
        np.array(logits), np.array(labels, np.int64), np.array(profiles), tuple(groups), sets
    )


def from_runs(runs: Iterable[Path], manifest: Manifest) -> HeldOut:
    """The test windows of training runs: of one split, or of every split below a folder.

    Networks of the same recipe that heard other folds stand for the one that heard all. Raises
    DataError for runs of other scenes, of windows that say nothing, or without windows.
    """
    from edge_asc.training.checkpoint import load_checkpoint, load_windows

    folders = [found.parent for run in runs for found in sorted(run.rglob("predictions.npz"))]
    if not folders:
        raise DataError(f"no predictions.npz in or below {', '.join(map(str, runs))}")
    logits, profiles, labels, groups = [], [], [], []
    for folder in folders:
        checkpoint = load_checkpoint(folder / "checkpoint.safetensors")
        if checkpoint.scenes != manifest.scenes:
            raise DataError(f"{folder} tells other scenes than model {manifest.name}")
        if not checkpoint.metrics.get("test_is_fair", True):
            raise DataError(f"{folder} was tested on sound like the one it was trained on")
        test = load_windows(folder / "windows.safetensors").test
        with np.load(folder / "predictions.npz", allow_pickle=False) as predictions:
            logits.append(predictions["logits"])
            labels.append(predictions["label"])
        profiles.append(test.features.mean(axis=1))
        groups += test.group
    return HeldOut(
        np.concatenate(logits),
        np.concatenate(labels),
        np.concatenate(profiles),
        tuple(groups),
        f"test windows of {len(folders)} training run{'s' if len(folders) > 1 else ''}",
    )


def _cross_fitted(held_out: HeldOut) -> FloatArray:
    """Probabilities, shape (N, num_scenes), each group with the temperature of all others."""
    groups = np.array(held_out.group)
    probabilities = np.empty(held_out.logits.shape, np.float64)
    for name in sorted(set(held_out.group)):
        inside = groups == name
        temperature = fit_temperature(held_out.logits[~inside], held_out.label[~inside])
        probabilities[inside] = softmax(held_out.logits[inside] / temperature)
    return probabilities
