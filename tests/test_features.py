"""Log-mel: equal to librosa as the official baseline calls it, however the sound is cut.

What is compared with librosa is computed in double precision, the way of every processor but x86;
tests/test_mel_bands.py compares the two ways.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.audio import read_audio
from edge_asc.features import (
    FeatureConfig,
    LogMel,
    LogMelStream,
    Samples,
    apply_floor,
    log_mel,
    standardize,
)
from edge_asc.mel_bands import BLOCK_FRAMES, FourierBands, mel_matrix

CONFIG = FeatureConfig()
CLIP_SAMPLES = 441_000
MAX_ERROR_DB = 1e-3


def official_log_mel(samples: Samples) -> LogMel:
    """feature_extraction.py of the official baseline, with its first 500 frames kept."""
    spectrogram = np.abs(
        librosa.stft(
            samples + np.spacing(1), n_fft=2048, hop_length=882, win_length=1764, window="hann"
        )
    )
    bands = librosa.filters.mel(sr=44_100, n_fft=2048, n_mels=64, fmin=50, fmax=22_050, htk=False)
    return np.asarray(librosa.power_to_db(bands @ spectrogram).T[:500])


def noise(seed: int = 7, num_samples: int = CLIP_SAMPLES) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def tone(hz: float, amplitude: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(CLIP_SAMPLES) / 44_100)).astype(
        np.float32
    )


def half_silent() -> Samples:
    samples = noise()
    samples[CLIP_SAMPLES // 2 :] = 0.0
    return samples


@pytest.mark.parametrize(
    "samples",
    [
        noise(),
        tone(100.0),
        tone(440.0),
        tone(15_000.0, 1e-4),
        half_silent(),
        half_silent()[::-1].copy(),
        np.zeros(CLIP_SAMPLES, np.float32),
    ],
    ids=["noise", "100 Hz", "440 Hz", "faint 15 kHz", "half silent", "silent start", "silent"],
)
def test_equals_librosa_as_the_official_code_calls_it(samples: Samples) -> None:
    frames = log_mel(samples, CONFIG, FourierBands(CONFIG))
    assert frames.shape == (500, 64)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, official_log_mel(samples), rtol=0, atol=MAX_ERROR_DB)


def test_equals_librosa_on_real_recordings(data_dir: Path) -> None:
    paths = sorted((data_dir / "scenes_open").glob("*/*.flac"))
    assert len(paths) == 43
    for path in paths[::4]:
        samples = read_audio(path, 44_100, duration_s=10.0)
        expected = official_log_mel(samples)[: len(samples) // 882]
        frames = log_mel(samples, CONFIG, FourierBands(CONFIG))
        np.testing.assert_allclose(frames, expected, rtol=0, atol=MAX_ERROR_DB, err_msg=path.name)


def test_the_floor_looks_at_the_frame_after_the_last() -> None:
    """Less than a hop of loud sound at the end is in no frame that is kept, and lifts the floor."""
    faint = 1e-8 * noise()
    faint[-882:] = 0.0
    samples = np.concatenate([faint, noise(num_samples=881)])
    frames = log_mel(samples, CONFIG, FourierBands(CONFIG))
    np.testing.assert_allclose(frames, official_log_mel(samples), rtol=0, atol=MAX_ERROR_DB)
    assert frames.min() > log_mel(faint, CONFIG).min() + 5.0


def test_mel_matrix_is_librosas() -> None:
    expected = librosa.filters.mel(sr=44_100, n_fft=2048, n_mels=64, fmin=50, fmax=22_050)
    np.testing.assert_allclose(mel_matrix(CONFIG), expected, rtol=0, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 120_000), min_size=1, max_size=12), st.integers(0, 2**16))
def test_chunking_never_changes_a_bit(sizes: list[int], seed: int) -> None:
    samples = noise(seed, sum(sizes))
    stream = LogMelStream(CONFIG)
    chunks = np.split(samples, np.cumsum(sizes)[:-1])
    streamed = np.concatenate([stream.process(chunk) for chunk in chunks])
    whole = log_mel(samples, FeatureConfig(top_db=np.inf))
    assert len(streamed) == len(whole) // BLOCK_FRAMES * BLOCK_FRAMES
    np.testing.assert_array_equal(streamed, whole[: len(streamed)])


@pytest.mark.parametrize("size", [97, 881, 882, 883, 44_099, 44_100, 44_101])
def test_chunk_sizes_on_both_sides_of_every_boundary(size: int) -> None:
    samples = noise(num_samples=100_000)
    stream = LogMelStream(CONFIG)
    chunks = [samples[start : start + size] for start in range(0, len(samples), size)]
    streamed = np.concatenate([stream.process(chunk) for chunk in chunks])
    np.testing.assert_array_equal(streamed, log_mel(samples, CONFIG)[:100])


def test_a_later_window_differs_from_a_clip_in_its_first_frame_only() -> None:
    samples = noise(num_samples=2 * CLIP_SAMPLES)
    stream = LogMelStream(CONFIG)
    later = stream.process(samples)[50:550]
    clip = log_mel(samples[44_100 : 44_100 + CLIP_SAMPLES], CONFIG)
    # The stream's first frame sees the 882 samples before the window; the clip's sees zeros there.
    assert np.abs(later[0] - clip[0]).max() > 0.1
    np.testing.assert_array_equal(later[1:], clip[1:])


def test_reset_forgets_the_past() -> None:
    stream = LogMelStream(CONFIG)
    stream.process(noise(1, 50_000))
    stream.reset()
    np.testing.assert_array_equal(
        stream.process(noise(2, 44_100)), log_mel(noise(2, 44_100), CONFIG)
    )


def test_the_floor_is_80_below_the_highest_frame_and_touches_only_silence() -> None:
    frames = log_mel(half_silent(), CONFIG)
    assert frames.min() == pytest.approx(frames.max() - 80.0, abs=0.01)
    np.testing.assert_array_equal(apply_floor(frames[:200], 80.0), frames[:200])


def test_a_clip_shorter_than_a_frame_has_no_frames() -> None:
    assert log_mel(noise(num_samples=881), CONFIG).shape == (0, 64)


def test_standardize_scales_each_band_and_clips() -> None:
    frames = np.array([[0.0, 10.0], [4.0, -90.0]], np.float32)
    scaled = standardize(frames, [2.0, 0.0], [2.0, 10.0], (-4.5, 4.5))
    np.testing.assert_allclose(scaled, [[-1.0, 1.0], [1.0, -4.5]], atol=1e-6)


def test_a_config_that_the_framing_cannot_serve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 \* hop_samples .* got window_samples=1000"):
        FeatureConfig(window_samples=1000)


def test_config_survives_json() -> None:
    assert FeatureConfig.from_dict(CONFIG.to_dict()) == CONFIG
    assert CONFIG.frames_per_second == 50.0
    assert CONFIG.num_frames(10.0) == 500
