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

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge_asc.mel_bands import BLOCK_FRAMES, MelBands, mel_bands, mel_matrix

Samples = npt.NDArray[np.float32]
"""shape (num_samples,), mono, full scale +-1.0"""

LogMel = npt.NDArray[np.float32]
"""shape (num_frames, num_mels), 10 log10 of magnitudes"""

MAGNITUDE_FLOOR = 1e-10


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


def log_mel(samples: Samples, config: FeatureConfig, bands: MelBands | None = None) -> LogMel:
    """Log-mel frames of one clip, shape (num_samples // hop_samples, num_mels).

    The 80 dB floor is applied. It looks at one frame more than is returned, as in librosa and the
    official baseline. `bands` says how to compute; without it, what suits this processor.
    """
    hop, num_frames = config.hop_samples, len(samples) // config.hop_samples
    bands = bands or _bands_of_this_thread(config)
    frames = np.empty((_whole_blocks(num_frames) * BLOCK_FRAMES, config.num_mels), np.float32)
    for first in range(0, num_frames, BLOCK_FRAMES):
        block = _block_samples(samples, first, hop)
        frames[first : first + BLOCK_FRAMES] = _decibels(bands.process(block))
    kept = frames[:num_frames]
    if num_frames == 0 or kept.min() >= _most_possible(samples[-2 * hop :], config) - config.top_db:
        return apply_floor(kept, config.top_db)  # the frame after the last could not lift it
    first = num_frames // BLOCK_FRAMES * BLOCK_FRAMES
    block = _decibels(bands.process(_block_samples(samples, first, hop)))
    one_more = block[num_frames - first]
    floor = max(kept.max(), one_more.max()) - np.float32(config.top_db)
    return np.maximum(kept, floor)


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
    standardized = frames * scale
    standardized += offset
    np.maximum(standardized, np.float32(limits[0]), out=standardized)
    return np.minimum(standardized, np.float32(limits[1]), out=standardized)


class LogMelStream:
    """Takes chunks of any size; returns log-mel frames in whole blocks of 50 (one second).

    How the sound was cut into chunks never changes a bit of the frames. They carry no 80 dB floor,
    because that depends on a whole window: see `apply_floor`.
    """

    def __init__(self, config: FeatureConfig, bands: MelBands | None = None) -> None:
        """`bands` says how to compute; without it, what suits this processor."""
        self._config, self._hop = config, config.hop_samples
        self._no_frames = np.empty((0, config.num_mels), np.float32)
        self._bands = bands
        self._sound = np.zeros((BLOCK_FRAMES + 1) * self._hop, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far, as after lost sound."""
        self._sound[: self._hop] = 0.0
        self._num_waiting = self._hop

    def process(self, chunk: Samples) -> LogMel:
        """Take in `chunk`, shape (num_samples,); return what it completes, (50 n, num_mels)."""
        blocks = []
        while len(chunk) > 0:
            end = min(self._num_waiting + len(chunk), len(self._sound))
            num_taken = end - self._num_waiting
            self._sound[self._num_waiting : end] = chunk[:num_taken]
            self._num_waiting, chunk = end, chunk[num_taken:]
            if end == len(self._sound):
                bands = self._bands or _bands_of_this_thread(self._config)
                blocks.append(_decibels(bands.process(self._sound)))
                self._sound[: self._hop] = self._sound[-self._hop :]
                self._num_waiting = self._hop
        return np.concatenate(blocks) if blocks else self._no_frames


_threads = threading.local()


def _bands_of_this_thread(config: FeatureConfig) -> MelBands:
    """Shared by clips and streams: what it keeps in memory is of no use after a block."""
    if getattr(_threads, "config", None) != config:
        _threads.config, _threads.bands = config, mel_bands(config)
    bands: MelBands = _threads.bands
    return bands


def _whole_blocks(num_frames: int) -> int:
    return -(-num_frames // BLOCK_FRAMES)


def _block_samples(samples: Samples, first_frame: int, hop: int) -> Samples:
    """What a block of frames reads, shape (51 * hop,), with zeros around the clip."""
    begin, end = (first_frame - 1) * hop, (first_frame + BLOCK_FRAMES) * hop
    if begin >= 0 and end <= len(samples):
        return samples[begin:end]
    block = np.zeros(end - begin, np.float32)
    inside = samples[max(begin, 0) : end]
    start = max(-begin, 0)
    block[start : start + len(inside)] = inside
    return block


def _most_possible(samples: Samples, config: FeatureConfig) -> float:
    """No band of a frame of these samples is above this: as if all were in phase at every bin."""
    return 10.0 * math.log10(_largest_gain(config) * float(np.abs(samples).sum()) + MAGNITUDE_FLOOR)


@lru_cache(maxsize=4)
def _largest_gain(config: FeatureConfig) -> float:
    return float(mel_matrix(config).sum(axis=1).max())


def _decibels(mel: npt.NDArray[np.float32]) -> LogMel:
    decibels: LogMel = np.maximum(mel, np.float32(MAGNITUDE_FLOOR))
    np.log10(decibels, out=decibels)
    decibels *= np.float32(10.0)
    return decibels
