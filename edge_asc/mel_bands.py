"""Mel bands of 50 frames at a time: the one costly step of the front end, in two ways.

The product of a spectrum with the mel weights is what both compute. They differ in how they come by
the spectrum, and so in speed and in rounding; docs/performance.md has the measurements.

    FourierBands   numpy's FFT in double precision. Fewest instructions on ARM.
    ProductBands   the FFT as two matrix products in single precision, which do fourteen times the
                   arithmetic in half the time where a matrix product is as fast as on x86-64.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edge_asc.features import FeatureConfig, Samples

Array = npt.NDArray[np.float32]
Floats: TypeAlias = "npt.NDArray[np.float32] | npt.NDArray[np.float64]"

BLOCK_FRAMES = 50
"""Frames computed together. Always this many, because a matrix product may round differently for
another number of rows; so how a stream was cut can never change a bit of its frames."""

_NUM_COARSE = 32
"""Into as many parts ProductBands divides the spectrum; a power of two near the square root of the
FFT's size, found by measurement."""

_NUM_GROUPS = 5
"""Groups of neighbouring bands that FourierBands multiplies at once, each with its bins alone."""


class MelBands(Protocol):
    """Computes mel bands and keeps the memory that it needs for that: one for each thread."""

    def process(self, samples: Samples) -> Array:
        """Magnitudes of 50 frames, shape (50, num_mels), valid until the next call.

        `samples`, shape (51 * hop_samples,), contiguous, begin a hop before the block does.
        """


def mel_bands(config: FeatureConfig) -> MelBands:
    """The faster of the two for this processor."""
    if platform.machine() in ("x86_64", "AMD64") and ProductBands.can_serve(config):
        return ProductBands(config)
    return FourierBands(config)


