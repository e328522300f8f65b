"""Numbers of the C front end, from a model's manifest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError
from edge_asc.features import FeatureConfig
from edge_asc.interpreter import TensorSpec
from edge_asc.manifest import Manifest
from edge_asc.mel_bands import hann, mel_matrix

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEVEL_BITS = 20
"""Fixed-point levels are in steps of 2**-20 dB."""

_UNIT_31, _HIGHEST_31 = 2.0**31, 2**31 - 1
_UNIT_WEIGHT = 2.0**26
_EXPONENTIAL_BITS = 24


@dataclass(frozen=True, slots=True)
class Bands:
    """Mel bands without their zeros."""

    first_bin: Integers
    """shape (num_mels,)"""
    num_bins: Integers
    first_weight: Integers
    weights: Floats
    """Those of all bands, one band after the other"""
    peak: Floats
    """shape (num_mels,); the highest weight of each"""

    @property
    def fixed_weights(self) -> Integers:
        """Over the highest of their band, in steps of 2**-26.

        As fine as that because a loud bin may have next to no weight beside quiet ones.
        """
        over_peak = self.weights.astype(np.float64) / np.repeat(self.peak, self.num_bins)
        return _rounded(over_peak * _UNIT_WEIGHT)

    @property
    def fixed_offset(self) -> Integers:
        """What a band's level is above that of the sum with fixed weights, in levels' steps."""
        offset_db = 10.0 * np.log10(self.peak.astype(np.float64) / _UNIT_WEIGHT)
        return _rounded(offset_db * 2.0**LEVEL_BITS)


def mel_bands_of(config: FeatureConfig) -> Bands:
    """Raises FirmwareError for a band that reads no bin: its level would say nothing."""
    matrix = mel_matrix(config).copy()
    # Rounding alone lets the last band reach the last bin, which lies on its edge.
    matrix[:, 0] = matrix[:, -1] = 0.0
    read = [np.flatnonzero(band) for band in matrix]
    if empty := [index for index, bins in enumerate(read) if len(bins) == 0]:
        raise FirmwareError(
            f"mel bands {empty} read no bin of an FFT of {config.fft_size} points; train and export"
            " a model with a larger fft_size, or fewer bands"
        )
    first_bin = np.array([bins[0] for bins in read])
    num_bins = np.array([bins[-1] + 1 - bins[0] for bins in read])
    weights = [matrix[index, bins[0] : bins[-1] + 1] for index, bins in enumerate(read)]
    first_weight = np.cumsum(num_bins) - num_bins
    return Bands(first_bin, num_bins, first_weight, np.concatenate(weights), matrix.max(axis=1))


def rising_window(config: FeatureConfig) -> Doubles:
    """The first half of the window and its top, shape (hop_samples + 1,)."""
    return hann(config.window_samples)[: config.hop_samples + 1]


def fixed_window(config: FeatureConfig) -> Integers:
    """The same in steps of 2**-31."""
    return np.minimum(_rounded(rising_window(config) * _UNIT_31), _HIGHEST_31)


def cosine(config: FeatureConfig) -> Doubles:
    """Three quarters of a turn, shape (3 * fft_size / 4,)."""
    turn: Doubles = np.cos(2.0 * np.pi * np.arange(config.fft_size) / config.fft_size)
    quarter = config.fft_size // 4
    turn[[quarter, 3 * quarter]] = 0.0
    return turn[: 3 * quarter]


def fixed_cosine(config: FeatureConfig) -> Integers:
    """The same in steps of 2**-31; its 1 is one step too low, which 32 bits do not hold."""
    return np.clip(_rounded(cosine(config) * _UNIT_31), -_HIGHEST_31, _HIGHEST_31)


def root_table() -> Integers:
    """2**8 sqrt(index 2**23) for index 128 to 512, lifted so that lines err to both sides."""
    index = np.arange(128, 513)
    root = 2.0**8 * np.sqrt(index * 2.0**23)
    return _rounded(root * (1.0 + (1.0 / index) ** 2 / 64.0))


def decibel_table() -> Integers:
    """10 log10(1 + index / 256) in levels' steps, shape (257,)."""
    return _rounded(10.0 * np.log10(1.0 + np.arange(257) / 256.0) * 2.0**LEVEL_BITS)


def standardizing(manifest: Manifest) -> tuple[Floats, Floats]:
    """Slope and offset of each band, as `edge_asc.features.standardize` computes them."""
    slope = 1.0 / np.asarray(manifest.mel_std, np.float32)
    return slope, -np.asarray(manifest.mel_mean, np.float32) * slope


@dataclass(frozen=True, slots=True)
class FixedQuantizer:
    """Encoder input = (level * slope + offset) * 2**-shift."""

    slope: Integers
    """shape (num_mels,); below 2**31"""
    offset: Integers
    """shape (num_mels,); below 2**62"""
    shift: int


def fixed_quantizer(manifest: Manifest, features: TensorSpec) -> FixedQuantizer:
    """Standardising and quantizing in one step, for levels in steps of 2**-20 dB."""
    slope = 1.0 / (np.asarray(manifest.mel_std) * features.scale)
    offset = features.zero_point - np.asarray(manifest.mel_mean) * slope
    # The steepest slope takes 29 bits; an offset of up to 2**12 steps stays below 2**62.
    bits = min(29 - int(np.ceil(np.log2(slope.max()))), 49 - LEVEL_BITS)
    if bits < 8 or np.abs(offset).max() >= 2.0**12:
        raise FirmwareError(
            f"model {manifest.name}: its mel_std of {min(manifest.mel_std):g} dB and more, with"
            f" steps of {features.scale:g}, is too fine for fixed point; use the front end in"
            " single precision"
        )
    shift = LEVEL_BITS + bits
    return FixedQuantizer(_rounded(slope * 2.0**bits), _rounded(offset * 2.0**shift), shift)


def exponential_table(logits: TensorSpec, temperature: float) -> Integers:
    """e**(-index * scale / temperature) in steps of 2**-24, shape (256,)."""
    exponent = -np.arange(256) * (logits.scale / temperature)
    return _rounded(np.exp(exponent) * 2.0**_EXPONENTIAL_BITS)


def _rounded(values: Doubles) -> Integers:
    return np.rint(values).astype(np.int64)
