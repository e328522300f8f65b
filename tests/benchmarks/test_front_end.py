"""The ways that are compared give the same bands; the floor is counted as its source counts."""

from __future__ import annotations

import numpy as np

from edge_asc.benchmarks.front_end import (
    CONFIG,
    dense_fourier,
    floor_operations,
    measure,
    ways,
)
from edge_asc.features import FeatureConfig, Samples
from edge_asc.mel_bands import BLOCK_FRAMES


def noise() -> Samples:
    size = (BLOCK_FRAMES + 1) * CONFIG.hop_samples
    return (0.1 * np.random.default_rng(3).standard_normal(size)).astype(np.float32)


def test_every_way_computes_the_same() -> None:
    expected = dense_fourier(noise())
    names = []
    for name, way in ways():
        bands = np.asarray(way(noise()))
        if name == "librosa":  # a frame more at either end, and bands by rows
            bands = bands.T[1:-1]
            np.testing.assert_allclose(bands, expected, rtol=1e-5)
        else:
            np.testing.assert_allclose(bands, expected, rtol=1e-5, err_msg=name)
        names.append(name)
    assert "FourierBands" in names
    assert "ProductBands" in names


def test_the_floor_of_a_small_fft_is_what_the_source_says() -> None:
    """Johnson and Frigo 2007: split radix needs 2 N log2 N - 4 N + 6 for N real samples."""
    config = FeatureConfig(16_000, 64, 64, 32, 4, 0.0, 8_000.0)
    assert floor_operations(config)["FFT"] == 2 * 64 * 6 - 4 * 64 + 6 == 518


def test_every_way_is_measured_as_often() -> None:
    called: list[str] = []
    every = {name: lambda _, name=name: called.append(name) for name in ("a", "b")}
    times_s = measure(every, [noise()], 7, seed=2)  # type: ignore[arg-type]
    assert {name: values.shape for name, values in times_s.items()} == {"a": (7,), "b": (7,)}
    assert called.count("a") == called.count("b") == 7 * 10 + 1
    order = called[2:]
    assert order != sorted(order)
