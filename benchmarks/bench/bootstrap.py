"""Percentiles of latencies that follow each other in time, and how far chance may move them.

A latency is like the one before it: caches, clock and load change slowly. A bootstrap that draws
single samples does not know that and is sure too early; this one draws blocks of neighbours:

    samples   |a b c|d e f|g h i|
    drawn     |c d e|i a b|d e f|        blocks begin anywhere, and the end is followed by the start

Kuensch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
17(3), 1989; circular: Politis and Romano, 1992.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 2_000

_MOST_AT_ONCE = 2_000_000
"""Samples that are held in memory; 16 MB"""


def block_length(samples: Values) -> int:
    """How many neighbours to draw together: at least the cube root of the number of samples.

    More where they depend on each other for longer, by the rule of Politis and White (Econometric
    Reviews 23(1), 2004, with the correction of 2009), which is asked about "above the median or
    not": that is what the spread of a median hangs on, and outliers do not matter to it.
    """
    above = (samples > np.median(samples)).astype(np.float64)
    return int(max(math.ceil(len(samples) ** (1 / 3)), math.ceil(_politis_white(above))))


def resampled_percentiles(
    samples: Values, shares: tuple[int, ...], rng: np.random.Generator
) -> Values:
    """The percentiles of each of RESAMPLES resamples, shape (num_shares, RESAMPLES)."""
    length = block_length(samples)
    num_at_once = max(1, min(RESAMPLES, _MOST_AT_ONCE // len(samples)))
    parts = []
    for first in range(0, RESAMPLES, num_at_once):
        num = min(num_at_once, RESAMPLES - first)
        places = drawn_places(len(samples), length, num, rng)
        parts.append(np.percentile(samples[places], shares, axis=1))
    return np.concatenate(parts, axis=1)


def drawn_places(
    num_samples: int, length: int, num_resamples: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Which samples each resample has, by blocks of `length`, (num_resamples, num_samples)."""
    num_blocks = math.ceil(num_samples / length)
    starts = rng.integers(0, num_samples, (num_resamples, num_blocks, 1))
    places = (starts + np.arange(length)) % num_samples
    drawn: npt.NDArray[np.int64] = places.reshape(num_resamples, -1)[:, :num_samples]
    return drawn


def _politis_white(values: Values) -> float:
    """The length for a circular block bootstrap, in samples; 1 for values that are all the same."""
    num = len(values)
    near = max(5, math.ceil(math.sqrt(math.log10(num))))
    covariance = _covariance(values, min(num - 1, math.ceil(math.sqrt(num)) + near))
    if covariance[0] == 0.0:
        return 1.0
    last = _last_correlated_lag(covariance / covariance[0], near, num)
    lags = np.arange(min(2 * last, len(covariance) - 1) + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / lags[-1]))
    weighted = window * covariance[: len(lags)]
    spectrum = covariance[0] + 2.0 * weighted[1:].sum()
    slope = 2.0 * (lags * weighted).sum()
    length = (1.5 * (slope / spectrum) ** 2 * num) ** (1 / 3)
    return float(min(length, 3.0 * math.sqrt(num), num / 3))


def _covariance(values: Values, num_lags: int) -> Values:
    """At lags 0 to `num_lags`."""
    centred = values - values.mean()
    return np.array(
        [centred[: len(values) - lag] @ centred[lag:] / len(values) for lag in range(num_lags + 1)]
    )


def _last_correlated_lag(correlation: Values, near: int, num: int) -> int:
    """After which so many lags in a row show no correlation; at least 1."""
    quiet = np.abs(correlation[1:]) < 2.0 * math.sqrt(math.log10(num) / num)
    for lag in range(len(quiet) - near + 1):
        if quiet[lag : lag + near].all():
            return max(1, lag)
    loud = np.flatnonzero(~quiet)
    return int(loud[-1]) + 1 if len(loud) else 1
