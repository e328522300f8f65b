"""The resampler gives librosa's soxr_hq, however the sound is cut."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from edge_asc.features import Samples
from edge_asc.resample import Resampler, resample

RATES = [(48_000, 44_100), (8_000, 44_100), (192_000, 44_100), (22_050, 44_100), (44_100, 16_000)]


def noise(rng: np.random.Generator, num_samples: int) -> Samples:
    return rng.uniform(-1, 1, num_samples).astype(np.float32)


def in_chunks(resampler: Resampler, samples: Samples, sizes: list[int]) -> Samples:
    cuts = np.cumsum(sizes)
    pieces = [resampler.process(piece) for piece in np.split(samples, cuts[cuts < len(samples)])]
    return np.concatenate([*pieces, resampler.finish()])


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("longest", [7, 882, 5_000])
def test_chunks_give_the_whole_bit_for_bit(
    rng: np.random.Generator, from_hz: int, to_hz: int, longest: int
) -> None:
    samples = noise(rng, from_hz // 2 + 11)
    sizes = [int(size) for size in rng.integers(0, longest + 1, 2 * len(samples) // longest)]
    chunked = in_chunks(Resampler(from_hz, to_hz), samples, sizes)
    np.testing.assert_array_equal(chunked, resample(samples, from_hz, to_hz))


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_it_is_soxr_hq(rng: np.random.Generator, from_hz: int, to_hz: int) -> None:
    samples = noise(rng, from_hz // 3)
    expected = soxr.resample(samples, from_hz, to_hz, quality="HQ")
    np.testing.assert_array_equal(resample(samples, from_hz, to_hz), expected)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_the_length_is_that_of_the_same_time(from_hz: int, to_hz: int) -> None:
    samples = np.zeros(3 * from_hz, np.float32)
    assert len(resample(samples, from_hz, to_hz)) == 3 * to_hz


def test_equal_rates_pass_untouched(rng: np.random.Generator) -> None:
    samples = noise(rng, 1_000)
    resampler = Resampler(44_100, 44_100)
    assert resampler.process(samples) is samples
    assert len(resampler.finish()) == 0


def test_a_tone_keeps_its_pitch_and_level() -> None:
    """A 1 kHz sine is a 1 kHz sine at any rate; away from the edges the filter is flat."""
    at_48k = np.sin(2 * np.pi * 1_000 * np.arange(48_000) / 48_000).astype(np.float32)
    at_44k = np.sin(2 * np.pi * 1_000 * np.arange(44_100) / 44_100)
    error = np.abs(resample(at_48k, 48_000, 44_100) - at_44k)[1_000:-1_000]
    assert error.max() < 1e-4


@pytest.mark.parametrize("forget", ["reset", "finish"])
def test_nothing_of_the_sound_before_is_left(rng: np.random.Generator, forget: str) -> None:
    resampler = Resampler(48_000, 44_100)
    resampler.process(noise(rng, 10_000))
    getattr(resampler, forget)()
    samples = noise(rng, 5_000)
    again = np.concatenate([resampler.process(samples), resampler.finish()])
    np.testing.assert_array_equal(again, resample(samples, 48_000, 44_100))


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 44_100), (44_100, -1)])
def test_rates_must_be_positive(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="above 0 Hz"):
        Resampler(from_hz, to_hz)
