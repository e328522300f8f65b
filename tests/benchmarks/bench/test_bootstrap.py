"""Block bootstrap: how long blocks are, and how often intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.benchmarks.bench import bootstrap
from edge_asc.benchmarks.bench.bootstrap import block_length, resampled_percentiles
from tests.benchmarks.bench.made_results import series


def plain_ar(num: int, rho: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal(num)
    values = np.empty(num)
    values[0] = steps[0]
    for place in range(1, num):
        values[place] = rho * values[place - 1] + np.sqrt(1 - rho * rho) * steps[place]
    return values


@pytest.mark.parametrize(
    ("num", "rho", "seed", "length"),
    [(200, 0.0, 1, 2.5461626294489994), (1000, 0.95, 3, 49.8063303871664)],
)
def test_the_rule_is_that_of_politis_and_white(
    num: int, rho: float, seed: int, length: float
) -> None:
    """Lengths from arch 8.0.0, `optimal_block_length(values > median)`, column "circular"."""
    values = plain_ar(num, rho, seed)
    above = (values > np.median(values)).astype(float)
    assert bootstrap._politis_white(above) == pytest.approx(length, rel=1e-12)


def test_blocks_are_never_shorter_than_the_cube_root() -> None:
    assert block_length(plain_ar(200, 0.0, 1)) == 6
    assert block_length(plain_ar(1000, 0.95, 3)) == 50


def test_samples_that_are_all_the_same_have_a_length_too() -> None:
    assert block_length(np.full(64, 1.5)) == 4


def test_blocks_keep_neighbours_together_and_go_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "block_length", lambda samples: 30)
    samples = np.arange(30.0)
    drawn = resampled_percentiles(samples, (0, 50, 100), np.random.default_rng(1))
    assert drawn.shape == (3, bootstrap.RESAMPLES)
    # One block of all samples is all samples, wherever it begins.
    assert np.array_equal(np.unique(drawn, axis=1), [[0.0], [14.5], [29.0]])


def test_many_samples_are_drawn_in_parts_that_fit_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MOST_AT_ONCE", 640)
    drawn = resampled_percentiles(plain_ar(64, 0.0, 1), (50,), np.random.default_rng(1))
    assert drawn.shape == (1, bootstrap.RESAMPLES)
    assert len(np.unique(drawn)) > 50


def coverage(length: int | None, monkeypatch: pytest.MonkeyPatch) -> float:
    """How often the interval of two medians' ratio holds 1, where 1 is true."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)
    if length is not None:
        monkeypatch.setattr(bootstrap, "block_length", lambda samples: length)
    rng, held = np.random.default_rng(7), 0
    for _ in range(300):
        drawn = [resampled_percentiles(series(200, rng), (50,), rng)[0] for _ in range(2)]
        low, high = np.percentile(drawn[1] / drawn[0], [2.5, 97.5])
        held += low <= 1.0 <= high
    return held / 300


def test_intervals_hold_the_truth_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    # 300 trials at 95 % have a standard error of 1.3 points; blocks are known to be a little short.
    assert 0.89 <= coverage(None, monkeypatch) <= 0.98


def test_without_blocks_they_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coverage(1, monkeypatch) < 0.80
