"""Recordings along time, as `listen` hears them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.errors import AudioError
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.plot.recording import QUIETEST_DBFS, Hearing, centres_hz, hear
from edge_asc.plot.timeline import Timeline

RATE_HZ = 44_100
WavWriter = Callable[..., Path]


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.read(default_model_path())


def heard(path: Path, model: ModelFile, *, decide: bool = True) -> Timeline:
    classifier = SceneClassifier(model)
    manifest = classifier.manifest
    decider = Decider(manifest.scenes, manifest.decision_config, classifier.hop_s)
    context = SceneContext("Luoyang", datetime(2026, 5, 17, 14, 30))
    hearing = Hearing(
        classifier, context, decider if decide else None, lambda _: None, lambda _: None
    )
    return hear(path, hearing)


def test_a_real_recording_is_decided_as_it_was_labelled(data_dir: Path, model: ModelFile) -> None:
    """The shipped model was trained on it: this tests the way, not the model."""
    path = data_dir / "scenes_open" / "bus" / "taipei-wolf__bus226.flac"
    timeline = heard(path, model)
    assert timeline.title == "taipei-wolf__bus226.flac, Luoyang"
    assert timeline.demonstration
    assert timeline.begins == datetime(2026, 5, 17, 14, 30)
    assert timeline.end_s == pytest.approx(43.5, abs=0.1)
    assert timeline.scenes == model.manifest.scenes
    ((first, *_), column) = timeline.decisions, timeline.scenes.index("bus")
    assert (first.what, first.start_s) == ("bus", 0.0)
    assert timeline.belief.mean[:20, column].min() > 0.5
    np.testing.assert_allclose(timeline.belief.mean.sum(axis=1), 1.0, atol=1e-5)
    assert np.nanmax(timeline.level.high) <= 3.1
    assert timeline.spectrogram is not None
    assert timeline.spectrogram.series.mean.shape[1] == model.manifest.features.num_mels


def test_the_spectrogram_is_the_features_of_the_network(
    write_wav: WavWriter, rng: np.random.Generator, model: ModelFile
) -> None:
    sound = rng.uniform(-0.5, 0.5, round(12.7 * RATE_HZ)).astype(np.float32)
    timeline = heard(write_wav(sound, subtype="FLOAT"), model)
    assert timeline.spectrogram is not None
    features = log_mel(sound, FeatureConfig())
    shown = timeline.spectrogram.series
    assert shown.width_s == 1 / 50
    np.testing.assert_allclose(shown.mean[: 12 * 50], features[: 12 * 50], atol=1e-4)
    assert len(shown.mean) == int(12.7 * 50)


def test_digital_silence_has_a_level_that_can_be_drawn(
    write_wav: WavWriter, model: ModelFile
) -> None:
    timeline = heard(write_wav(np.zeros(11 * RATE_HZ)), model)
    assert np.unique(timeline.level.mean).tolist() == [QUIETEST_DBFS]


def test_a_full_scale_sine_has_0_dbfs(write_wav: WavWriter, model: ModelFile) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(11 * RATE_HZ) / RATE_HZ)
    timeline = heard(write_wav(tone, subtype="FLOAT"), model)
    np.testing.assert_allclose(timeline.level.mean[:, 0], 0.0, atol=0.01)


def test_raw_probabilities_have_no_decisions(
    write_wav: WavWriter, rng: np.random.Generator, model: ModelFile
) -> None:
    path = write_wav(rng.uniform(-0.5, 0.5, 12 * RATE_HZ))
    timeline = heard(path, model, decide=False)
    assert (timeline.smoothed, timeline.decisions, timeline.changes_s) == (False, [], [])


def test_a_recording_that_is_too_short_is_repeated(
    write_wav: WavWriter, rng: np.random.Generator, model: ModelFile
) -> None:
    timeline = heard(write_wav(rng.uniform(-0.5, 0.5, 3 * RATE_HZ)), model)
    assert timeline.end_s == pytest.approx(3.0)
    assert np.all(timeline.belief.edges_s[[0, -1]] == [0.0, 3.0])


def test_what_is_no_sound_is_an_error(tmp_path: Path, model: ModelFile) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    with pytest.raises(AudioError):
        heard(path, model)


def test_mel_bands_lie_in_their_order() -> None:
    centres = centres_hz(FeatureConfig())
    assert np.all(np.diff(centres) > 0)
    assert 0.0 < centres[0] < centres[-1] < RATE_HZ / 2
