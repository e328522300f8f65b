from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.training.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibration_error,
    fit_temperature,
    softmax,
)


def drawn(temperature: float, seed: int, count: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn by the probabilities that these have at `temperature`."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0.0, 1.5, (count, 5))
    cumulated = softmax(honest).cumsum(axis=1)
    label = (rng.random((count, 1)) > cumulated).sum(axis=1).clip(0, 4)
    return honest * temperature, label


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 8.0), st.integers(0, 1000))
def test_a_known_temperature_is_found_again(temperature: float, seed: int) -> None:
    logits, label = drawn(temperature, seed)
    # With 5,000 windows the standard error of log T is about 1.5 %.
    assert fit_temperature(logits, label) == pytest.approx(temperature, rel=0.08)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10.0))
def test_the_likeliest_scene_stays_and_the_likelihood_does_not_fall(seed: int, scale: float):
    rng = np.random.default_rng(seed)
    logits, label = scale * rng.normal(size=(60, 4)), rng.integers(0, 4, 60)
    temperature = fit_temperature(logits, label)
    assert MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE
    before, after = softmax(logits), softmax(logits / temperature)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    rows = np.arange(60)
    assert np.log(after[rows, label]).sum() >= np.log(before[rows, label]).sum() - 1e-9


def test_the_minimum_is_that_of_a_fine_grid():
    rng = np.random.default_rng(4)
    logits, label = 3.0 * rng.normal(size=(80, 4)), rng.integers(0, 4, 80)
    logits[np.arange(80), label] += 3.0
    grid = np.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 4000)
    losses = [-np.log(softmax(logits / t)[np.arange(80), label]).sum() for t in grid]
    assert fit_temperature(logits, label) == pytest.approx(grid[np.argmin(losses)], rel=2e-3)


def test_labels_that_are_never_missed_leave_the_temperature_alone():
    assert fit_temperature(np.array([[2.0, 1.0], [0.0, 0.5]]), np.array([0, 1])) == 1.0


def test_a_network_that_is_always_wrong_is_as_humble_as_it_gets():
    assert fit_temperature(np.array([[9.0, 0.0]]), np.array([1])) == pytest.approx(MAX_TEMPERATURE)


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e4, 0.0], [0.0, 1e4], [1e4, 0.0]], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        assert fit_temperature(logits, np.array([0, 1, 1])) == pytest.approx(MAX_TEMPERATURE)


@pytest.mark.parametrize(
    ("logits", "label", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, np.int64), "at least one"),
        (np.zeros((2, 3)), np.zeros(3, np.int64), "one row of scores a label"),
        (np.array([[0.0, np.nan]]), np.array([0]), "finite"),
        (np.zeros((1, 3)), np.array([3]), "labels must be 0 to 2, got 3 to 3"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits, label, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, label)


def test_calibration_error_by_hand():
    """Bins of a fifth: (0.6, 0.8] has 0.7 and 0.8, one right; (0.8, 1] has 0.9, right.

    Gaps |0.75 - 0.5| and |0.9 - 1|, weighed 2 to 1: (2 * 0.25 + 0.1) / 3 = 0.2.
    """
    top = np.array([0.7, 0.8, 0.9])
    found = calibration_error(np.stack([top, 1.0 - top], axis=1), np.array([0, 1, 0]), num_bins=5)
    assert found.error == pytest.approx(0.2)
    assert found.confidence == pytest.approx(0.8)
    assert found.interval is None
    assert [part.num_windows for part in found.bins] == [0, 0, 0, 2, 1]
    assert found.bins[3].confidence == pytest.approx(0.75)
    assert found.bins[3].accuracy == 0.5
    assert found.bins[0].accuracy is None
    assert [part["num_windows"] for part in found.to_dict()["bins"]] == [2, 1]


def test_honest_confidence_has_a_small_error_and_its_temperature_mends_a_bold_one():
    logits, label = drawn(3.0, seed=7)
    bold = calibration_error(softmax(logits), label)
    mended = calibration_error(softmax(logits / fit_temperature(logits, label)), label)
    assert bold.error > 0.15
    assert mended.error < 0.02


def test_intervals_are_over_groups():
    rng = np.random.default_rng(2)
    right = rng.random(50) < 0.7
    top = np.full(50, 0.9)
    probabilities = np.stack([top, 1.0 - top], axis=1)
    label = np.where(right, 0, 1)
    names = [str(i) for i in range(50)]
    once = calibration_error(probabilities, label, group=names)
    copied = calibration_error(
        probabilities.repeat(10, axis=0), label.repeat(10), group=list(np.repeat(names, 10))
    )
    assert once.interval is not None
    assert once.interval.low < once.error < once.interval.high
    assert copied.interval == pytest.approx(once.interval)
    # All windows in one bin: its accuracy's interval is the error's, seen from 0.9.
    assert once.bins[13].interval == pytest.approx(
        (0.9 - once.interval.high, 0.9 - once.interval.low), abs=1e-6
    )


def test_numbers_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        calibration_error(np.array([[2.0, 1.0]]), np.array([0]))
