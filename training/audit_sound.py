"""What the sound itself gives away: copies on both sides, and level and bandwidth by class.

All of it is measured on the runtime's own log-mel. A *fingerprint* of a window keeps, for cells of
0.1 s by two mel bands, only the sign of

    (change from one cell to the next in time) - (the same one band higher)

so that level, colour, bandwidth and codec hardly matter, and what happens when does:

          t   t+1
    m+1   a    b        sign of (d - c) - (b - a); 0 where nothing changes, as in digital silence
    m     c    d
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

from edge_asc.audio import open_audio
from edge_asc.features import FeatureConfig
from edge_asc.mel_bands import mel_matrix
from edge_asc.training.corpus import FeatureReader
from edge_asc.training.datasets import Clip
from edge_asc.training.metrics import Interval, score
from edge_asc.training.splits import Split, deal_groups, grouping_keys

FloatArray = npt.NDArray[np.float64]

COPY_SIMILARITY = 0.3
"""Cosine of two fingerprints from which on they count as the same sound.

Measured on windows of different Freesound ids, other sources in `scenes_open`: of 2.3 million pairs
of urban_events none is above 0.25, of 80,000 of ESC-10 one is (0.72, and it is a copy: two uploads
of one fire), of 4,000 of scenes_open none is above 0.08. Copies with another level and noise 30 dB
below them, without anything above 8 kHz, Vorbis-coded, or 20 ms later stay above 0.3 in nine
cases of ten; 50 ms later they are no longer found.
"""

BANDWIDTH_DEPTH_DB = 70.0
"""A band counts as sounding if its power density is at most this far below the loudest one's.

Resampled 16 kHz originals come out at 7.6 to 8.1 kHz by this, nine of ten clips of urban_events
(22.05 kHz) at 9.8 to 11.1 kHz.
"""
LOUD_PERCENTILE = 90.0
"""Of a band's frames: the seams of a cut or repeated clip click in all bands, but are few."""

MAX_WINDOW_S = 10.0
NUM_RULE_FOLDS = 5
_CELL_FRAMES, _CELL_BANDS = 5, 2
_MIN_ACTIVE_CELLS = 200
_MIN_CHANGE = 1e-3  # feature dB
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Copy:
    """Two windows that are nearly the same sound."""

    first: Clip
    second: Clip
    similarity: float

    @property
    def has_two_labels(self) -> bool:
        """Whether the same sound bears two names: one of them is wrong, or the class is."""
        return self.first.scene != self.second.scene

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON types."""
        return {
            "files": [self.first.path.name, self.second.path.name],
            "labels": [self.first.scene, self.second.scene],
            "start_s": [self.first.start_s, self.second.start_s],
            "similarity": self.similarity,
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """How well level and bandwidth alone tell the class, on groups not learnt from."""

    accuracy: float
    accuracy_interval: Interval
    majority_rate: float
    num_folds: int


@dataclass(frozen=True, slots=True)
class SoundAudit:
    """What was measured on windows of the labelled clips."""

    windows: list[Clip]
    level_db: FloatArray
    """shape (N,), dB relative to full scale, within 2 dB for noise"""
    bandwidth_hz: FloatArray
    """shape (N,), centre of the highest band that sounds"""
    copies: list[Copy]
    """Most similar first."""
    rule: Rule | None
    """None: too few groups to test it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return {
            "num_windows": len(self.windows),
            "copies": [copy.to_dict() for copy in self.copies],
            "num_copies_with_two_labels": sum(copy.has_two_labels for copy in self.copies),
            "level_db": quartiles_by_class(self.windows, self.level_db),
            "bandwidth_hz": quartiles_by_class(self.windows, self.bandwidth_hz),
            "level_eta_squared": eta_squared(self.windows, self.level_db),
            "bandwidth_eta_squared": eta_squared(self.windows, self.bandwidth_hz),
            "level_and_bandwidth_rule": None if self.rule is None else asdict(self.rule),
        }


