"""Log-mel features, the same for training and for every device.

They are those of the official CAS 2023 baseline, which calls librosa 0.11 so:

    44.1 kHz -> STFT (2048 points, periodic Hann of 1764 samples in its middle, hop 882, centred,
    zeros on both sides) -> magnitude -> 64 Slaney mel bands -> 10 log10(max(1e-10, m))
    -> no lower than the clip's maximum - 80

    samples  |--882--|--882--|--882--|--882--|
    frame 0  [zeros..|.......]
    frame 1          [.......|.......]            frame t reads samples [882 t - 882, 882 t + 882)
    frame 2                  [.......|.......]

"dB" of magnitudes is half scale, so only digital silence is 80 below a clip's maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""shape (num_samples,), mono, full scale +-1.0"""

LogMel = npt.NDArray[np.float32]
"""shape (num_frames, num_mels), 10 log10 of magnitudes"""

MAGNITUDE_FLOOR = 1e-10

BLOCK_FRAMES = 50
"""Frames computed together. Always this many, so that how a stream was cut can never change a bit
of them."""


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """What `log_mel` computes; Table 2 of the MobileASCNet paper."""

    sample_rate_hz: int = 44_100
    fft_size: int = 2048
    window_samples: int = 1764
    hop_samples: int = 882
    num_mels: int = 64
    fmin_hz: float = 50.0
    fmax_hz: float = 22_050.0
    top_db: float = 80.0

    def __post_init__(self) -> None:
        if self.window_samples != 2 * self.hop_samples or self.window_samples > self.fft_size:
            raise ValueError(
                f"window_samples must be 2 * hop_samples and at most fft_size={self.fft_size}, got"
                f" window_samples={self.window_samples}, hop_samples={self.hop_samples}"
            )

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate_hz / self.hop_samples

    def num_frames(self, duration_s: float) -> int:
        """Frames in `duration_s` seconds of sound."""
        return round(duration_s * self.sample_rate_hz) // self.hop_samples

    def to_dict(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> FeatureConfig:
        """Raises TypeError for a missing or unknown key."""
        return cls(**values)  # type: ignore[arg-type]


def log_mel(samples: Samples, config: FeatureConfig) -> LogMel:
    """Log-mel frames of one clip, shape (num_samples // hop_samples, num_mels).

    The 80 dB floor is applied. It looks at one frame more than is returned, as in librosa and the
    official baseline.
    """
    num_frames = len(samples) // config.hop_samples
    hop = config.hop_samples
    padded = np.zeros(hop + _whole_blocks(num_frames + 1) * BLOCK_FRAMES * hop + hop, np.float32)
    padded[hop : hop + len(samples)] = samples
    frames = _block_frames(padded, config)[: num_frames + 1]
    return apply_floor(frames, config.top_db)[:num_frames]


def apply_floor(frames: LogMel, top_db: float) -> LogMel:
    """`frames` with nothing more than `top_db` below the highest of them."""
    if frames.size == 0:
        return frames
    return np.maximum(frames, frames.max() - np.float32(top_db))


def standardize(
    frames: LogMel, mean: npt.ArrayLike, std: npt.ArrayLike, limits: tuple[float, float]
) -> LogMel:
    """`frames` as the network wants them: per band minus `mean` over `std`, then clipped.

    `mean` and `std` have shape (num_mels,). The clip bounds what int8 must resolve; training sees
    the same.
    """
    scale = 1.0 / np.asarray(std, np.float32)
    offset = -np.asarray(mean, np.float32) * scale
    return np.clip(frames * scale + offset, np.float32(limits[0]), np.float32(limits[1]))


class LogMelStream:
    """Takes chunks of any size; returns log-mel frames in whole blocks of 50 (one second).

    How the sound was cut into chunks never changes a bit of the frames. They carry no 80 dB floor,
    because that depends on a whole window: see `apply_floor`.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._config = config
        self._block_samples = BLOCK_FRAMES * config.hop_samples
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far, as after lost sound."""
        self._waiting = np.zeros(self._config.hop_samples, np.float32)

    def process(self, chunk: Samples) -> LogMel:
        """Take in `chunk`, shape (num_samples,); return what it completes, (50 n, num_mels)."""
        hop = self._config.hop_samples
        waiting = np.concatenate([self._waiting, chunk.astype(np.float32, copy=False)])
        num_blocks = (len(waiting) - hop) // self._block_samples
        end = num_blocks * self._block_samples
        self._waiting = waiting[end:].copy()
        return _block_frames(waiting[: end + hop], self._config)


def _whole_blocks(num_frames: int) -> int:
    return -(-num_frames // BLOCK_FRAMES)


def _block_frames(samples: Samples, config: FeatureConfig) -> LogMel:
    """Frames of `samples`: one hop of past, then n blocks; what is left over is not read."""
    hop = config.hop_samples
    num_blocks = (len(samples) - hop) // (BLOCK_FRAMES * hop)
    frames = np.empty((num_blocks * BLOCK_FRAMES, config.num_mels), np.float32)
    for block in range(num_blocks):
        start = block * BLOCK_FRAMES * hop
        halves = samples[start : start + (BLOCK_FRAMES + 1) * hop].reshape(-1, hop)
        frames[block * BLOCK_FRAMES : (block + 1) * BLOCK_FRAMES] = _log_mel_block(halves, config)
    return frames


def _log_mel_block(halves: npt.NDArray[np.float32], config: FeatureConfig) -> LogMel:
    """One block from its 51 half windows, shape (51, hop_samples)."""
    hop = config.hop_samples
    window = _hann(config.window_samples)
    # Where the samples lie in the FFT's buffer turns phases only, and magnitudes are all we use.
    # Double precision as in librosa: single errs by 0.1 dB in the bands far from a pure tone.
    buffer = np.zeros((BLOCK_FRAMES, config.fft_size))
    np.multiply(halves[:-1], window[:hop], out=buffer[:, :hop])
    np.multiply(halves[1:], window[hop:], out=buffer[:, hop : 2 * hop])
    # The spectrum is exact now; its magnitude is twice as fast in single precision.
    magnitude = np.abs(np.fft.rfft(buffer).astype(np.complex64))
    mel = magnitude @ mel_matrix(config).T
    decibels: LogMel = np.float32(10.0) * np.log10(np.maximum(mel, np.float32(MAGNITUDE_FLOOR)))
    return decibels


@lru_cache(maxsize=4)
def _hann(num_samples: int) -> npt.NDArray[np.float64]:
    """Periodic Hann window."""
    phase = 2.0 * np.pi * np.arange(num_samples) / num_samples
    window: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(phase)
    return window


@lru_cache(maxsize=4)
def mel_matrix(config: FeatureConfig) -> npt.NDArray[np.float32]:
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
    weights: npt.NDArray[np.float32] = areas.astype(np.float32)
    return weights


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