class FourierBands:
    """By an FFT in double precision, exact to single precision, as librosa computes it.

    Single precision would round away what is 1e-7 of the loudest in a frame and, in numpy, is no
    faster.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._hop = config.hop_samples
        self._window = hann(config.window_samples)
        self._samples = np.empty((BLOCK_FRAMES + 1) * self._hop)
        # Where in the buffer the samples lie turns phases only, and magnitudes are all we use.
        self._frames = np.zeros((BLOCK_FRAMES, config.fft_size))
        self._spectrum = np.empty((BLOCK_FRAMES, config.fft_size // 2 + 1), np.complex64)
        self._magnitude = np.empty(self._spectrum.shape, np.float32)
        self._groups = _band_groups(config)
        self._mel = np.empty((BLOCK_FRAMES, config.num_mels), np.float32)

    def process(self, samples: Samples) -> Array:
        self._samples[...] = samples  # once for both frames that share it
        _apply_window(self._samples, self._window, self._hop, self._frames)
        # The spectrum is exact now; its magnitude is twice as fast in single precision.
        self._spectrum[...] = np.fft.rfft(self._frames)
        np.abs(self._spectrum, out=self._magnitude)
        for bands, bins, weights in self._groups:
            self._mel[:, bands] = self._magnitude[:, bins] @ weights
        return self._mel


class ProductBands:
    """By two matrix products in single precision, as Cooley and Tukey factor an FFT.

    With sample 32 a + b of a frame and bin i + 64 j of a 2048-point FFT, a step each:

        partial[i, b] = sum over a of x[32 a + b] exp(-2 pi 1j a i / 64)
        X[i + 64 j]   = sum over b of partial[i, b] exp(-2 pi 1j b (i / 2048 + j / 32))

    For real sound i = 0 ... 32 is enough: the other bins are mirror images, with equal magnitudes.
    Cooley and Tukey, Mathematics of Computation 19, 1965.
    """

    def __init__(self, config: FeatureConfig) -> None:
        """Raises ValueError for an FFT size that is no multiple of 64."""
        if not self.can_serve(config):
            raise ValueError(
                f"fft_size must be a multiple of {2 * _NUM_COARSE}, got {config.fft_size}"
            )
        self._hop = config.hop_samples
        self._window = hann(config.window_samples).astype(np.float32)
        self._fine, self._coarse, self._mel_weights = _product_tables(config)
        num_fine, num_rows = len(self._coarse), self._fine.shape[1]
        self._frames = np.zeros((BLOCK_FRAMES, num_rows * _NUM_COARSE), np.float32)
        self._partial = np.empty((BLOCK_FRAMES, num_fine, 2 * _NUM_COARSE), np.float32)
        self._spectrum = np.empty((BLOCK_FRAMES, num_fine, _NUM_COARSE), np.complex64)
        self._magnitude = np.empty(self._spectrum.shape, np.float32)
        self._mel = np.empty((BLOCK_FRAMES, config.num_mels), np.float32)

    @staticmethod
    def can_serve(config: FeatureConfig) -> bool:
        """Whether the size of the FFT can be factored so."""
        return config.fft_size % (2 * _NUM_COARSE) == 0

    def process(self, samples: Samples) -> Array:
        _apply_window(samples, self._window, self._hop, self._frames)
        frames = self._frames.reshape(BLOCK_FRAMES, -1, _NUM_COARSE)
        partial = self._partial  # [frame, i, real and imaginary part of each b]
        np.matmul(self._fine, frames, out=partial.reshape(BLOCK_FRAMES, -1, _NUM_COARSE))
        by_fine = self._spectrum.view(np.float32).transpose(1, 0, 2)
        np.matmul(partial.transpose(1, 0, 2), self._coarse, out=by_fine)
        np.abs(self._spectrum, out=self._magnitude)
        return np.matmul(
            self._magnitude.reshape(BLOCK_FRAMES, -1), self._mel_weights, out=self._mel
        )


def _apply_window(samples: Floats, window: Floats, hop: int, out: Floats) -> None:
    """Write each frame, two halves that it shares with its neighbours, to a row of `out`."""
    halves = samples.reshape(BLOCK_FRAMES + 1, hop)
    np.multiply(halves[:-1], window[:hop], out=out[:, :hop])
    np.multiply(halves[1:], window[hop:], out=out[:, hop : 2 * hop])


@lru_cache(maxsize=4)
def hann(num_samples: int) -> npt.NDArray[np.float64]:
    """Periodic Hann window."""
    phase = 2.0 * np.pi * np.arange(num_samples) / num_samples
    window: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(phase)
    return window


@lru_cache(maxsize=4)
def mel_matrix(config: FeatureConfig) -> Array:
    """Weights of the mel bands, shape (num_mels, fft_size // 2 + 1), each band of equal area.

    Slaney's scale: Auditory Toolbox, 1998, as librosa.filters.mel(htk=False, norm="slaney").
    """
    mels = np.linspace(_hz_to_mel(config.fmin_hz), _hz_to_mel(config.fmax_hz), config.num_mels + 2)
    edges_hz = _mel_to_hz(mels)
    bins_hz = np.fft.rfftfreq(config.fft_size, 1.0 / config.sample_rate_hz)
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    areas = triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    weights: Array = areas.astype(np.float32)
    return weights


@lru_cache(maxsize=4)
def _band_groups(config: FeatureConfig) -> list[tuple[slice, slice, Array]]:
    """Neighbouring bands, the bins that they read, and their weights, (num_bins, num_bands).

    With all bins for all bands 98 % of the weights would be zeros.
    """
    weights = mel_matrix(config)
    ends = [int(np.flatnonzero(band).max(initial=0)) + 1 for band in weights]
    # Bands widen in proportion to their frequency: a group is an octave, the lowest all below.
    limits = ends[-1] * 0.5 ** np.arange(_NUM_GROUPS)
    last_bands = np.searchsorted(ends, limits, side="right")
    groups, first = [], 0
    for last in sorted({*last_bands.tolist(), len(ends)}):
        if last > first:
            read = np.flatnonzero(weights[first:last].any(axis=0))
            bins = slice(int(read[0]), int(read[-1]) + 1) if len(read) else slice(0, 1)
            group = np.ascontiguousarray(weights[first:last, bins].T)
            groups.append((slice(first, last), bins, group))
            first = last
    return groups


@lru_cache(maxsize=4)
def _product_tables(config: FeatureConfig) -> tuple[Array, Array, Array]:
    """What ProductBands multiplies with, for an FFT of 2048 points and a window of 1764 samples:

    fine    (66, 56)       real and imaginary part of each i in turn; a
    coarse  (33, 64, 64)   i; real parts of all b, then imaginary ones; j, both parts in turn
    mel     (1056, 64)     i and j; band
    """
    num_fine = config.fft_size // _NUM_COARSE
    fine = np.arange(num_fine // 2 + 1)
    coarse = np.arange(_NUM_COARSE)
    rows = np.arange(-(-config.window_samples // _NUM_COARSE))  # the others would meet zeros
    turns = _turn(np.outer(fine, rows) / num_fine)
    fine_table = np.stack([turns.real, turns.imag], axis=1).reshape(-1, len(rows))
    shift = fine[:, None, None] * coarse[None, :, None] / config.fft_size
    turns = _turn(shift + np.outer(coarse, coarse) / _NUM_COARSE)
    coarse_table = np.concatenate([turns, 1j * turns], axis=1).astype(np.complex64)
    bins = fine[:, None] + num_fine * coarse
    bins = np.minimum(bins, config.fft_size - bins).ravel()
    _, first = np.unique(bins, return_index=True)  # some come twice, as themselves and mirrored
    weights = np.zeros((len(bins), config.num_mels), np.float32)
    weights[first] = mel_matrix(config).T
    return fine_table.astype(np.float32), coarse_table.view(np.float32), weights


def _turn(turns: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    """exp(-2 pi 1j turns)"""
    turned: npt.NDArray[np.complex128] = np.exp(-2j * np.pi * turns)
    return turned


# Slaney's scale is linear (200/3 Hz a mel) up to 1 kHz = 15 mel, then 27 mels make a factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _LINEAR_HZ_PER_MEL, above)