def audit_sound(clips: Sequence[Clip]) -> SoundAudit:
    """Measure labelled `clips`, cut into windows of 10 s (or the longest clip, if shorter).

    Raises DataError for audio that cannot be read.
    """
    config = FeatureConfig()
    window_s = min(MAX_WINDOW_S, max(_length_s(clip) for clip in clips))
    windows, features = FeatureReader(window_s, config).read(clips, hop_s=window_s)
    blocks = [features[i : i + _BLOCK] for i in range(0, len(windows), _BLOCK)]
    level_db = np.concatenate([levels_db(block, config) for block in blocks])
    bandwidth_hz = np.concatenate([bandwidths_hz(block, config) for block in blocks])
    prints = np.concatenate([fingerprints(block) for block in blocks])
    copies = sorted(
        (Copy(windows[i], windows[j], similarity) for i, j, similarity in similar_pairs(prints)),
        key=lambda copy: -copy.similarity,
    )
    rule = level_bandwidth_rule(windows, level_db, bandwidth_hz)
    return SoundAudit(windows, level_db, bandwidth_hz, copies, rule)


def _length_s(clip: Clip) -> float:
    if clip.duration_s is not None:
        return clip.duration_s
    with open_audio(clip.path) as file:
        return float(file.frames / file.samplerate) - clip.start_s


