"""Log-mel in C against edge_asc.features in double precision, on real sound and on hard sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_asc.features import FeatureConfig, log_mel
from edge_asc.mel_bands import FourierBands, hann, mel_matrix
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import FrontEnd, Sound

CONFIG = FeatureConfig()
CELL = 44_100
SILENCE_DB = -100.0
Doubles = npt.NDArray[np.float64]


def reference(sound: Sound, config: FeatureConfig = CONFIG) -> Doubles:
    """Levels without a floor, of whole cells."""
    unlimited = replace(config, top_db=1000.0)
    samples = sound[: len(sound) // (50 * config.hop_samples) * 50 * config.hop_samples]
    levels = log_mel(samples / np.float32(32768.0), unlimited, FourierBands(unlimited))
    return levels.astype(np.float64)


def loudest_bins(sound: Sound, num_frames: int, config: FeatureConfig = CONFIG) -> Doubles:
    """The largest magnitude of each frame, DC included; shape (num_frames, 1)."""
    padded = np.concatenate([np.zeros(config.hop_samples), sound / 32768.0])
    starts = np.arange(num_frames)[:, None] * config.hop_samples
    frames = padded[starts + np.arange(config.window_samples)] * hann(config.window_samples)
    return np.abs(np.fft.rfft(frames, config.fft_size)).max(axis=1, keepdims=True)


def check(front_end: FrontEnd, sound: Sound, config: FeatureConfig = CONFIG) -> None:
    """Every band within 1e-4 dB if it is at most 60 dB below the loudest bin of its frame.

    Everywhere, the mean magnitude of its bins may err by 1e-5 of itself and 6e-8 (-144 dB) of the
    loudest bin, where single precision ends. Silence is exact.
    """
    expected = reference(sound, config)
    levels = front_end.hear(sound).levels
    assert levels.shape == expected.shape
    silent = expected == SILENCE_DB
    assert (levels[silent] == SILENCE_DB).all()
    loudest = loudest_bins(sound, len(expected), config)
    weight = mel_matrix(config).sum(axis=1)
    means, found = (10.0 ** (decibels / 10.0) / weight for decibels in (expected, levels))
    errors = np.where(silent, 0.0, np.abs(found - means))
    excess = errors / (1e-5 * means + 6e-8 * loudest)
    frame, band = np.unravel_index(excess.argmax(), excess.shape)
    assert excess.max() <= 1.0, (
        f"frame {frame}, band {band}: {levels[frame, band]} dB, expected {expected[frame, band]}"
    )
    heard = (means >= 1e-3 * loudest) & ~silent
    assert np.abs(levels - expected)[heard].max(initial=0.0) <= 1e-4


def test_real_recordings(front_end: FrontEnd, recordings: list[Sound]) -> None:
    """Seen in 137 recordings: 4.5e-5 dB in single precision, 5.3e-5 dB in integers."""
    for sound in recordings:
        check(front_end, sound)


def test_noise_of_every_loudness(front_end: FrontEnd, rng: np.random.Generator) -> None:
    noise = rng.standard_normal(CELL)
    for amplitude in (0.6, 3.0, 100.0, 8000.0, 60_000.0):
        check(front_end, np.clip(np.rint(noise * amplitude), -32768, 32767).astype(np.int16))


def test_a_square_wave_of_full_scale(front_end: FrontEnd) -> None:
    """As loud as sound can be, at 100 Hz, at half the rate, and with steps that frames halve."""
    for half_period in (220, 1, 441):
        phase = np.arange(CELL) // half_period % 2
        check(front_end, np.where(phase == 0, 32767, -32768).astype(np.int16))


@pytest.mark.parametrize("value", [32767, -32768, 1, -1])
def test_a_constant(front_end: FrontEnd, value: int) -> None:
    """DC lies below the lowest band; nothing else is there after the first frame."""
    check(front_end, np.full(CELL, value, np.int16))


def test_tones(front_end: FrontEnd) -> None:
    times = np.arange(CELL) / 44_100
    for frequency_hz, amplitude in ((51.0, 32767), (1000.0, 32767), (9999.5, 300), (22_000.0, 20)):
        tone = np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * times))
        check(front_end, tone.astype(np.int16))


def clicks(offsets: list[int]) -> Sound:
    """A sample alone at each offset into a hop, silence for three frames around it."""
    sound = np.zeros(CELL, np.int16)
    for index, offset in enumerate(offsets):
        sound[4 * index * 882 + offset] = 32767 if index % 2 else -1
    return sound


def test_clicks_everywhere_in_a_frame(front_end: FrontEnd) -> None:
    check(front_end, clicks([5, 6, 10, 100, 440, 441, 600, 876, 877]))


def test_clicks_where_the_window_is_next_to_nothing(front_end: FrontEnd) -> None:
    """3e-6 there, of which integers of 32 bits keep 7e-5: 3.2e-4 dB, when nothing else is heard."""
    sound = clicks([0, 1, 2, 3, 4, 878, 879, 880, 881])
    assert np.abs(front_end.hear(sound).levels - reference(sound)).max() <= 3.5e-4


def test_silence_is_exact(front_end: FrontEnd) -> None:
    heard = front_end.hear(np.zeros(2 * CELL, np.int16))
    assert heard.levels.shape == (100, 64)
    assert (heard.levels == SILENCE_DB).all()


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(
            sample_rate_hz=22_050,
            fft_size=1024,
            window_samples=882,
            hop_samples=441,
            fmax_hz=11_025.0,
        ),
        FeatureConfig(
            sample_rate_hz=48_000,
            fft_size=2048,
            window_samples=2048,
            hop_samples=1024,
            fmax_hz=20_000.0,
        ),
        FeatureConfig(sample_rate_hz=44_100, fft_size=4096, window_samples=1764, hop_samples=882),
    ],
    ids=["1024 points, an odd hop", "no zeros behind the window", "4096 points"],
)
def test_other_front_ends(
    model: ModelFile, config: FeatureConfig, fixed: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """A transform whose size is no power of four has another first pass."""
    window_s = 500 * config.hop_samples / config.sample_rate_hz
    other = replace(model, manifest=replace(model.manifest, features=config, window_s=window_s))
    noise = np.rint(1000.0 * rng.standard_normal(50 * config.hop_samples)).astype(np.int16)
    check(FrontEnd(other, tmp_path, fixed=fixed), noise, config)
