"""The two ways to mel bands: how far they are apart, and that no answer depends on it.

Seen, on ten seconds of all 43 recordings of scenes_open: 0.02 dB at most, 6e-4 dB in bands at most
35 dB below the highest of their frame, and 2.2e-6 of that highest band. The rounding of single
precision is all there is in bands far below: 10 dB far from a pure tone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.features import FeatureConfig, LogMelStream, Samples, log_mel
from edge_asc.mel_bands import FourierBands, MelBands, ProductBands, hann, mel_bands, mel_matrix
from edge_asc.model_file import ModelFile, default_model_path

CONFIG = FeatureConfig()
SMALL = FeatureConfig(16_000, 1024, 800, 400, 40, 20.0, 8_000.0)
NEAR_DB = 35.0


def noise(num_samples: int = 441_000) -> Samples:
    return (0.1 * np.random.default_rng(11).standard_normal(num_samples)).astype(np.float32)


def tone(hz: float) -> Samples:
    phase = 2.0 * np.pi * hz * np.arange(441_000) / 44_100
    return (0.5 * np.sin(phase)).astype(np.float32)


def assert_near(samples: Samples) -> None:
    exact, rounded = (
        log_mel(samples, CONFIG, bands).astype(np.float64)
        for bands in (FourierBands(CONFIG), ProductBands(CONFIG))
    )
    highest = exact.max(axis=1, keepdims=True)
    near = exact > highest - NEAR_DB
    assert np.abs(rounded - exact)[near].max() < 1e-3
    share = np.abs(10.0 ** (rounded / 10.0) - 10.0 ** (exact / 10.0)) / 10.0 ** (highest / 10.0)
    assert share.max() < 5e-6


@pytest.mark.parametrize(
    "samples", [noise(), tone(100.0), tone(4000.0)], ids=["noise", "low", "high"]
)
def test_single_precision_rounds_where_there_is_next_to_nothing(samples: Samples) -> None:
    assert_near(samples)


def test_real_recordings_are_computed_alike(data_dir: Path) -> None:
    for path in sorted((data_dir / "scenes_open").glob("*/*.flac"))[::4]:
        assert_near(read_audio(path, 44_100, duration_s=10.0))


def test_no_answer_depends_on_the_way(data_dir: Path) -> None:
    """Seen on 920 windows of real sound: 0.011 at most, two steps of int8; no other scene."""
    classifier = SceneClassifier(ModelFile.read(default_model_path()))
    facts = classifier.manifest
    ways: list[MelBands] = [FourierBands(facts.features), ProductBands(facts.features)]
    for path in sorted((data_dir / "scenes_open").glob("*/*.flac")):
        samples = np.resize(read_audio(path, 44_100, duration_s=10.0), classifier.window_samples)
        exact, rounded = (
            classifier.probabilities(
                classifier.standardize(log_mel(samples, facts.features, bands)), SceneContext()
            )
            for bands in ways
        )
        assert exact.argmax() == rounded.argmax()
        assert np.abs(exact - rounded).max() < 0.02


@pytest.mark.parametrize("config", [CONFIG, SMALL], ids=["44.1 kHz", "16 kHz"])
@pytest.mark.parametrize("way", [FourierBands, ProductBands])
def test_bands_are_the_weighted_magnitudes_of_a_windowed_spectrum(
    config: FeatureConfig, way: type[FourierBands | ProductBands]
) -> None:
    """Frame by frame, all in double precision, with every weight of the matrix."""
    hop = config.hop_samples
    samples = noise(51 * hop)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * hop)[::hop]
    spectrum = np.fft.rfft(frames * hann(2 * hop), config.fft_size)
    expected = np.abs(spectrum) @ mel_matrix(config).astype(np.float64).T
    np.testing.assert_allclose(way(config).process(samples), expected, rtol=2e-6)


@pytest.mark.parametrize("way", [FourierBands, ProductBands])
def test_silence_after_sound_is_silence(way: type[FourierBands | ProductBands]) -> None:
    bands = way(CONFIG)
    assert bands.process(noise(51 * 882)).min() > 0.0
    assert not bands.process(np.zeros(51 * 882, np.float32)).any()


@pytest.mark.parametrize("way", [FourierBands, ProductBands])
def test_a_stream_and_a_clip_are_the_same_bits_either_way(
    way: type[FourierBands | ProductBands],
) -> None:
    samples = noise(88_200)
    stream = LogMelStream(CONFIG, way(CONFIG))
    streamed = np.concatenate([stream.process(chunk) for chunk in np.array_split(samples, 7)])
    np.testing.assert_array_equal(streamed, log_mel(samples, CONFIG, way(CONFIG)))


@pytest.mark.parametrize(
    ("machine", "way"),
    [("x86_64", ProductBands), ("aarch64", FourierBands), ("armv7l", FourierBands)],
)
def test_the_processor_says_which(
    monkeypatch: pytest.MonkeyPatch, machine: str, way: type[FourierBands | ProductBands]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert type(mel_bands(CONFIG)) is way


def test_an_fft_that_cannot_be_factored_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = FeatureConfig(fft_size=2000)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert type(mel_bands(odd)) is FourierBands
    with pytest.raises(ValueError, match="multiple of 64, got 2000"):
        ProductBands(odd)