def fingerprints(features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Unit vectors, shape (N, D), of log-mel windows, shape (N, T, M): see the module's picture.

    A window in which hardly anything changes has no fingerprint: all zeros, similar to nothing.
    """
    num_windows, num_frames, num_mels = features.shape
    times, bands = num_frames // _CELL_FRAMES, num_mels // _CELL_BANDS
    trimmed = features[:, : times * _CELL_FRAMES, : bands * _CELL_BANDS].astype(np.float32)
    shape = (num_windows, times, _CELL_FRAMES, bands, _CELL_BANDS)
    cells = trimmed.reshape(shape).mean(axis=(2, 4))
    change = np.diff(np.diff(cells, axis=1), axis=2).reshape(num_windows, -1)
    signs = np.sign(np.where(np.abs(change) < _MIN_CHANGE, 0.0, change)).astype(np.float32)
    active = np.abs(signs).sum(axis=1, keepdims=True)
    signs[active[:, 0] < min(_MIN_ACTIVE_CELLS, signs.shape[1] // 2)] = 0.0
    return np.asarray(signs / np.sqrt(np.maximum(active, 1.0)), np.float32)


def similar_pairs(
    prints: npt.NDArray[np.float32], threshold: float = COPY_SIMILARITY
) -> Iterator[tuple[int, int, float]]:
    """Each pair i < j of unit vectors, shape (N, D), whose cosine is at least `threshold`."""
    for start in range(0, len(prints), _BLOCK):
        for other in range(start, len(prints), _BLOCK):
            cosines = prints[start : start + _BLOCK] @ prints[other : other + _BLOCK].T
            for i, j in np.argwhere(cosines >= threshold):
                if start + i < other + j:
                    yield int(start + i), int(other + j), float(cosines[i, j])


def levels_db(features: npt.NDArray[Any], config: FeatureConfig) -> FloatArray:
    """RMS level in dB relative to full scale, shape (N,), of log-mel windows, shape (N, T, M).

    By Parseval over one side of the spectrum; a band's mean magnitude squared counts as 4 / pi of
    it, which is exact for noise and up to 1 dB too much for a tone.
    """
    magnitude = 10.0 ** (features.astype(np.float32) / 10.0) / mel_matrix(config).sum(axis=1)
    density = np.square(magnitude).mean(axis=1, dtype=np.float64)  # power a bin, (N, M)
    bins = np.gradient(_centres_hz(config)) * config.fft_size / config.sample_rate_hz
    window_power = 0.375 * config.window_samples  # sum of a Hann window's squares
    power = 2.0 * (density @ bins) * (4.0 / np.pi) / (config.fft_size * window_power)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-12)))


def bandwidths_hz(features: npt.NDArray[Any], config: FeatureConfig) -> FloatArray:
    """Centre of the highest sounding band, shape (N,), of log-mel windows, shape (N, T, M)."""
    loud = np.percentile(features.astype(np.float32), LOUD_PERCENTILE, axis=1)
    # 10 log10 of magnitudes is half a power's decibels.
    density_db = 2.0 * loud - 20.0 * np.log10(mel_matrix(config).sum(axis=1))
    sounds = density_db >= density_db.max(axis=1, keepdims=True) - BANDWIDTH_DEPTH_DB
    highest = sounds.shape[1] - 1 - np.argmax(sounds[:, ::-1], axis=1)
    return np.asarray(_centres_hz(config)[highest])


def _centres_hz(config: FeatureConfig) -> FloatArray:
    weights = mel_matrix(config).astype(np.float64)
    bins_hz = np.fft.rfftfreq(config.fft_size, 1.0 / config.sample_rate_hz)
    return np.asarray(weights @ bins_hz / weights.sum(axis=1))


def quartiles_by_class(
    windows: Sequence[Clip], values: FloatArray
) -> dict[str, tuple[float, float, float]]:
    """Lower quartile, median, upper quartile of `values`, shape (N,), in each class."""
    scenes = np.array([str(clip.scene) for clip in windows])
    quartiles = {s: np.percentile(values[scenes == s], [25, 50, 75]) for s in np.unique(scenes)}
    return {str(s): (float(q[0]), float(q[1]), float(q[2])) for s, q in quartiles.items()}


def eta_squared(windows: Sequence[Clip], values: FloatArray) -> float:
    """Share of the variance of `values`, shape (N,), that lies between the classes: 0 to 1."""
    _, index = np.unique([str(clip.scene) for clip in windows], return_inverse=True)
    means = np.bincount(index, values) / np.bincount(index)
    total = float(np.square(values - values.mean()).sum())
    return float(np.square(means[index] - values.mean()).sum()) / total if total > 0.0 else 0.0


def level_bandwidth_rule(
    windows: Sequence[Clip], level_db: FloatArray, bandwidth_hz: FloatArray
) -> Rule | None:
    """Predict the class by a small tree on level and bandwidth, groups of the test unseen.

    None where one class, or too few groups, leave nothing to test.
    """
    keys = grouping_keys(windows, "visit")
    num_folds = min(NUM_RULE_FOLDS, len(set(keys)))
    names, label = np.unique([str(clip.scene) for clip in windows], return_inverse=True)
    if num_folds < 2 or len(names) < 2:
        return None
    folds = np.array(deal_groups(windows, keys, num_folds, seed=0))
    values = np.stack([level_db, bandwidth_hz], axis=1)
    predicted = np.zeros_like(label)
    for fold in range(num_folds):
        # As many questions as tell every class once or twice apart; more would learn recordings.
        tree = DecisionTreeClassifier(max_leaf_nodes=2 * len(names), random_state=0)
        tree.fit(values[folds != fold], label[folds != fold])
        predicted[folds == fold] = tree.predict(values[folds == fold])
    result = score([str(name) for name in names], label, predicted, keys)
    return Rule(result.accuracy, result.accuracy_interval, result.majority_rate, num_folds)


def crossing(copies: Sequence[Copy], splits: Sequence[Split]) -> list[Copy]:
    """Those of `copies` that have one window in the training and one in the test of a split."""
    sides = [({c.path for c in split.train}, {c.path for c in split.test}) for split in splits]

    def crosses(first: Path, second: Path) -> bool:
        return any(
            (first in train and second in test) or (second in train and first in test)
            for train, test in sides
        )

    return [copy for copy in copies if crosses(copy.first.path, copy.second.path)]
