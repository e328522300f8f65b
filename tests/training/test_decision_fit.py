"""What is measured on held-out windows, and what becomes of a manifest by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.classifier import familiarity
from edge_asc.decision_config import DecisionConfig
from edge_asc.errors import DataError
from edge_asc.manifest import Manifest
from edge_asc.model_file import ModelFile
from edge_asc.training.decision_fit import DRIFT_OUTSIDE, HeldOut, fit_decisions, from_runs


@pytest.fixture
def held_out(rng: np.random.Generator) -> HeldOut:
    """400 windows of 8 groups; labels drawn from the softmax of half the logits: T = 2."""
    logits = rng.normal(0.0, 3.0, (400, 4)).astype(np.float32)
    shares = np.exp(logits / 2.0)
    shares /= shares.sum(axis=1, keepdims=True)
    label = np.array([rng.choice(4, p=row) for row in shares])
    profile = rng.normal(0.0, 0.5, (400, 1)) + rng.normal(0.0, 0.2, (400, 64))
    group = tuple(f"g{number % 8}" for number in range(400))
    return HeldOut(logits, label, profile, group, "draws")


def test_the_temperature_is_the_one_that_made_the_labels(held_out: HeldOut) -> None:
    fit = fit_decisions(held_out, DecisionConfig(), false_alarm_rate=0.05)
    assert fit.temperature == pytest.approx(2.0, rel=0.15)
    facts = fit.held_out
    assert facts["calibration_error"] < facts["calibration_error_before"]
    assert (facts["windows"], facts["groups"], facts["data"]) == (400, 8, "draws")


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.25])
def test_the_threshold_has_the_false_alarm_rate_that_was_asked_for(
    held_out: HeldOut, rate: float
) -> None:
    fit = fit_decisions(held_out, DecisionConfig(), false_alarm_rate=rate)
    threshold = fit.config.unknown_below
    assert threshold is not None
    below = np.mean([familiarity(row) < threshold for row in held_out.logits])
    assert below == pytest.approx(rate, abs=1 / 400)


def test_the_drift_reference_leaves_its_share_outside(held_out: HeldOut) -> None:
    drift = fit_decisions(held_out, DecisionConfig(), false_alarm_rate=0.05).drift
    level = held_out.profile.mean(axis=1)
    colour = np.sqrt(np.square(held_out.profile - level[:, None]).mean(axis=1))
    outside = np.mean((level < drift.level[0]) | (level > drift.level[1]))
    assert outside == pytest.approx(DRIFT_OUTSIDE, abs=1e-9)
    assert np.mean(colour > drift.colour) == pytest.approx(DRIFT_OUTSIDE, abs=1e-9)


def test_what_was_found_survives_the_manifest(held_out: HeldOut, small_model: ModelFile) -> None:
    fit = fit_decisions(held_out, DecisionConfig(margin=0.5), false_alarm_rate=0.05)
    manifest = fit.applied_to(small_model.manifest)
    again = Manifest.from_json(manifest.to_json().encode(), "m")
    assert (again.temperature, again.decision_config, again.drift_reference) == (
        fit.temperature,
        fit.config,
        fit.drift,
    )
    assert again.decision_config.margin == 0.5


def test_too_few_windows_or_groups_say_nothing(held_out: HeldOut) -> None:
    with pytest.raises(DataError, match="400 held-out windows of 1 groups are too few"):
        replace(held_out, group=("one",) * 400)
    with pytest.raises(DataError, match="3 held-out windows of 3 groups"):
        HeldOut(
            held_out.logits[:3],
            held_out.label[:3],
            held_out.profile[:3],
            held_out.group[:3],
            "draws",
        )


def test_a_folder_without_a_run_is_told(tmp_path: Path, small_model: ModelFile) -> None:
    with pytest.raises(DataError, match=r"no predictions\.npz in or below"):
        from_runs([tmp_path], small_model.manifest)
